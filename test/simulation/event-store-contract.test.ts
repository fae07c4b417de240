/** What the engine asks of the event store: the one of the histories answers as the embedded server does over the network. */
import { randomUUID } from "node:crypto";
import { EventStoreDBClient, type ResolvedEvent } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureGroup, groupSettings } from "../../engine/delivery/consumer-group.ts";
import { GroupConnection } from "../../engine/delivery/group-connection.ts";
import { subscriptionSettings } from "../../engine/delivery/subscription-settings.ts";
import { StreamDeletedError } from "../../engine/event-store/errors.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { comparePositions } from "../../engine/event-store/position.ts";
import type { NewEvent, StoredEvent } from "../../engine/event-store/stored-event.ts";
import { startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { calmStore } from "./calm-services.ts";
import { SimulatedProcess } from "./simulated-process.ts";

interface Connected {
  /** A client of another process each time. */
  readonly connect: () => EventStoreDBClient;
  readonly tombstone: (stream: string) => Promise<unknown>;
  readonly stop: () => Promise<void>;
}

const stores: readonly { readonly store: string; readonly start: () => Promise<Connected> }[] = [
  {
    store: "the embedded server",
    start: async () => {
      const server = await startEventStore();
      const clients: EventStoreDBClient[] = [];
      const connect = (): EventStoreDBClient => {
        const client = EventStoreDBClient.connectionString(server.connectionString);
        clients.push(client);
        return client;
      };
      const own = connect();
      return {
        connect,
        tombstone: (stream) => own.tombstoneStream(stream),
        stop: async () => {
          await Promise.all(clients.map((client) => client.dispose()));
          await server.stop();
        },
      };
    },
  },
  {
    store: "the store of the histories",
    start: async () => {
      const service = await calmStore();
      return {
        connect: () => service.connect(new SimulatedProcess("test")),
        tombstone: (stream) => service.log.tombstone({ stream, expectedRevision: "any" }),
        stop: () => service.stop(),
      };
    },
  },
];

const newStream = (category = "contract"): string => `${category}-${randomUUID()}`;

const newEvents = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, index) => ({
    id: randomUUID(),
    type: `Type${index}`,
    data: { index, text: "ä" },
    metadata: { actor: "a", schemaVersion: 2 },
  }));

async function all(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const revisions = (events: readonly StoredEvent[]): bigint[] => events.map(({ revision }) => revision);

describe.each(stores)("$store", ({ start }) => {
  let connected: Connected;
  let store: EventStore;
  beforeAll(async () => {
    connected = await start();
    store = new EventStore(connected.connect());
  });
  afterAll(() => connected.stop());

  it("events come back as they were appended, with their places", async () => {
    const stream = newStream();
    const events = newEvents(2);
    expect(await store.append(stream, "no_stream", events)).toStrictEqual({ outcome: "appended", revision: 1n });
    const found = await all(store.readStream(stream));
    const told = found.map(({ id, type, data, metadata, revision }) => ({ id, type, data, metadata, revision }));
    expect(told).toStrictEqual(events.map((event, index) => ({ ...event, revision: BigInt(index) })));
    expect(found.every((event) => event.stream === stream && event.recordedAt instanceof Date)).toBe(true);
    expect(await store.tail()).toStrictEqual(found[1]?.position);
  });

  it("an append is taken at the expected revision only, and repeated for one that was taken", async () => {
    const stream = newStream();
    const [first, second] = [newEvents(2), newEvents(1)];
    await store.append(stream, "no_stream", first);
    expect(await store.append(stream, "no_stream", second)).toStrictEqual({
      outcome: "conflict",
      expected: "no_stream",
      actual: 1n,
    });
    expect(await store.append(newStream(), 3n, second)).toStrictEqual({
      outcome: "conflict",
      expected: 3n,
      actual: "no_stream",
    });
    expect(await store.append(stream, "no_stream", first)).toStrictEqual({ outcome: "appended", revision: 1n });
    expect(revisions(await all(store.readStream(stream)))).toStrictEqual([0n, 1n]);
  });

  it("a stream is read from a revision, so many events, and backwards", async () => {
    const stream = newStream();
    await store.append(stream, "no_stream", newEvents(600));
    expect(revisions(await all(store.readStream(stream, 597n)))).toStrictEqual([597n, 598n, 599n]);
    expect(revisions(await all(store.readStream(stream, 1n, 2n)))).toStrictEqual([1n, 2n]);
    expect(await all(store.readStream(stream, 600n))).toStrictEqual([]);
    expect(revisions(await all(store.readStream(stream)))).toHaveLength(600);
    expect(revisions(await store.lastEvents(stream, 2))).toStrictEqual([598n, 599n]);
  });

  it("a stream that nobody wrote is empty", async () => {
    expect(await all(store.readStream(newStream()))).toStrictEqual([]);
    expect(await store.lastEvent(newStream())).toBeUndefined();
  });

  it("$all is read from a position, which is included, up to another", async () => {
    const stream = newStream();
    await store.append(stream, "no_stream", newEvents(5));
    const events = await all(store.readStream(stream));
    const [first, , third] = events;
    if (first === undefined || third === undefined) throw new Error("the events are missing");
    expect(revisions(await all(store.readAll(first.position, third.position)))).toStrictEqual([0n, 1n, 2n]);
    const everything = await all(store.readAll());
    expect(everything.slice(-5)).toStrictEqual(events);
    expect(everything).toStrictEqual(everything.toSorted((a, b) => comparePositions(a.position, b.position)));
  });

  it("$all is read through a filter behind a position up to another, and ends", async () => {
    const [stream, other] = [newStream("filtered"), newStream("other")];
    await store.append(stream, "no_stream", newEvents(400));
    await store.append(other, "no_stream", newEvents(300));
    await store.append(stream, 399n, newEvents(3));
    const [first] = await all(store.readStream(stream));
    const after = first?.position;
    const until = await store.tail();
    await store.append(stream, 402n, newEvents(1));
    const rounds: StoredEvent[][] = [];
    for await (const round of store.roundsOf(["filtered-"], { after, until, size: 150 })) rounds.push(round);
    expect(rounds.flat().every((event) => event.stream === stream)).toBe(true);
    expect(revisions(rounds.flat())).toStrictEqual(Array.from({ length: 402 }, (_, index) => BigInt(index + 1)));
    expect(Math.max(...rounds.map(({ length }) => length))).toBeLessThanOrEqual(150);
    const none = store.roundsOf(["nobody-"], { after: undefined, until, size: 150 });
    for await (const round of none) expect(round).toStrictEqual([]);
  });

  it("what truncation hides from the stream stays in $all", async () => {
    const stream = newStream();
    await store.append(stream, "no_stream", newEvents(4));
    await store.keepLast(stream, 1);
    expect(revisions(await all(store.readStream(stream)))).toStrictEqual([3n]);
    const inAll = (await all(store.readAll())).filter((event) => event.stream === stream);
    expect(revisions(inAll)).toStrictEqual([0n, 1n, 2n, 3n]);
  });

  it("a tombstoned stream is neither read nor written any more", async () => {
    const stream = newStream();
    await store.append(stream, "no_stream", newEvents(1));
    await connected.tombstone(stream);
    await expect(all(store.readStream(stream))).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(store.append(stream, 0n, newEvents(1))).rejects.toBeInstanceOf(StreamDeletedError);
  });

  describe("a group", () => {
    const settingsFor = (category: string, changes: object = {}) =>
      subscriptionSettings({
        name: `trigger-${randomUUID()}`,
        functionName: "f",
        categories: [category],
        batchSize: 2,
        parallelizationFactor: 1,
        ...changes,
      });
    const newCategory = (): string => `c${randomUUID().replaceAll("-", "")}`;

    /** A connection that remembers what it was given. */
    const consume = async (group: string, bufferSize = 10) => {
      const given: ResolvedEvent[] = [];
      const connection = await GroupConnection.open(connected.connect(), group, bufferSize, (_, event) => {
        given.push(event);
      });
      const names = (): string[] => given.map(({ event }) => `${String(event?.revision)}@${String(event?.streamId)}`);
      return { connection, given, names };
    };

    it("is made once, keeps its settings, and takes others", async () => {
      const settings = settingsFor(newCategory());
      const client = connected.connect();
      const outcomes = await Promise.all([1, 2, 3].map(() => ensureGroup(client, settings, false)));
      expect(outcomes.sort()).toStrictEqual(["created", "unchanged", "unchanged"]);
      const info = await client.getPersistentSubscriptionToAllInfo(settings.group);
      expect(info.settings).toMatchObject(groupSettings(settings));
      const slower = { ...settings, invocationTimeoutMs: 100_000 };
      expect(await ensureGroup(client, slower, false)).toBe("updated");
      expect(await ensureGroup(client, slower, false)).toBe("unchanged");
    });

    it("gives its place to one of the same trigger with another filter, which goes on where it was", async () => {
      const [category, other] = [newCategory(), newCategory()];
      const before = settingsFor(category);
      const after = subscriptionSettings({ name: before.name, functionName: "f", categories: [category, other] });
      const client = connected.connect();
      await ensureGroup(client, before, false);
      const consumer = await consume(before.group);
      expect(await ensureGroup(client, after, false)).toBe("created");
      const groups = async (): Promise<string[]> =>
        (await client.listPersistentSubscriptionsToAll())
          .map(({ groupName }) => groupName)
          .filter((name) => name.startsWith(before.name))
          .sort();
      expect(await groups()).toStrictEqual([before.group, after.group].sort());
      await consumer.connection.close();
      await expect
        .poll(async () => {
          await ensureGroup(client, after, false);
          return groups();
        })
        .toStrictEqual([after.group]);
    });

    it("gives the events of its categories, those that were there and those that come, in order", async () => {
      const category = newCategory();
      const settings = settingsFor(category);
      const stream = newStream(category);
      await store.append(stream, "no_stream", newEvents(2));
      await store.append(newStream(), "no_stream", newEvents(1));
      await ensureGroup(connected.connect(), settings, false);
      const consumer = await consume(settings.group);
      await store.append(stream, 1n, newEvents(1));
      const wanted = [`0@${stream}`, `1@${stream}`, `2@${stream}`];
      await expect.poll(consumer.names).toStrictEqual(wanted);
      const [first] = consumer.given;
      expect(first?.event).toMatchObject({ type: "Type0", data: { index: 0, text: "ä" }, isJson: true });
      expect(first?.event?.position?.commit).toBe(first?.commitPosition);
      await consumer.connection.close();
    });

    it("gives no more than the buffer holds before something is acknowledged", async () => {
      const category = newCategory();
      const settings = settingsFor(category);
      await store.append(newStream(category), "no_stream", newEvents(5));
      await ensureGroup(connected.connect(), settings, false);
      const consumer = await consume(settings.group, 2);
      await expect.poll(() => consumer.given.length).toBe(2);
      consumer.connection.ack(consumer.given.slice(0, 1));
      await expect.poll(() => consumer.given.length).toBe(3);
      await consumer.connection.close();
    });

    it("gives to the next consumer what was not acknowledged", async () => {
      const category = newCategory();
      const settings = settingsFor(category);
      const stream = newStream(category);
      await store.append(stream, "no_stream", newEvents(4));
      await ensureGroup(connected.connect(), settings, false);
      const first = await consume(settings.group);
      await expect.poll(() => first.given.length).toBe(4);
      first.connection.ack(first.given.slice(1, 3));
      await first.connection.close();
      const second = await consume(settings.group);
      // Acks are fire-and-forget: of what was acknowledged right before the end, some may come again.
      const owed = [`0@${stream}`, `3@${stream}`];
      await expect.poll(() => second.names().filter((name) => owed.includes(name))).toStrictEqual(owed);
      await second.connection.close();
    });

    it("keeps the streams of two consumers apart", async () => {
      const category = newCategory();
      const settings = settingsFor(category);
      await ensureGroup(connected.connect(), settings, false);
      const consumers = [await consume(settings.group, 100), await consume(settings.group, 100)];
      const streams = Array.from({ length: 6 }, () => newStream(category));
      for (const stream of streams) await store.append(stream, "no_stream", newEvents(3));
      const given = () => consumers.map(({ names }) => names());
      await expect.poll(() => given().flat().length).toBe(18);
      const [one = [], other = []] = given().map((names) => names.map((name) => name.slice(name.indexOf("@"))));
      expect(one.filter((stream) => other.includes(stream))).toStrictEqual([]);
      expect(Math.min(one.length, other.length)).toBeGreaterThan(0);
      for (const { connection } of consumers) await connection.close();
    });

    it("ends its connections when it is changed, and refuses one that it does not know", async () => {
      const settings = settingsFor(newCategory());
      const client = connected.connect();
      await ensureGroup(client, settings, false);
      const { connection } = await consume(settings.group);
      await ensureGroup(client, { ...settings, invocationTimeoutMs: 100_000 }, false);
      expect(await connection.ended).toBeInstanceOf(Error);
      await expect(consume(`group-${randomUUID()}`)).rejects.toBeInstanceOf(Error);
    });
  });
});
