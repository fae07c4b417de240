/** A stretch of `$all`: what it says of some categories' streams, without the events' data, and bounded. */
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";

export type NotedEvent = Pick<StoredEvent, "stream" | "revision" | "position" | "type" | "metadata" | "recordedAt">;

export interface Stretch {
  /** In the order of the log. */
  readonly events: readonly NotedEvent[];
  /** Where it ends at its limit; absent where it goes to the tail. */
  readonly end?: Position;
}

export interface StretchOptions {
  /** Of an event that is not wanted any more. */
  readonly after: Position;
  readonly tail: Position;
  /** Most events that are read, whatever is kept of them. */
  readonly eventsRead: number;
  readonly categories: ReadonlySet<string>;
}

const eventsAtOnce = 500;

/** Throws EventStoreUnavailableError, also when a follower has not got to the tail yet. */
export async function readStretch(
  eventStore: EventStore,
  { after, tail, eventsRead, categories }: StretchOptions,
): Promise<Stretch> {
  const size = Math.min(eventsAtOnce, eventsRead);
  const events: NotedEvent[] = [];
  let read = 0;
  for await (const round of roundsOfAll(eventStore, after, tail, size)) {
    for (const event of round) if (isOf(categories, event)) events.push(noted(event));
    read += round.length;
    const last = round.at(-1);
    if (read >= eventsRead && last !== undefined && comparePositions(last.position, tail) < 0) {
      return { events, end: last.position };
    }
  }
  return { events };
}

function isOf(categories: ReadonlySet<string>, event: StoredEvent): boolean {
  const end = event.stream.indexOf("-");
  return end > 0 && categories.has(event.stream.slice(0, end)) && !isTombstone(event);
}

function noted({ stream, revision, position, type, metadata, recordedAt }: StoredEvent): NotedEvent {
  return { stream, revision, position, type, metadata, recordedAt };
}
