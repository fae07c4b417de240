/**
 * Reads `$all` through a filter on the names of streams, which the server applies: a projection that reads one category in
 * twenty is sent one event in twenty. A plain read takes no filter; a catch-up subscription does, and says when it has come
 * to the end. Asked of the leader, so that its end is that of the log and not of a follower's copy.
 */
import { type AllStreamResolvedEvent, type EventStoreDBClient, START, streamNameFilter } from "@eventstore/db-client";
import { Arrivals } from "./arrivals.ts";
import { EventStoreUnavailableError } from "./errors.ts";
import { fromClientEvent } from "./from-client.ts";
import { comparePositions, isAfter, type Position, startOfAll } from "./position.ts";
import type { StoredEvent } from "./stored-event.ts";

const what = "the filtered read of $all";

/** The server fell silent, for good or because it tells nobody that it has come to the end. */
export class EndNotToldError extends EventStoreUnavailableError {}

/** Whoever takes the rounds hears of the server at least so often, if only that nothing matched. */
const longestRoundMs = 250;

/** Events that the client may hold before it asks the server to wait. */
const buffered = 512;

export interface FilteredRead {
  /** What the names of streams begin with. */
  readonly prefixes: readonly [string, ...string[]];
  /** Events behind this one; absent for all from the first. */
  readonly after: Position | undefined;
  /** Events up to this one, included: a position that the leader's log has reached. */
  readonly until: Position;
  /** Events in a round. */
  readonly size: number;
  /** Longest silence of the server, in milliseconds. */
  readonly readProgressMs: number;
}

/**
 * The events in rounds of at most `size`, fewer where few match. Ends when the server has shown that there are no more up to
 * `until`. Throws {@link EndNotToldError} when it falls silent before that, and the client's errors.
 */
export async function* filteredRounds(
  client: EventStoreDBClient,
  { prefixes, after, until, size, readProgressMs }: FilteredRead,
): AsyncGenerator<StoredEvent[], void> {
  if (comparePositions(until, after ?? startOfAll) <= 0) return;
  // Told by the server, at any time: so it is read anew each time.
  const end = { isTold: false, wake: (): void => undefined };
  const tellEnd = (): void => {
    end.isTold = true;
    end.wake();
  };
  let heardAt = Date.now();
  const subscription = client.subscribeToAll(
    {
      fromPosition: after ?? START,
      requiresLeader: true,
      filter: streamNameFilter({
        prefixes: [...prefixes],
        checkpointReached: (_, position) => {
          heardAt = Date.now();
          if (comparePositions(position, until) >= 0) tellEnd();
        },
      }),
    },
    { highWaterMark: buffered },
  );
  // Told behind the events before it, so that who has read all of these and then sees it has read to the end.
  subscription.on("caughtUp", tellEnd);
  const arrivals = new Arrivals(subscription);
  end.wake = () => {
    arrivals.wake();
  };
  const clock = setInterval(() => {
    arrivals.wake();
  }, longestRoundMs);
  let round: StoredEvent[] = [];
  let begunAt = Date.now();
  try {
    for (;;) {
      // What the client's stream is made of; Node.js leaves the type open.
      const resolved = subscription.read() as AllStreamResolvedEvent | null;
      if (resolved === null) {
        if (end.isTold) break;
        const now = Date.now();
        if (now - heardAt > readProgressMs) {
          throw new EndNotToldError(`${what} got no answer within ${readProgressMs} ms: try again`);
        }
        if (now - begunAt > longestRoundMs) {
          yield round;
          round = [];
          begunAt = Date.now();
        } else if (!(await arrivals.more())) throw new EventStoreUnavailableError(`${what} ended: try again`);
        continue;
      }
      heardAt = Date.now();
      const event = resolved.event ?? resolved.link;
      if (event === undefined) continue;
      const stored = fromClientEvent(event);
      if (isAfter(stored.position, until)) break;
      round.push(stored);
      if (round.length < size) continue;
      yield round;
      round = [];
      begunAt = heardAt = Date.now();
    }
    if (round.length > 0) yield round;
  } finally {
    clearInterval(clock);
    subscription.on("error", () => undefined);
    await subscription.unsubscribe().catch(() => undefined);
    subscription.destroy();
  }
}
