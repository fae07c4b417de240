/** What an order costs on its way to cash is what `docs/process-manager.md` says, read by read and append by append. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { orderToCashCosts } from "../../bench/process-costs.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";

let server: EventStoreServer;
let eventStore: EventStore;

beforeAll(async () => {
  server = await startEventStore({ inMemory: true });
  eventStore = EventStore.connect(server.connectionString);
});

afterAll(async () => {
  await eventStore.dispose();
  await server.stop();
});

/** The rows of the page's table: a step and four numbers. */
async function documented(): Promise<unknown[]> {
  const page = await readFile(join(import.meta.dirname, "../../docs/process-manager.md"), "utf8");
  return [...page.matchAll(/^\| (\S[^|]*?) +\|((?: +\d+ \|){4})$/gm)].map(([, step, figures = ""]) => {
    const [reads, appends, events, invocations] = figures.split("|").map(Number);
    return { step, reads, appends, events, invocations };
  });
}

it("an order costs the reads, appends, events and invocations that the page lists", async () => {
  expect(await documented()).toStrictEqual(await orderToCashCosts(eventStore));
});
