import type { AllStreamRecordedEvent } from "@eventstore/db-client";
import { fromClientEvent } from "../../engine/event-store/from-client.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import type { EventLog } from "../../local/eventstoredb/log/event-log.ts";
import { clientEvent } from "./client-events.ts";

/** All that a log holds, in its order, hidden or not. */
export function eventsOf(log: EventLog): StoredEvent[] {
  const found: StoredEvent[] = [];
  for (let last: bigint | undefined = -1n; last !== undefined;) {
    const page: ReturnType<typeof log.all.forwards> = log.all.forwards(last, 256);
    for (const event of page.events) {
      const { event: resolved } = clientEvent({ event, link: undefined });
      if (resolved !== undefined) found.push(fromClientEvent(resolved satisfies AllStreamRecordedEvent));
    }
    last = page.last;
  }
  return found;
}
