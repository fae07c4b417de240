/**
 * Applies events to one generation of a view, each exactly once and each stream in order, whatever is delivered twice,
 * late, early or to several writers at once.
 *
 * A delivered event is only a hint that its stream moved. What decides is the guard, which changes in one conditional
 * write with the rows: an event at or below it is a duplicate, its successor is applied, and before an event further on
 * the events between are read from the store. The write is tried on the assumption that the guard stands right before
 * the batch; only where that fails is the guard read.
 */
import { type DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "../event-store/event-store.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "./catalog.ts";
import { isTransactionConflict, isTransient, translated, ViewsUnavailableError } from "./dynamodb.ts";
import { eventsAfterGuard } from "./gap.ts";
import type { Guard } from "./guard.ts";
import { guardOfItem, type Item, quarantinedOfItem } from "./item.ts";
import { type Projection, readsStream } from "./projection.ts";
import { guardKeyOf } from "./stream-keys.ts";
import {
  groupForTransactions,
  type StreamWrite,
  writeOfEvents,
  writeOwnedRow,
  writeSharedRows,
} from "./stream-write.ts";

export interface LiveWriter {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table" | "from">;
  /**
   * Lets an event wait behind one of its stream that was given up, so that it need not be tried. Without it marks of such
   * streams do not count, and their events are tried.
   */
  readonly waitBehind?: (stream: string, revision: bigint) => Promise<"waiting" | "released">;
  /** Told what the guard made of each stream. */
  readonly onOutcome?: (outcome: GuardOutcome) => void;
}

/**
 * What a guard made of the events of one stream. `expected` is the revision that the first of them needs it at, `actual` where
 * it stands; both -1 before the first event.
 * - `applied`: it stood right before them, and stands at the last.
 * - `duplicate`: it had seen all of them.
 * - `gap-filled`: it stood before other events, which are applied too.
 * - `waiting`: an event that was given up stands between.
 */
export interface GuardOutcome {
  readonly outcome: "applied" | "duplicate" | "gap-filled" | "waiting";
  readonly stream: string;
  readonly expected: bigint;
  readonly actual: bigint;
}

/** From `revision` on, the events of `stream` are not in the rows. */
export interface StreamFailure {
  readonly stream: string;
  readonly revision: bigint;
  readonly error: unknown;
  /** It was refused when it was written: what the table holds may decide, and that cannot be told without a write. */
  readonly refusedByTable?: true;
}

/** What became of the streams of a batch. Failures are values: one bad stream never holds back another. */
export interface ApplyReport {
  /** Events. */
  readonly applied: number;
  /** Streams of which every event was in the rows already. */
  readonly duplicates: number;
  /** Streams of which events were missing before, or between, those that were delivered. */
  readonly gapsFilled: number;
  /** Streams of which events wait behind one that was given up, and the revision of that. */
  readonly waiting: readonly { readonly stream: string; readonly revision: bigint }[];
  readonly failures: readonly StreamFailure[];
}

interface MutableReport {
  applied: number;
  duplicates: number;
  gapsFilled: number;
  readonly waiting: { readonly stream: string; readonly revision: bigint }[];
  readonly failures: StreamFailure[];
}

const streamsAtOnce = 16;
const maximumTries = 12;
/** So many failures of infrastructure in a row, and the rest of the batch would fail too, each after a time-out of its own. */
const failuresOfAnOutage = 8;

/** Brings every stream of `events` that the projection reads up to its last event there. */
export async function applyEvents(writer: LiveWriter, events: Iterable<StoredEvent>): Promise<ApplyReport> {
  const report = emptyReport();
  const open = openStreams(writer, events, report);
  if (writer.projection.rows === "shared") await applyShared(writer, open);
  else await applyOwned(writer, writer.projection, open);
  return report;
}

/**
 * What {@link applyEvents} would make of them, as far as that can be told without a write: the events are read that are missing,
 * and folded. Says nothing about what only DynamoDB refuses.
 */
export async function judgeEvents(writer: LiveWriter, events: Iterable<StoredEvent>): Promise<ApplyReport> {
  const report = emptyReport();
  await eachOf(openStreams(writer, events, report), async (stream) => {
    await stream.readGuard();
    while (!stream.done) {
      const write = await stream.next();
      if (write !== undefined) stream.written(write);
    }
  });
  return report;
}

/** Several at once, each by itself. */
async function eachOf(streams: readonly OpenStream[], work: (stream: OpenStream) => Promise<void>): Promise<void> {
  const queue = streams.values();
  const worker = async (): Promise<void> => {
    for (const stream of queue) await work(stream);
  };
  await Promise.all(Array.from({ length: streamsAtOnce }, worker));
}

const emptyReport = (): MutableReport => ({ applied: 0, duplicates: 0, gapsFilled: 0, waiting: [], failures: [] });

function openStreams(writer: LiveWriter, events: Iterable<StoredEvent>, report: MutableReport): OpenStream[] {
  return [...byStream(writer.projection, events).values()].map(
    (delivered) => new OpenStream(writer, delivered, report),
  );
}

/** The last of so many failures that the rest of the batch need not be tried. */
function outageIn({ failures }: ApplyReport): StreamFailure | undefined {
  const last = failures.slice(-failuresOfAnOutage);
  const isOutage = last.length === failuresOfAnOutage && last.every(({ error }) => isInfrastructureFailure(error));
  return isOutage ? last.at(-1) : undefined;
}

/** How far a stream of the batch has come. */
class OpenStream {
  readonly name: string;
  readonly last: StoredEvent;
  readonly #writer: LiveWriter;
  #delivered: readonly StoredEvent[];
  readonly #report: MutableReport;
  #expected: bigint;
  #guard: Guard | undefined;
  /** Whether the guard was read; before, it is only assumed. */
  #guardKnown = false;
  #tries = 0;
  /** What went wrong and is no fault of infrastructure, until it is known whether that event is next, and not given up already. */
  #failing: Omit<StreamFailure, "stream"> | undefined;
  readonly #needed: bigint;
  #hasGap = false;
  /** A write of several events or streams was refused: its events go one by one and alone, to find the one at fault. */
  isSuspect = false;
  done = false;

  constructor(writer: LiveWriter, delivered: readonly [StoredEvent, ...StoredEvent[]], report: MutableReport) {
    this.#writer = writer;
    this.#delivered = delivered;
    this.#report = report;
    this.name = delivered[0].stream;
    this.last = delivered.at(-1) ?? delivered[0];
    this.#expected = delivered[0].revision - 1n;
    this.#needed = this.#expected;
  }

  /** The next write, or undefined when nothing is left to write: then the stream is done. */
  async next(): Promise<StreamWrite | undefined> {
    const outage = outageIn(this.#report);
    if (outage !== undefined) {
      // Of the same kind: whose outage it is decides what is made of it.
      this.fail(this.#expected + 1n, outage.error);
      return undefined;
    }
    try {
      if (this.#failing !== undefined && (await this.#isOver(this.#failing))) return undefined;
      const events = await this.#eventsAfterGuard();
      if (this.done) return undefined;
      const { projection, generation } = this.#writer;
      const candidates = this.isSuspect ? events.slice(0, 1) : events;
      const write = writeOfEvents(projection, generation.from, this.#expected, candidates);
      if (write?.failure !== undefined && write.guard.revision === this.#expected) {
        this.fail(write.failure.revision, write.failure.error);
        return undefined;
      }
      if (write === undefined) {
        if (this.#tries > 0) this.#report.duplicates += 1;
        this.#end("duplicate");
      }
      return write;
    } catch (error) {
      this.fail(this.#expected + 1n, error);
      return undefined;
    }
  }

  written(write: StreamWrite): void {
    this.#report.applied += Number(write.guard.revision - this.#expected);
    this.#expected = write.guard.revision;
    this.#guard = write.guard;
    if (write.failure !== undefined) this.fail(write.failure.revision, write.failure.error);
    else if (this.#expected >= this.last.revision) this.#end(this.#hasGap ? "gap-filled" : "applied");
  }

  /** Nothing of the write was taken. One bad event must neither hold back another stream nor be named by another's revision. */
  refused(write: StreamWrite, error: unknown, alone: boolean): void {
    const isOneEvent = alone && write.guard.revision === write.expected + 1n;
    if (isInfrastructureFailure(error)) this.fail(write.expected + 1n, error);
    else if (isOneEvent) this.#failing ??= { revision: write.expected + 1n, error, refusedByTable: true };
    else this.isSuspect = true;
  }

  /** The guard was not where it was assumed: another writer came first, or events are missing before the batch. */
  async readGuard(): Promise<void> {
    this.#tries += 1;
    try {
      if (this.#tries > maximumTries)
        throw new ViewsUnavailableError(`the guard of ${this.name} keeps moving: try again`);
      const item = await readGuardItem(this.#writer, this.name);
      this.#guard = guardOfItem(item);
      this.#expected = this.#guard?.revision ?? -1n;
      this.#guardKnown = true;
      if (quarantinedOfItem(item) === this.#expected + 1n) await this.#waitBehind();
    } catch (error) {
      this.fail(this.#expected + 1n, error);
    }
  }

  /** From here on nothing of the stream is applied. What may be an event's own fault is looked at again: it may not be next. */
  fail(revision: bigint, error: unknown): void {
    if (!isInfrastructureFailure(error)) {
      this.#failing ??= { revision, error };
      return;
    }
    this.#fail({ revision, error });
  }

  #fail(failure: Omit<StreamFailure, "stream">): void {
    this.done = true;
    this.#report.failures.push({ stream: this.name, ...failure });
  }

  /** Whether the stream ends here: it waits, or what failed is next. Another writer may have applied it, or events be missing. */
  async #isOver(failing: Omit<StreamFailure, "stream">): Promise<boolean> {
    if (!this.#guardKnown) await this.readGuard();
    this.#failing = undefined;
    if (!this.done && this.#expected === failing.revision - 1n) this.#fail(failing);
    return this.done;
  }

  async #waitBehind(): Promise<void> {
    if ((await this.#writer.waitBehind?.(this.name, this.last.revision)) !== "waiting") return;
    this.#report.waiting.push({ stream: this.name, revision: this.#expected + 1n });
    this.#end("waiting");
  }

  #end(outcome: GuardOutcome["outcome"]): void {
    this.done = true;
    this.#writer.onOutcome?.({ outcome, stream: this.name, expected: this.#needed, actual: this.#expected });
  }

  async #eventsAfterGuard(): Promise<readonly StoredEvent[]> {
    const ahead = this.#delivered.filter(({ revision }) => revision > this.#expected);
    if (ahead.length === 0 || isUnbroken(this.#expected, ahead)) return ahead;
    // A hole is filled from the guard's position on, so the guard must be read first.
    if (!this.#guardKnown) await this.readGuard();
    if (this.done || this.#expected >= this.last.revision) return [];
    this.#report.gapsFilled += 1;
    this.#hasGap = true;
    // Kept: a gap that takes several writes is read once.
    this.#delivered = await eventsAfterGuard(this.#writer.eventStore, this.#guard, this.#delivered, this.last);
    return this.#delivered;
  }
}

async function applyOwned(
  writer: LiveWriter,
  projection: Extract<Projection, { rows: "one-per-stream" }>,
  streams: readonly OpenStream[],
): Promise<void> {
  await eachOf(streams, async (stream) => {
    while (!stream.done) {
      const write = await stream.next();
      if (write === undefined) continue;
      try {
        const outcome = await writeOwnedRow(writer.dynamodb, writer.generation.table, projection, write);
        if (outcome === "written") stream.written(write);
        else await stream.readGuard();
      } catch (error) {
        stream.refused(write, error, true);
      }
    }
  });
}

/** Group after group, not at once: groups of one batch touch the same rows and would only conflict with each other. */
async function applyShared(writer: LiveWriter, streams: readonly OpenStream[]): Promise<void> {
  for (let open = streams; open.length > 0; open = open.filter(({ done }) => !done)) {
    const together: StreamWrite[] = [];
    const alone: StreamWrite[][] = [];
    const owners = new Map<string, OpenStream>();
    for (const stream of open) {
      const write = await stream.next();
      if (write === undefined) continue;
      if (stream.isSuspect) alone.push([write]);
      else together.push(write);
      owners.set(write.stream, stream);
    }
    for (const group of [...groupForTransactions(together), ...alone]) await writeGroup(writer, group, owners);
  }
}

async function writeGroup(
  writer: LiveWriter,
  group: readonly StreamWrite[],
  owners: ReadonlyMap<string, OpenStream>,
): Promise<void> {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      const outcome = await writeSharedRows(writer.dynamodb, writer.generation.table, group);
      if (outcome === "written") for (const write of group) owners.get(write.stream)?.written(write);
      // Nothing was written; the streams whose guards stood still are tried again in the next round.
      else for (const stream of outcome.moved) await owners.get(stream)?.readGuard();
      return;
    } catch (error) {
      if (isTransactionConflict(error) && conflicts < maximumTries) {
        await sleep(Math.random() * Math.min(1_000, 10 * 2 ** conflicts));
        continue;
      }
      const failure = isTransactionConflict(error) ? busy(writer, error) : error;
      for (const write of group) owners.get(write.stream)?.refused(write, failure, group.length === 1);
      return;
    }
  }
}

function busy({ generation }: LiveWriter, cause: unknown): ViewsUnavailableError {
  return new ViewsUnavailableError(`rows of ${generation.table} are written by too many at once: try again`, { cause });
}

type GuardReader = Pick<LiveWriter, "dynamodb" | "projection" | "generation">;

/** The guard of a stream, read consistently. */
export async function readGuard(writer: GuardReader, stream: string): Promise<Guard | undefined> {
  return guardOfItem(await readGuardItem(writer, stream));
}

async function readGuardItem(
  { dynamodb, projection, generation }: GuardReader,
  stream: string,
): Promise<Item | undefined> {
  const key = guardKeyOf(projection, stream);
  const { Item } = await translated(
    dynamodb.send(new GetItemCommand({ TableName: generation.table, Key: key, ConsistentRead: true })),
  );
  return Item;
}

function byStream(projection: Projection, events: Iterable<StoredEvent>): Map<string, [StoredEvent, ...StoredEvent[]]> {
  const streams = new Map<string, [StoredEvent, ...StoredEvent[]]>();
  for (const event of events) {
    // A tombstone says that its stream takes no more; it is no event of the stream and changes no row.
    // Another version of the view may read more.
    if (isTombstone(event) || !readsStream(projection, event.stream)) continue;
    const delivered = streams.get(event.stream);
    if (delivered === undefined) streams.set(event.stream, [event]);
    else if (!delivered.some(({ revision }) => revision === event.revision)) delivered.push(event);
  }
  for (const delivered of streams.values()) delivered.sort((a, b) => (a.revision < b.revision ? -1 : 1));
  return streams;
}

function isUnbroken(expected: bigint, events: readonly StoredEvent[]): boolean {
  return events.every(({ revision }, index) => revision === expected + 1n + BigInt(index));
}

/** The store is away, or refuses whoever asks, such as a user without the right to read: that says nothing about an event. */
function isOfTheStore(code: unknown): boolean {
  return code === "EVENT_STORE_UNAVAILABLE" || code === "EVENT_STORE_ERROR";
}

/** Whether trying the same events again later may succeed without anything being mended in code or data. */
export function isInfrastructureFailure(error: unknown): boolean {
  return isTransient(error) || (error instanceof Error && "code" in error && isOfTheStore(error.code));
}
