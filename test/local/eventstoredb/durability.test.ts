/** What survives kill -9: every acknowledged append, whole and in order, and where persistent subscriptions stood. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  NO_STREAM,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  type EventStoreDBClient,
} from "@eventstore/db-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { collect, connect, event, events, eventOf, eventually, sleep } from "./event-store-for-test.ts";
import { startProcess, type ServerProcess } from "./server-process.ts";

let directory = "";
let server: ServerProcess;
let client: EventStoreDBClient;

const start = async (): Promise<void> => {
  server = await startProcess(["--port", "0", "--data", directory]);
  client = connect(server);
};
const killAndStart = async (): Promise<void> => {
  await server.kill("SIGKILL");
  await client.dispose().catch(() => undefined);
  await start();
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "event-store-durability-"));
  await start();
});
afterEach(async () => {
  await client.dispose().catch(() => undefined);
  await server.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

test("an acknowledged append is there after kill -9, its position too, and positions go on", async () => {
  const result = await client.appendToStream("s", events(3), { expectedRevision: NO_STREAM });
  await killAndStart();
  const read = await collect(client.readStream("s"));
  expect(read.map((resolved) => eventOf(resolved).revision)).toEqual([0n, 1n, 2n]);
  expect(eventOf(read[2] ?? {}).position).toEqual(result.position);
  const next = await client.appendToStream("s", event(), { expectedRevision: 2n });
  expect(next.position?.commit).toBeGreaterThan(result.position?.commit ?? 0n);
});

test("a persistent subscription and its checkpoint survive; what was not acknowledged comes again", async () => {
  await client.appendToStream("s", events(20));
  await client.createPersistentSubscriptionToStream(
    "s",
    "g",
    streamSettings({ startFrom: START, checkPointUpperBound: 1, checkPointLowerBound: 1 }),
  );
  const deliver = async (stopAt: bigint): Promise<bigint[]> => {
    const seen: bigint[] = [];
    const subscription = client.subscribeToPersistentSubscriptionToStream("s", "g", { bufferSize: 5 });
    subscription.on("error", () => undefined);
    subscription.on("data", (resolved) => {
      const { revision } = eventOf(resolved);
      seen.push(revision);
      if (revision < stopAt) void subscription.ack(resolved);
    });
    await eventually(
      () => seen.includes(stopAt),
      () => seen.join(),
    );
    await sleep(100);
    return seen;
  };
  await deliver(8n);
  await killAndStart();
  const again = await deliver(19n);
  expect(again[0]).toBeLessThanOrEqual(8n);
  expect(again.slice(-11)).toEqual(Array.from({ length: 11 }, (_, index) => BigInt(index + 9)));
});

test("ids that were stored are recognised after a restart by exact revision, no more by any", async () => {
  const batch = events(2);
  await client.appendToStream("s", batch, { expectedRevision: NO_STREAM });
  await killAndStart();
  expect((await client.appendToStream("s", batch, { expectedRevision: NO_STREAM })).nextExpectedRevision).toBe(1n);
  expect((await client.appendToStream("s", batch)).nextExpectedRevision).toBe(3n);
});
