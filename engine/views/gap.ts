/**
 * The events of a stream between a guard and a delivered event. A view is the fold of all committed events, so what
 * truncation or deletion hides from reads of the stream is taken from `$all`.
 */
import { StreamDeletedError } from "../event-store/errors.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { isAfter, startOfAll } from "../event-store/position.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Guard } from "./guard.ts";

/** Events are missing from the stream and from `$all`: a scavenge removed them, so nobody can say what they changed. */
export class StreamHoleError extends Error {
  readonly code = "STREAM_HOLE";
  override readonly name = "StreamHoleError";
}

/**
 * All events after `guard` up to and including `last`, in order; those at hand in `delivered` are not read again. Throws
 * {@link StreamHoleError} when the store no longer has them.
 */
export async function eventsAfterGuard(
  eventStore: EventStore,
  guard: Guard | undefined,
  delivered: readonly StoredEvent[],
  last: StoredEvent,
): Promise<StoredEvent[]> {
  const found = new Map(delivered.map((event) => [event.revision, event]));
  const first = (guard?.revision ?? -1n) + 1n;
  const missing = (): bigint | undefined => {
    for (let revision = first; revision <= last.revision; revision += 1n) if (!found.has(revision)) return revision;
    return undefined;
  };

  const gap = missing();
  if (gap !== undefined) {
    try {
      for await (const event of eventStore.readStream(last.stream, gap, last.revision - gap)) {
        if (event.revision > last.revision) break;
        found.set(event.revision, event);
      }
    } catch (error) {
      // Deleted for good; its events are in `$all` still.
      if (!(error instanceof StreamDeletedError)) throw error;
    }
  }
  if (missing() !== undefined) {
    // Without an end the read is the leader's: a follower that lags would make events look scavenged.
    for await (const event of eventStore.readAll(guard?.position ?? startOfAll)) {
      if (isAfter(event.position, last.position)) break;
      if (event.stream === last.stream) found.set(event.revision, event);
    }
  }
  const hole = missing();
  if (hole !== undefined) {
    throw new StreamHoleError(
      `revision ${hole.toString()} of ${last.stream} is no longer in the store: it was scavenged`,
    );
  }
  return [...found.values()]
    .filter(({ revision }) => revision >= first && revision <= last.revision)
    .sort((left, right) => (left.revision < right.revision ? -1 : 1));
}
