import type { EventStoreDBClient } from "@eventstore/db-client";
import { withDeadline } from "./deadline.ts";

const patienceMs = 500;

/**
 * Ends all calls of a client. The client waits for each of its streams to end, and one that was cancelled with events still
 * on their way to a reader that has left never does: whoever waited for that would wait for ever.
 */
export async function disposeClient(client: EventStoreDBClient): Promise<void> {
  await withDeadline(client.dispose(), patienceMs, "the end of the client's calls").catch(() => undefined);
}
