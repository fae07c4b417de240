import { EventStoreUnavailableError } from "./errors.ts";
import type { EventStore } from "./event-store.ts";
import { comparePositions, isAfter, type Position, startOfAll } from "./position.ts";
import type { StoredEvent } from "./stored-event.ts";

/**
 * The events of `$all` after `after` up to `target`, so many at a time. Throws {@link EventStoreUnavailableError} when they
 * end before `target`: a follower that has not caught up looks as if that was all.
 */
export async function* roundsOfAll(
  eventStore: EventStore,
  after: Position | undefined,
  target: Position,
  size: number,
): AsyncGenerator<StoredEvent[], void> {
  if (comparePositions(target, after ?? startOfAll) <= 0) return;
  let round: StoredEvent[] = [];
  let last: Position | undefined;
  for await (const event of eventStore.readAll(after, target)) {
    last = event.position;
    if (after !== undefined && !isAfter(event.position, after)) continue;
    round.push(event);
    if (round.length < size) continue;
    yield round;
    round = [];
  }
  if (last === undefined || isAfter(target, last)) {
    throw new EventStoreUnavailableError("the read of $all ended before the tail that the leader gave: try again");
  }
  if (round.length > 0) yield round;
}
