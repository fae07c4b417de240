import { afterAll, beforeAll } from "vitest";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { Transfers } from "./transfers-against-store.ts";

/** An event store for the tests of a file; `transfers` and `server` are there once they run. */
export function useTransfers(): { readonly transfers: Transfers; readonly server: EventStoreServer } {
  let running: { readonly transfers: Transfers; readonly server: EventStoreServer } | undefined;

  beforeAll(async () => {
    const server = await startEventStore({ inMemory: true });
    running = { server, transfers: new Transfers(EventStore.connect(server.connectionString)) };
  });

  afterAll(async () => {
    await running?.transfers.store.dispose();
    await running?.server.stop();
  });

  const started = (): NonNullable<typeof running> => {
    if (running === undefined) throw new Error("The event store runs during tests only.");
    return running;
  };
  return {
    get transfers() {
      return started().transfers;
    },
    get server() {
      return started().server;
    },
  };
}
