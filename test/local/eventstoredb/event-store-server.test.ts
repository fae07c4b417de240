/** What this server promises beside the contract: where it listens, what is there at first, what stays over a restart. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  MaxAppendSizeExceededError,
  EventStoreDBClient,
  eventTypeFilter,
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  StreamNotFoundError,
} from "@eventstore/db-client";
import { expect, test } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { consume, revisions } from "../../contract/consumer.ts";
import {
  bytesEvent,
  collect,
  connect,
  event,
  events,
  eventOf,
  newStream,
  rejection,
  sleep,
} from "./event-store-for-test.ts";

test("a server on every address tells clients one that they can reach", async () => {
  const server = await startEventStore({ host: "0.0.0.0" });
  expect(server.connectionString).toBe(`esdb://127.0.0.1:${server.port}?tls=false`);
  const discovering = EventStoreDBClient.connectionString(`esdb+discover://127.0.0.1:${server.port}?tls=false`);
  expect((await discovering.appendToStream("s", event())).nextExpectedRevision).toBe(0n);
  await discovering.dispose();
  await server.stop();
});

test("a new store holds a system event before anything was written", async () => {
  const server = await startEventStore();
  const client = connect(server);
  const all = await collect(client.readAll());
  await client.dispose();
  await server.stop();
  expect(all.length).toBeGreaterThan(0);
  expect(all.every((resolved) => eventOf(resolved).streamId.startsWith("$"))).toBe(true);
});

test("a filter that cannot be used is refused before it is written down: the server starts again", async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), "event-store-filter-"));
  const first = await startEventStore({ dataDirectory });
  const client = connect(first);
  const refused = await rejection(
    client.createPersistentSubscriptionToAll("g", allSettings({ startFrom: START }), {
      filter: eventTypeFilter({ regex: "(?=a)b" }),
    }),
  );
  expect(String(refused)).toContain("'(?=a)b' cannot be used: it has a look-ahead");
  expect(await client.listAllPersistentSubscriptions()).toEqual([]);
  await client.dispose();
  await first.stop();
  await (await startEventStore({ dataDirectory })).stop();
  await rm(dataDirectory, { recursive: true });
});

test("after a restart of the server a group goes on from its checkpoint, and what was not acknowledged comes again", async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), "event-store-restart-"));
  const first = await startEventStore({ dataDirectory });
  const client = connect(first);
  await client.appendToStream("s", events(10));
  await client.createPersistentSubscriptionToStream(
    "s",
    "g",
    streamSettings({ startFrom: START, checkPointUpperBound: 3, checkPointLowerBound: 1 }),
  );
  const consumer = consume(client.subscribeToPersistentSubscriptionToStream("s", "g"), ({ revision }) =>
    revision === 7n ? "nothing" : "ack",
  );
  await consumer.reached(10);
  await sleep(50);
  await client.dispose();
  await first.stop();

  const second = await startEventStore({ dataDirectory });
  const again = connect(second);
  const redelivered = consume(again.subscribeToPersistentSubscriptionToStream("s", "g"));
  await redelivered.reached(3);
  await sleep(50);
  expect(revisions(redelivered).slice(-3)).toEqual([7n, 8n, 9n]);
  expect(redelivered.delivered.every(({ retryCount }) => retryCount === 0)).toBe(true);
  await again.dispose();
  await second.stop();
  await rm(dataDirectory, { recursive: true });
});

test("in memory: no file is written, and each server is its own", async () => {
  const [one, other] = [await startEventStore({ inMemory: true }), await startEventStore({ inMemory: true })];
  const client = connect(one);
  await client.appendToStream("s", events(3));
  expect(await collect(client.readStream("s"))).toHaveLength(3);
  expect([one.dataDirectory, other.dataDirectory]).toEqual([undefined, undefined]);
  const elsewhere = connect(other);
  expect(await rejection(collect(elsewhere.readStream("s")))).toBeInstanceOf(StreamNotFoundError);
  await Promise.all([client.dispose(), elsewhere.dispose()]);
  await Promise.all([one.stop(), other.stop()]);
  await expect(startEventStore({ inMemory: true, dataDirectory: tmpdir() })).rejects.toThrow(
    "leave out inMemory or dataDirectory",
  );
});

test("another limit for appends holds on both ways to append, and at followers", async () => {
  const server = await startEventStore({ inMemory: true, maximumAppendSize: 100 });
  const follower = await server.startFollower();
  for (const client of [connect(server), connect(follower)]) {
    for (const options of [{}, { credentials: { username: "admin", password: "changeit" } }]) {
      const stream = newStream();
      await client.appendToStream(stream, [bytesEvent(50), bytesEvent(50)], options);
      const refusal = await rejection(client.appendToStream(stream, [bytesEvent(50), bytesEvent(51)], options));
      expect(refusal).toBeInstanceOf(MaxAppendSizeExceededError);
      expect(refusal).toMatchObject({ maxAppendSize: 100 });
    }
    await client.dispose();
  }
  await server.stop();
});
