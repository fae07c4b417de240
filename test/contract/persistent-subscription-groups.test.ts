/** Groups are created, changed, deleted and restarted; what is refused, and how it is told. */
import { status } from "@grpc/grpc-js";
import {
  EventStoreDBClient,
  eventTypeFilter,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionDroppedError,
  PersistentSubscriptionExistsError,
  PersistentSubscriptionFailedError,
  PersistentSubscriptionMaximumSubscribersReachedError,
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import { collect, eventOf, newStream, rejection } from "../local/eventstoredb/event-store-for-test.ts";
import { configuredGroups, confirmed, dropped, groupsOn, newGroup, upTo } from "./consumer-groups.ts";
import { consume, revisions } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();
const groups = groupsOn(store);

describe("refused is", () => {
  test("a group that exists, to a stream or to $all", async () => {
    const group = await groups.onStream();
    const error = await rejection(
      store.client.createPersistentSubscriptionToStream(group.stream, group.name, streamSettings()),
    );
    expect(error).toBeInstanceOf(PersistentSubscriptionExistsError);
    expect(error).toMatchObject({
      code: status.ALREADY_EXISTS,
      streamName: group.stream,
      groupName: group.name,
      message: `${status.ALREADY_EXISTS} ALREADY_EXISTS: Subscription group ${group.name} on stream ${group.stream} exists.`,
    });
    const toAll = await groups.onAll({});
    expect(await rejection(store.client.createPersistentSubscriptionToAll(toAll.name, allSettings()))).toMatchObject({
      streamName: "$all",
      groupName: toAll.name,
    });
  });

  test.each<readonly [string, (stream: string, name: string) => Promise<unknown>]>([
    ["an update", (s, name) => store.client.updatePersistentSubscriptionToStream(s, name, streamSettings())],
    ["a deletion", (s, name) => store.client.deletePersistentSubscriptionToStream(s, name)],
    ["a question", (s, name) => store.client.getPersistentSubscriptionToStreamInfo(s, name)],
    ["a replay", (s, name) => store.client.replayParkedMessagesToStream(s, name)],
    ["a consumer", (s, name) => confirmed(store.client.subscribeToPersistentSubscriptionToStream(s, name))],
  ])("%s where there is no such group", async (_what, call) => {
    const { stream } = await groups.onStream();
    const name = newGroup();
    const error = await rejection(call(stream, name));
    expect(error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
    expect(error).toMatchObject({
      code: status.NOT_FOUND,
      streamName: stream,
      groupName: name,
      message: `${status.NOT_FOUND} NOT_FOUND: Subscription group ${name} on stream ${stream} does not exist.`,
    });
  });

  test("one consumer too many, until one leaves", async () => {
    const group = await groups.onStream({ maxSubscriberCount: 1 });
    const first = group.connect();
    await confirmed(first);
    const error = await rejection(confirmed(group.connect()));
    expect(error).toBeInstanceOf(PersistentSubscriptionMaximumSubscribersReachedError);
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, streamName: group.stream, groupName: group.name });
    await first.unsubscribe();
    await expect.poll(async () => (await group.info()).connections).toEqual([]);
    const second = group.connect();
    await confirmed(second);
    await second.unsubscribe();
  });

  test("a consumer with a buffer below zero, or of a group without a name", async () => {
    const { stream, connect } = await groups.onStream();
    for (const subscription of [
      connect(-1),
      store.client.subscribeToPersistentSubscriptionToStream(stream, "", { bufferSize: 1 }),
    ]) {
      expect(await rejection(confirmed(subscription))).toMatchObject({ code: status.UNKNOWN });
    }
  });

  test("a read batch that is no smaller than the buffer, at creation and at an update", async () => {
    const settings = streamSettings({ readBatchSize: 20, historyBufferSize: 20 });
    const group = await groups.onStream();
    for (const call of [
      store.client.createPersistentSubscriptionToStream(group.stream, newGroup(), settings),
      store.client.updatePersistentSubscriptionToStream(group.stream, group.name, settings),
    ]) {
      const error = await rejection(call);
      expect(error).toBeInstanceOf(PersistentSubscriptionFailedError);
      expect(error).toMatchObject({
        code: status.INTERNAL,
        reason:
          "Specified argument was out of the range of valid values. (Parameter 'ReadBatchSize may not be greater than or equal to BufferSize')",
      });
    }
    expect((await group.info()).settings.historyBufferSize).toBe(500);
  });

  test("a start of $all beyond the last position, or with a prepare position beyond the commit position", async () => {
    for (const startFrom of [
      { commit: 1n << 50n, prepare: 1n << 50n },
      { commit: 0n, prepare: 1n },
    ]) {
      const error = await rejection(
        store.client.createPersistentSubscriptionToAll(newGroup(), allSettings({ startFrom })),
      );
      expect(error).toBeInstanceOf(PersistentSubscriptionFailedError);
      expect(error).toMatchObject({ code: status.INTERNAL, streamName: "$all" });
    }
  });

  test("a replay that would stop before the first message", async () => {
    const group = await groups.onStream();
    const error = await rejection(store.client.replayParkedMessagesToStream(group.stream, group.name, { stopAt: -1 }));
    expect(error).toBeInstanceOf(PersistentSubscriptionFailedError);
    expect(error).toMatchObject({ reason: "Cannot stop replaying parked message at a negative version." });
  });

  test("$all as if it were a stream", async () => {
    const error = await rejection(
      store.client.createPersistentSubscriptionToStream("$all", newGroup(), streamSettings()),
    );
    expect(error).toMatchObject({ code: status.UNKNOWN });
  });

  test("what has names beyond ASCII, by name", async () => {
    const error = await rejection(store.client.deletePersistentSubscriptionToStream("strëam", "grüppe"));
    expect(error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
    expect(String(error)).toContain("Subscription group grüppe on stream strëam does not exist.");
  });
});

test("names beyond ASCII, slashes and spaces work", async () => {
  const stream = newStream("어학연구소/0️⃣ ด้้้้้็็");
  const group = await groups.onStream({ startFrom: START }, 2, stream);
  const consumer = consume(group.connect(), () => "park");
  await consumer.reached(2);
  await expect.poll(async () => (await group.parked()).length).toBe(2);
});

describe("changes", () => {
  test("an update drops the consumers, and its settings are the group's from then on", async () => {
    const group = await groups.onStream({ startFrom: START }, 1);
    const subscription = group.connect();
    const drop = dropped(subscription);
    await confirmed(subscription);
    const settings = streamSettings({
      startFrom: 7n,
      resolveLinkTos: true,
      extraStatistics: true,
      messageTimeout: 12_345,
      maxRetryCount: 3,
      checkPointAfter: 4321,
      checkPointLowerBound: 11,
      checkPointUpperBound: 22,
      maxSubscriberCount: 33,
      liveBufferSize: 44,
      readBatchSize: 55,
      historyBufferSize: 66,
      consumerStrategyName: "Pinned",
    });
    await store.client.updatePersistentSubscriptionToStream(group.stream, group.name, settings);
    const error = await drop;
    expect(error).toBeInstanceOf(PersistentSubscriptionDroppedError);
    expect(error).toMatchObject({ code: status.CANCELLED, streamName: group.stream, groupName: group.name });
    expect((await group.info()).settings).toEqual(settings);
  });

  test("other calls of the client go on when a consumer is dropped", async () => {
    const client = EventStoreDBClient.connectionString(store.connectionString);
    const live = client.subscribeToStream(newStream());
    const errors: unknown[] = [];
    live.on("error", (error) => errors.push(error));
    const group = await groups.onStream();
    const subscription = client.subscribeToPersistentSubscriptionToStream(group.stream, group.name);
    const drop = dropped(subscription);
    await confirmed(subscription);
    await store.client.deletePersistentSubscriptionToStream(group.stream, group.name);
    await drop;
    await client.readAll({ maxCount: 1 })[Symbol.asyncIterator]().next();
    expect(errors).toEqual([]);
    await live.unsubscribe();
    await client.dispose();
  });

  test("a deleted group drops its consumers and its streams, and one of the same name starts anew", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointUpperBound: 3, checkPointLowerBound: 3 }, 3);
    const subscription = group.connect(1);
    const consumer = consume(subscription, ({ revision }) => (revision === 2n ? "park" : "ack"));
    await consumer.reached(3);
    await expect.poll(group.checkpoints).toEqual(["2"]);
    await store.client.deletePersistentSubscriptionToStream(group.stream, group.name);
    await expect.poll(() => consumer.errors.length).toBe(1);
    expect(consumer.errors[0]).toBeInstanceOf(PersistentSubscriptionDroppedError);
    await expect.poll(async () => [await group.checkpoints(), await group.parked()]).toEqual([[], []]);
    expect(await store.client.listPersistentSubscriptionsToStream(group.stream)).toEqual([]);
    await store.client.createPersistentSubscriptionToStream(
      group.stream,
      group.name,
      streamSettings({ startFrom: START }),
    );
    const second = consume(group.connect());
    await second.reached(3);
    expect(second.delivered).toEqual(upTo(3).map((revision) => ({ revision, retryCount: 0 })));
  });

  test("restarting the subsystem drops every consumer; groups stay", async () => {
    const group = await groups.onStream({ startFrom: START }, 1);
    const consumer = consume(group.connect());
    await consumer.reached(1);
    await groups.restart(group);
    await expect.poll(() => consumer.errors.length).toBe(1);
    expect(consumer.errors[0]).toBeInstanceOf(PersistentSubscriptionDroppedError);
    const second = consume(group.connect());
    await second.reached(1);
    expect(second.delivered).toEqual([{ revision: 0n, retryCount: 0 }]);
    expect(revisions(consumer)).toEqual([0n]);
  });
});

describe("the configuration", () => {
  const entryOf = async (group: string): Promise<unknown> => {
    const [last] = await collect(
      store.client.readStream("$persistentSubscriptionConfig", { direction: "backwards", fromRevision: "end" }),
    );
    const { type, data } = eventOf(last ?? {});
    expect(type).toBe("$PersistentConfig");
    return configuredGroups(data).find((entry) => entry.group === group);
  };

  test("is kept in a stream of its own as a whole, without zeros", async () => {
    const group = await groups.onStream({ startFrom: START, consumerStrategyName: "RoundRobin" });
    expect(await entryOf(group.name)).toEqual({
      stream: group.stream,
      group: group.name,
      messageTimeout: 30_000,
      startPosition: "0",
      liveBufferSize: 500,
      historyBufferSize: 500,
      maxRetryCount: 10,
      readBatchSize: 20,
      checkPointAfter: 2000,
      minCheckPointCount: 10,
      maxCheckPointCount: 1000,
      namedConsumerStrategy: "RoundRobin",
    });
    await store.client.deletePersistentSubscriptionToStream(group.stream, group.name);
    expect(await entryOf(group.name)).toBeUndefined();
  });

  test("knows filters", async () => {
    const group = await groups.onAll({ extraStatistics: true }, eventTypeFilter({ prefixes: ["one-", "two-"] }));
    expect(await entryOf(group.name)).toMatchObject({
      stream: "$all",
      filter: { context: "eventtype", type: "prefix", data: "one-,two-", isAllStream: true },
      extraStatistics: true,
      startPosition: "C:-1/P:-1",
    });
  });

  test("is kept twice at most", async () => {
    for (let count = 0; count < 3; count += 1) await groups.onStream();
    expect(await collect(store.client.readStream("$persistentSubscriptionConfig"))).toHaveLength(2);
    expect((await store.client.getStreamMetadata("$persistentSubscriptionConfig")).metadata).toEqual({ maxCount: 2 });
  });
});
