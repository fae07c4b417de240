/**
 * Writes a history straight into the log of an event store that does not run, with the times at which it happened: what
 * would take hours through the API takes minutes.
 */
import type { NewEvent } from "../../engine/event-store/stored-event.ts";
import type { ProposedEvent } from "../eventstoredb/log/event.ts";
import { openEventLog } from "../eventstoredb/log/event-log.ts";
import type { SampleMoment } from "./sale-history.ts";

/**
 * May be repeated: what is written already stays as it is.
 *
 * @param directory the event store's own, made if there is none
 * @param onEvents told after each moment how many events are written
 * @returns how many events the history has. Throws where the log holds others in its streams, and DataDirectoryError.
 */
export async function seedLog(
  directory: string,
  history: Iterable<SampleMoment>,
  onEvents: (events: number) => void = () => undefined,
): Promise<number> {
  let now = Date.now();
  let events = 0;
  const log = await openEventLog(directory, () => now);
  try {
    for (const { at, appends } of history) {
      now = at.getTime();
      const writes = appends.map(async ({ stream, expected, events: proposed }) => {
        const expectedRevision = expected < 0n ? "no-stream" : expected;
        const { kind } = await log.append({ stream, expectedRevision, events: proposed.map(encoded) });
        if (kind === "appended" || kind === "repeated") return;
        throw new Error(`${stream} has other events in the log than in the history (${kind}): seed an empty one`);
      });
      await Promise.all(writes);
      events += appends.reduce((sum, append) => sum + append.events.length, 0);
      onEvents(events);
    }
  } finally {
    log.close();
  }
  return events;
}

function encoded({ id, type, data, metadata }: NewEvent): ProposedEvent {
  const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  return { id, type, isJson: true, data: bytes(data), metadata: bytes(metadata) };
}
