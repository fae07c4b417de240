/** What can be asked about groups and their consumers. */
import {
  PersistentSubscriptionDoesNotExistError,
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import { collect, eventOf, events, newStream, rejection } from "../local/eventstoredb/event-store-for-test.ts";
import { confirmed, groupsOn, newGroup } from "./consumer-groups.ts";
import { consume } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();
const groups = groupsOn(store);

describe("a group", () => {
  test("that nobody has used yet", async () => {
    const group = await groups.onStream();
    expect(await group.info()).toEqual({
      eventSource: group.stream,
      groupName: group.name,
      status: "Live",
      connections: [],
      settings: streamSettings(),
      stats: {
        averagePerSecond: 0,
        totalItems: 0n,
        countSinceLastMeasurement: 0n,
        lastCheckpointedEventRevision: undefined,
        lastKnownEventRevision: undefined,
        readBufferCount: 0,
        liveBufferCount: 0n,
        retryBufferCount: 0,
        totalInFlightMessages: 0,
        outstandingMessagesCount: 0,
        parkedMessageCount: 0n,
      },
    });
  });

  test("counts what was sent and what waits where", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointAfter: 0 }, 10);
    const consumer = consume(group.connect(4), ({ revision }) => (revision < 2n ? "ack" : "nothing"));
    await consumer.reached(6);
    await group.append(3);
    await expect
      .poll(async () => (await group.info()).stats)
      .toMatchObject({
        totalItems: 6n,
        lastKnownEventRevision: 12n,
        lastCheckpointedEventRevision: undefined,
        readBufferCount: 7,
        liveBufferCount: 3n,
        retryBufferCount: 0,
        totalInFlightMessages: 4,
        outstandingMessagesCount: 4,
      });
    await group.connect(1).unsubscribe();
  });

  test("counts what nobody takes as retries", async () => {
    const group = await groups.onStream({ startFrom: START }, 5);
    const subscription = group.connect(3);
    await consume(subscription, () => "nothing").reached(3);
    await subscription.unsubscribe();
    await expect
      .poll(async () => (await group.info()).stats)
      .toMatchObject({
        retryBufferCount: 3,
        readBufferCount: 2,
        totalInFlightMessages: 0,
        outstandingMessagesCount: 0,
      });
  });

  test("of $all has positions where one of a stream has revisions", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(1));
    const [first] = await collect(store.client.readStream(stream));
    const startFrom = eventOf(first ?? {}).position ?? { commit: 0n, prepare: 0n };
    const group = await groups.onAll({ startFrom });
    const info = await group.info();
    expect(info).toMatchObject({ eventSource: "$all", groupName: group.name, settings: allSettings({ startFrom }) });
    await expect
      .poll(async () => (await group.info()).stats.lastKnownEventPosition?.commit ?? 0n)
      .toBeGreaterThan(startFrom.commit);
    expect(Object.keys(info.stats)).not.toContain("lastKnownEventRevision");
  });
});

describe("its consumers", () => {
  test("with their figures, once they have acknowledged", async () => {
    const group = await groups.onStream({ startFrom: START, extraStatistics: true }, 30);
    const consumer = consume(group.connect(50));
    await consumer.reached(30);
    await expect.poll(async () => (await group.info()).stats.outstandingMessagesCount).toBe(0);
    const [connection] = (await group.info()).connections;
    expect(connection).toMatchObject({
      from: "",
      totalItems: 30n,
      availableSlots: 50,
      inFlightMessages: 0,
      connectionName: store.client.connectionName,
    });
    const figures = connection?.extraStatistics ?? new Map<string, number>();
    expect([...figures.keys()]).toEqual([
      "mean",
      "median",
      "fastest",
      "quintile 1",
      "quintile 2",
      "quintile 3",
      "quintile 4",
      "quintile 5",
      "90%",
      "95%",
      "99%",
      "99.5%",
      "99.9%",
      "highest",
    ]);
  });

  test("a newcomer takes the place in the list that became free last", async () => {
    const group = await groups.onStream();
    const subscriptions = [];
    for (const bufferSize of [11, 12, 13]) {
      const subscription = group.connect(bufferSize);
      await confirmed(subscription);
      subscriptions.push(subscription);
    }
    const slots = async () => (await group.info()).connections.map(({ availableSlots }) => availableSlots);
    expect(await slots()).toEqual([11, 12, 13]);
    await subscriptions[1]?.unsubscribe();
    await expect.poll(slots).toEqual([11, 13]);
    await confirmed(group.connect(14));
    expect(await slots()).toEqual([11, 14, 13]);
  });
});

describe("lists", () => {
  test("of a stream: its groups as they were created, an updated one in its place", async () => {
    const stream = newStream();
    const names = [];
    for (let count = 0; count < 3; count += 1) names.push((await groups.onStream({}, 0, stream)).name);
    const [first = ""] = names;
    await store.client.updatePersistentSubscriptionToStream(stream, first, streamSettings({ maxRetryCount: 7 }));
    const listed = await store.client.listPersistentSubscriptionsToStream(stream);
    expect(listed.map(({ groupName, settings }) => [groupName, settings.maxRetryCount])).toEqual(
      names.map((name) => [name, name === first ? 7 : 10]),
    );
  });

  test("of $all, and of everything", async () => {
    const toStream = await groups.onStream();
    const toAll = await groups.onAll({});
    const ofAll = (await store.client.listPersistentSubscriptionsToAll()).map(({ groupName }) => groupName);
    expect(ofAll).toContain(toAll.name);
    expect(ofAll).not.toContain(toStream.name);
    const everything = (await store.client.listAllPersistentSubscriptions()).map(({ groupName }) => groupName);
    expect(everything).toEqual(expect.arrayContaining([toStream.name, toAll.name]));
  });

  test("of a stream that never had a group, nor has the one that is asked about", async () => {
    const stream = newStream();
    const error = await rejection(store.client.listPersistentSubscriptionsToStream(stream));
    expect(error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
    expect(error).toMatchObject({ streamName: stream, groupName: "" });
    expect(await rejection(store.client.getPersistentSubscriptionToAllInfo(newGroup()))).toBeInstanceOf(
      PersistentSubscriptionDoesNotExistError,
    );
  });
});
