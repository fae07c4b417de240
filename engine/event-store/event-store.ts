/**
 * Reads and appends of the event store, with what its client lacks: a deadline on every call (the client's streaming
 * calls have none), conflicts as values, and errors told apart by what the caller can do. Memory does not grow with the
 * length of what is read.
 */
import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  END,
  EventStoreDBClient,
  FORWARDS,
  type JSONType,
  jsonEvent,
  NotLeaderError,
  type ResolvedEvent,
  START,
  StreamNotFoundError,
  type StreamingRead,
  WrongExpectedVersionError,
} from "@eventstore/db-client";
import { randomUUID } from "node:crypto";
import { Arrivals } from "./arrivals.ts";
import { ProgressDeadline, withDeadline } from "./deadline.ts";
import { disposeClient } from "./dispose-client.ts";
import { EventStoreError, EventStoreUnavailableError } from "./errors.ts";
import { EndNotToldError, type FilteredRead, filteredRounds } from "./filtered-read.ts";
import { fromClientError, fromClientEvent } from "./from-client.ts";
import { comparePositions, isAfter, type Position, startOfAll } from "./position.ts";
import { roundsOfAll } from "./rounds-of-all.ts";
import type { NewEvent, StoredEvent } from "./stored-event.ts";

/** The revision a stream must be at for an append to be taken: always sent, never `any`. */
export type ExpectedRevision = bigint | "no_stream";

export type AppendOutcome =
  | { readonly outcome: "appended"; readonly revision: bigint }
  | { readonly outcome: "conflict"; readonly expected: ExpectedRevision; readonly actual: ExpectedRevision };

export interface EventStoreDeadlines {
  /** Longest wait for the answer of an append, in milliseconds. */
  readonly appendMs: number;
  /** Longest wait for the next event of a read, in milliseconds; a read as such may take as long as it has events. */
  readonly readProgressMs: number;
}

const defaultDeadlines: EventStoreDeadlines = { appendMs: 5_000, readProgressMs: 5_000 };

export class EventStore {
  /** The raw client, for what only it can do: persistent and catch-up subscriptions. */
  readonly client: EventStoreDBClient;
  readonly #deadlines: EventStoreDeadlines;

  constructor(client: EventStoreDBClient, deadlines: EventStoreDeadlines = defaultDeadlines) {
    this.client = client;
    this.#deadlines = deadlines;
  }

  static connect(connectionString: string, deadlines?: EventStoreDeadlines): EventStore {
    return new EventStore(EventStoreDBClient.connectionString(connectionString), deadlines);
  }

  /**
   * Appends all events or none. A conflict is an outcome; repeating an append whose answer was lost, with the same ids
   * and expected revision, reports the first outcome. Throws the errors of `errors.ts`.
   */
  async append(stream: string, expected: ExpectedRevision, events: readonly NewEvent[]): Promise<AppendOutcome> {
    const what = `the append to ${stream}`;
    const { appendMs } = this.#deadlines;
    try {
      const appending = this.client.appendToStream(stream, events.map(toClientEvent), {
        expectedRevision: expected,
        deadline: appendMs,
      });
      const result = await withDeadline(appending, appendMs, what);
      return { outcome: "appended", revision: result.nextExpectedRevision };
    } catch (error) {
      if (error instanceof WrongExpectedVersionError) {
        return { outcome: "conflict", expected, actual: actualRevision(error.actualVersion) };
      }
      throw fromClientError(error, what);
    }
  }

  /**
   * Makes a stream keep its last `count` events only, whether it exists or not; what else its metadata say stays. If others
   * change the metadata at the same moment, theirs stand.
   */
  async keepLast(stream: string, count: number): Promise<void> {
    const metadataStream = `$$${stream}`;
    const last = await this.lastEvent(metadataStream);
    const known = metadataOf(last);
    if (known["$maxCount"] === count) return;
    const data = { ...known, $maxCount: count };
    await this.append(metadataStream, last?.revision ?? "no_stream", [
      { id: randomUUID(), type: "$metadata", data, metadata: {} },
    ]);
  }

  /**
   * A stream's events from `from` (included) forwards; none if the stream does not exist or ends before it. Asked of the
   * leader: what a follower has not heard of yet would be missing from a decision.
   */
  readStream(stream: string, from = 0n, maxCount?: bigint): AsyncGenerator<StoredEvent, void> {
    const count = maxCount === undefined ? {} : { maxCount };
    const options = { fromRevision: from, direction: FORWARDS, requiresLeader: true, ...count } as const;
    return this.#read(() => this.client.readStream(stream, options), `the read of ${stream}`);
  }

  /** The last event of a stream that a read can see, if there is one. */
  async lastEvent(stream: string): Promise<StoredEvent | undefined> {
    return (await this.lastEvents(stream, 1)).at(0);
  }

  /** The last `count` events of a stream that a read can see, in the stream's order; fewer only if there are no more. */
  async lastEvents(stream: string, count: number): Promise<StoredEvent[]> {
    const options = { fromRevision: END, direction: BACKWARDS, requiresLeader: true, maxCount: count } as const;
    const open = (): Reading => this.client.readStream(stream, options);
    return (await this.#collected(open, `the read of ${stream}`)).reverse();
  }

  /**
   * The events of the log, system events too, from `from` (included) to `until` (included). Without `until` it goes to
   * the end of the log as the leader sees it.
   */
  readAll(from: Position = startOfAll, until?: Position): AsyncGenerator<StoredEvent, void> {
    const fromPosition = comparePositions(from, startOfAll) === 0 ? START : from;
    const options = { fromPosition, direction: FORWARDS, requiresLeader: until === undefined } as const;
    return this.#read(() => this.client.readAll(options), "the read of $all", until);
  }

  /**
   * Events of `$all` behind `after` up to `until`, included, of streams whose names begin with one of `prefixes`, in rounds of
   * at most `size`: fewer, or none, where few match. The server leaves out the others; one that never tells its end is asked
   * for all, from where it fell silent. `until` must be a tail that the leader gave.
   */
  async *roundsOf(
    prefixes: readonly [string, ...string[]],
    { after, until, size }: Pick<FilteredRead, "after" | "until" | "size">,
  ): AsyncGenerator<StoredEvent[], void> {
    const { readProgressMs } = this.#deadlines;
    let last = after;
    for (let isAskedAgain = false; ; isAskedAgain = true) {
      try {
        for await (const round of filteredRounds(this.client, { prefixes, after: last, until, size, readProgressMs })) {
          last = round.at(-1)?.position ?? last;
          yield round;
        }
        return;
      } catch (error) {
        if (error instanceof EndNotToldError) break;
        // A follower says who leads; the client asks there the next time.
        if (!(error instanceof NotLeaderError) || isAskedAgain)
          throw fromClientError(error, "the filtered read of $all");
      }
    }
    for await (const round of roundsOfAll(this, last, until, size)) {
      yield round.filter(({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix)));
    }
  }

  /** Position of the last event of the log. Asked of the leader: a follower's tail may lie behind an acked write. */
  async tail(): Promise<Position> {
    return (await this.newest(1)).at(0)?.position ?? startOfAll;
  }

  /** The last `count` events of the log, in its order, as the leader sees it; fewer only if there are no more. */
  async newest(count: number): Promise<StoredEvent[]> {
    const options = { fromPosition: END, direction: BACKWARDS, maxCount: count, requiresLeader: true } as const;
    const open = (): Reading => this.client.readAll(options);
    return (await this.#collected(open, "the read of the tail of $all")).reverse();
  }

  async dispose(): Promise<void> {
    await disposeClient(this.client);
  }

  /** Reads to its end what has few events; leaving early would cost a reset of the stream on the connection. */
  async #collected(open: () => Reading, what: string): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const event of this.#read(open, what)) events.push(event);
    return events;
  }

  // One generator instead of three stacked ones: each layer would cost a promise per event, and replays read millions.
  async *#read(open: () => Reading, what: string, until?: Position): AsyncGenerator<StoredEvent, void> {
    const { readProgressMs } = this.#deadlines;
    for (let isAskedAgain = false; ; isAskedAgain = true) {
      const reading = open();
      let ended = false;
      const deadline = new ProgressDeadline(readProgressMs, () => {
        reading.destroy(new EventStoreUnavailableError(`${what} got no answer within ${readProgressMs} ms: try again`));
      });
      try {
        const arrivals = new Arrivals(reading);
        for (;;) {
          // What the client's stream is made of; Node.js leaves the type open.
          const resolved = reading.read() as ResolvedEvent | AllStreamResolvedEvent | null;
          if (resolved === null) {
            if (await arrivals.more()) continue;
            break;
          }
          deadline.arrived();
          const event = resolved.event ?? resolved.link;
          if (event === undefined) throw new EventStoreError(`${what} gave an answer without an event`);
          const stored = fromClientEvent(event);
          if (until !== undefined && isAfter(stored.position, until)) return;
          yield stored;
          deadline.waiting();
        }
        ended = true;
        return;
      } catch (error) {
        ended = error instanceof StreamNotFoundError;
        if (ended) return;
        // A follower gives no event and says who leads; the client asks there the next time.
        if (!(error instanceof NotLeaderError) || isAskedAgain) throw fromClientError(error, what);
        ended = true;
      } finally {
        deadline.stop();
        // A read that is left early would otherwise be sent to its end. One that has ended must not be cancelled: servers
        // take many resets of streams for an attack and close the connection, with every call on it.
        if (!ended) {
          await reading.cancel().catch(ignoreLateError);
          reading.destroy();
        }
      }
    }
  }
}

type Reading = StreamingRead<ResolvedEvent | AllStreamResolvedEvent>;

function toClientEvent(event: NewEvent): ReturnType<typeof jsonEvent> {
  // The client asks for index signatures, which no interface has; any object is valid JSON input.
  return jsonEvent({
    id: event.id,
    type: event.type,
    data: event.data as JSONType,
    metadata: event.metadata as JSONType,
  });
}

/**
 * What the last event of a metadata stream says. A deleted stream's `$tb` is left out: no number holds it exactly, and the
 * server puts the right one when the stream is written again.
 */
function metadataOf(last: StoredEvent | undefined): Readonly<Record<string, unknown>> {
  const { data } = last ?? {};
  if (typeof data !== "object" || data === null || data instanceof Uint8Array) return {};
  const kept = Object.entries(data).filter(([name, value]) => name !== "$tb" || Number.isSafeInteger(value));
  return Object.fromEntries(kept);
}

/** The client reports -1 as a missing stream in some replies and `no_stream` in others. */
function actualRevision(actual: bigint | string): ExpectedRevision {
  return typeof actual === "bigint" && actual >= 0n ? actual : "no_stream";
}

/** After a read has ended or failed once, what its channel says later is of no interest and must not be uncaught. */
function ignoreLateError(): void {
  return;
}
