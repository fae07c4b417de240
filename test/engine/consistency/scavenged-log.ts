import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

/** The log as a scavenge leaves it: some events are gone from it. */
export function scavenged({ client }: EventStore, isGone: (event: StoredEvent) => boolean): EventStore {
  class Scavenged extends EventStore {
    override async *readAll(...range: Parameters<EventStore["readAll"]>): ReturnType<EventStore["readAll"]> {
      for await (const event of super.readAll(...range)) if (!isGone(event)) yield event;
    }

    override async *roundsOf(...range: Parameters<EventStore["roundsOf"]>): ReturnType<EventStore["roundsOf"]> {
      for await (const round of super.roundsOf(...range)) yield round.filter((event) => !isGone(event));
    }
  }
  return new Scavenged(client);
}
