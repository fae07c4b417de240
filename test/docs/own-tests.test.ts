/** The event store in tests of one's own, as docs/embedded-event-store.md shows it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEventStore, type EventStoreServer } from "../../local/eventstoredb/event-store-server.ts";

let server: EventStoreServer;
let client: EventStoreDBClient;

beforeAll(async () => {
  server = await startEventStore({ inMemory: true });
  client = EventStoreDBClient.connectionString(server.connectionString);
});

afterAll(async () => {
  await client.dispose();
  await server.stop();
});

test("an order that is placed twice is one event", async () => {
  const placed = jsonEvent({ type: "OrderPlaced", data: { total: 16800 } });
  await client.appendToStream("order-1", placed);
  const { nextExpectedRevision } = await client.appendToStream("order-1", placed);
  expect(nextExpectedRevision).toBe(0n);
});

/** Starts the event store as a process of its own; whoever runs the tests stops it after the last one. */
async function startEventStoreProcess() {
  const words = ["tidemark", "eventstore", "--port", "0", "--in-memory", "--json"];
  const child = spawn("npx", words, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { connectionString, pid } = JSON.parse(line) as { connectionString: string; pid: number };
  return { connectionString, stop: () => process.kill(pid, "SIGTERM") };
}

test("a process of its own serves any test runner", async () => {
  const { connectionString, stop } = await startEventStoreProcess();
  const other = EventStoreDBClient.connectionString(connectionString);
  const appended = await other.appendToStream("s", jsonEvent({ type: "happened", data: {} }));
  expect(appended.nextExpectedRevision).toBe(0n);
  await other.dispose();
  stop();
});
