/** Persistent subscriptions as the client sees them: groups, errors, information, parking, restarts. */
import { randomUUID } from "node:crypto";
import {
  binaryEvent,
  END,
  eventTypeFilter,
  excludeSystemEvents,
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
import {
  collect,
  event,
  events,
  eventOf,
  eventually,
  newStream,
  rejection,
  sleep,
} from "../local/eventstoredb/event-store-for-test.ts";
import { consume, revisions, type Subscription } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();

const confirmed = (subscription: Subscription): Promise<void> =>
  new Promise((resolve, reject) => subscription.once("confirmation", resolve).once("error", reject));

const group = (): string => `group-${randomUUID()}`;
const streamGroup = async (
  settings: Parameters<typeof streamSettings>[0],
  count = 0,
): Promise<readonly [string, string]> => {
  const stream = newStream();
  const name = group();
  if (count > 0) await store.client.appendToStream(stream, events(count));
  await store.client.createPersistentSubscriptionToStream(stream, name, streamSettings(settings));
  return [stream, name];
};
const stats = async (stream: string, name: string) =>
  (await store.client.getPersistentSubscriptionToStreamInfo(stream, name)).stats;
const upTo = (count: number): bigint[] => Array.from({ length: count }, (_, index) => BigInt(index));

describe("to a stream", () => {
  test("history and then live events, each once when acknowledged", async () => {
    const [stream, name] = await streamGroup({ startFrom: START }, 50);
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await consumer.reached(50);
    await store.client.appendToStream(stream, events(5));
    await consumer.reached(55);
    expect(revisions(consumer)).toEqual(upTo(55));
  });

  test("from the end by default: only what is committed after the group was created", async () => {
    const [stream, name] = await streamGroup({}, 3);
    await store.client.appendToStream(stream, event());
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await consumer.reached(1);
    expect(revisions(consumer)).toEqual([3n]);
  });

  test("from a revision, inclusive; of a stream that does not exist yet", async () => {
    const [stream, name] = await streamGroup({ startFrom: 2n });
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await store.client.appendToStream(stream, events(4));
    await consumer.reached(2);
    expect(revisions(consumer)).toEqual([2n, 3n]);
  });

  test("nack retry raises the count; past the limit the message is parked", async () => {
    const [stream, name] = await streamGroup({ startFrom: START, maxRetryCount: 2 }, 1);
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name), () => "retry");
    await consumer.reached(3);
    expect(consumer.delivered.map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
    const parked = await eventuallyRead(`$persistentsubscription-${stream}::${name}-parked`);
    const link = eventOf(parked[0] ?? {});
    expect(link).toMatchObject({
      type: "$>",
      isJson: false,
      metadata: { reason: "Reached retry count of 2", subscriptionEventNumber: 0 },
    });
    expect(Buffer.from(link.data as unknown as Uint8Array).toString()).toBe(`0@${stream}`);
    expect((await stats(stream, name)).parkedMessageCount).toBe(1n);
  });

  test("a message that is not acknowledged in time comes again at the next tick", async () => {
    const [stream, name] = await streamGroup({ startFrom: START, messageTimeout: 100 }, 1);
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name), ({ retryCount }) =>
      retryCount === 0 ? "nothing" : "ack",
    );
    await consumer.reached(2);
    expect(consumer.delivered).toEqual([
      { revision: 0n, retryCount: 0 },
      { revision: 0n, retryCount: 1 },
    ]);
  });

  test("in flight are never more than the consumer's buffer", async () => {
    const [stream, name] = await streamGroup({ startFrom: START }, 20);
    const consumer = consume(
      store.client.subscribeToPersistentSubscriptionToStream(stream, name, { bufferSize: 7 }),
      () => "nothing",
    );
    await consumer.reached(7);
    await sleep(50);
    expect(consumer.delivered).toHaveLength(7);
    expect(await stats(stream, name)).toMatchObject({
      totalInFlightMessages: 7,
      outstandingMessagesCount: 7,
      readBufferCount: 13,
    });
  });

  test("what a consumer leaves behind goes to the next, in order", async () => {
    const [stream, name] = await streamGroup({ startFrom: START }, 4);
    const subscription = store.client.subscribeToPersistentSubscriptionToStream(stream, name);
    await consume(subscription, () => "nothing").reached(4);
    await subscription.unsubscribe();
    const second = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await second.reached(4);
    expect(second.delivered).toEqual(upTo(4).map((revision) => ({ revision, retryCount: 1 })));
  });

  test("two consumers share the events", async () => {
    const [stream, name] = await streamGroup({ startFrom: END });
    const consumers = [1, 2].map(() => store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    const both = consumers.map((subscription) => consume(subscription));
    await Promise.all(consumers.map(confirmed));
    await store.client.appendToStream(stream, events(10));
    await eventually(
      () => both.reduce((sum, { delivered }) => sum + delivered.length, 0) === 10,
      () => "10 deliveries",
    );
    expect(both.map(({ delivered }) => delivered.length)).toEqual([5, 5]);
  });

  test("links are resolved, and acknowledged by the link", async () => {
    const target = newStream();
    await store.client.appendToStream(target, events(2));
    const links = newStream("links");
    const name = group();
    await store.client.appendToStream(
      links,
      [0, 1].map((revision) => binaryEvent({ type: "$>", data: Buffer.from(`${revision}@${target}`) })),
    );
    await store.client.createPersistentSubscriptionToStream(
      links,
      name,
      streamSettings({ startFrom: START, resolveLinkTos: true, checkPointUpperBound: 2, checkPointLowerBound: 1 }),
    );
    const subscription = store.client.subscribeToPersistentSubscriptionToStream(links, name);
    const seen: unknown[] = [];
    subscription.on("error", () => undefined);
    subscription.on("data", (resolved) => {
      seen.push([
        resolved.event?.streamId === target,
        resolved.link?.streamId === links,
        resolved.commitPosition === resolved.link?.position?.commit,
      ]);
      void subscription.ack(resolved);
    });
    await eventually(
      () => seen.length === 2,
      () => `${seen.length} deliveries`,
    );
    expect(seen).toEqual([
      [true, true, true],
      [true, true, true],
    ]);
    const checkpoint = await eventuallyRead(`$persistentsubscription-${links}::${name}-checkpoint`);
    expect(eventOf(checkpoint[0] ?? {})).toMatchObject({ type: "$SubscriptionCheckpoint", data: "1", isJson: true });
  });
});

describe("to $all", () => {
  test("through a filter, from the start, then live", async () => {
    const name = group();
    const type = `type-${randomUUID()}`;
    const stream = newStream();
    await store.client.appendToStream(stream, [event(type), event("other"), event(type)]);
    await store.client.createPersistentSubscriptionToAll(name, allSettings({ startFrom: START }), {
      filter: eventTypeFilter({ prefixes: [type] }),
    });
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToAll(name));
    await consumer.reached(2);
    await store.client.appendToStream(stream, [event("other"), event(type)]);
    await consumer.reached(3);
    expect(revisions(consumer)).toEqual([0n, 2n, 4n]);
  });

  test("a record that is no event does not end the history of a filtered group", async () => {
    const name = group();
    const type = `type-${randomUUID()}`;
    const stream = newStream();
    await store.client.appendToStream(stream, event(type));
    await store.client.appendToStream(newStream(), []);
    await store.client.appendToStream(stream, [event(type), event(type)]);
    await store.client.createPersistentSubscriptionToAll(
      name,
      allSettings({ startFrom: START, checkPointLowerBound: 1, checkPointUpperBound: 1 }),
      { filter: eventTypeFilter({ prefixes: [type] }) },
    );
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToAll(name));
    await consumer.reached(3);
    expect(revisions(consumer)).toEqual([0n, 1n, 2n]);
  });

  test("its checkpoints are positions, and do not appear in $all", async () => {
    const name = group();
    await store.client.createPersistentSubscriptionToAll(
      name,
      allSettings({ startFrom: END, checkPointUpperBound: 3, checkPointLowerBound: 1 }),
      { filter: excludeSystemEvents() },
    );
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToAll(name));
    const stream = newStream();
    await sleep(50);
    await store.client.appendToStream(stream, events(3));
    await consumer.reached(3);
    const checkpointStream = `$persistentsubscription-$all::${name}-checkpoint`;
    const [checkpoint] = await eventuallyRead(checkpointStream);
    const last = (await collect(store.client.readStream(stream))).at(-1);
    expect(eventOf(checkpoint ?? {}).data).toBe(`C:${last?.commitPosition}/P:${last?.commitPosition}`);
    expect((await store.client.getPersistentSubscriptionToAllInfo(name)).stats.lastCheckpointedEventPosition).toEqual(
      eventOf(last ?? {}).position,
    );
    const all = await collect(store.client.readAll());
    expect(all.filter((resolved) => resolved.event?.streamId === checkpointStream)).toEqual([]);
  });

  test("a start beyond the last position is refused", async () => {
    const startFrom = { commit: 1n << 50n, prepare: 1n << 50n };
    const error = await rejection(store.client.createPersistentSubscriptionToAll(group(), allSettings({ startFrom })));
    expect(error).toBeInstanceOf(PersistentSubscriptionFailedError);
  });

  test("so is a prepare position beyond the commit position", async () => {
    const error = await rejection(
      store.client.createPersistentSubscriptionToAll(group(), allSettings({ startFrom: { commit: 0n, prepare: 1n } })),
    );
    expect(error).toBeInstanceOf(PersistentSubscriptionFailedError);
  });
});

describe("parking and replay", () => {
  test("parked messages come again with their original event, and are acknowledged by their link", async () => {
    const [stream, name] = await streamGroup({ startFrom: START }, 3);
    let replaying = false;
    const subscription = store.client.subscribeToPersistentSubscriptionToStream(stream, name);
    const seen: string[] = [];
    subscription.on("data", (resolved) => {
      seen.push(
        `${resolved.event?.revision}${resolved.link === undefined ? "" : " from parked"} ${resolved.retryCount}`,
      );
      if (replaying) void subscription.ack(resolved);
      else void subscription.nack("park", "later", resolved);
    });
    await eventually(
      () => seen.length === 3,
      () => seen.join(),
    );
    await untilParked(stream, name, 3n);
    replaying = true;
    await store.client.replayParkedMessagesToStream(stream, name, { stopAt: 2 });
    await eventually(
      () => seen.length === 5,
      () => seen.join(),
    );
    expect(seen.slice(3)).toEqual(["0 from parked 0", "1 from parked 0"]);
    await untilParked(stream, name, 1n);
    const metadata = await store.client.getStreamMetadata(`$persistentsubscription-${stream}::${name}-parked`);
    expect(metadata.metadata).toEqual({ truncateBefore: 2 });
    await store.client.replayParkedMessagesToStream(stream, name);
    await eventually(
      () => seen.length === 6,
      () => seen.join(),
    );
    await untilParked(stream, name, 0n);
    await subscription.unsubscribe();
  });

  test("with nothing parked a replay is a success", async () => {
    const [stream, name] = await streamGroup({});
    await store.client.replayParkedMessagesToStream(stream, name);
  });
});

describe("errors", () => {
  test("a group that exists, or does not", async () => {
    const [stream, name] = await streamGroup({});
    expect(
      await rejection(store.client.createPersistentSubscriptionToStream(stream, name, streamSettings())),
    ).toBeInstanceOf(PersistentSubscriptionExistsError);
    const unknown = group();
    for (const operation of [
      () => store.client.updatePersistentSubscriptionToStream(stream, unknown, streamSettings()),
      () => store.client.deletePersistentSubscriptionToStream(stream, unknown),
      () => store.client.getPersistentSubscriptionToStreamInfo(stream, unknown),
      () => store.client.replayParkedMessagesToStream(stream, unknown),
      () => confirmed(store.client.subscribeToPersistentSubscriptionToStream(stream, unknown)),
    ]) {
      const error = await rejection(operation());
      expect(error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
      if (error instanceof PersistentSubscriptionDoesNotExistError)
        expect([error.streamName, error.groupName]).toEqual([stream, unknown]);
    }
  });

  test("too many consumers", async () => {
    const [stream, name] = await streamGroup({ maxSubscriberCount: 1 });
    const first = store.client.subscribeToPersistentSubscriptionToStream(stream, name);
    await confirmed(first);
    expect(
      await rejection(confirmed(store.client.subscribeToPersistentSubscriptionToStream(stream, name))),
    ).toBeInstanceOf(PersistentSubscriptionMaximumSubscribersReachedError);
    await first.unsubscribe();
  });

  test("a read batch that is no smaller than the buffer", async () => {
    const error = await rejection(
      store.client.createPersistentSubscriptionToStream(
        newStream(),
        group(),
        streamSettings({ readBatchSize: 20, historyBufferSize: 20 }),
      ),
    );
    expect(error).toBeInstanceOf(PersistentSubscriptionFailedError);
    if (error instanceof PersistentSubscriptionFailedError)
      expect(error.reason).toBe("BufferSize must be larger than ReadBatchSize");
  });

  test("names beyond ASCII", async () => {
    const error = await rejection(store.client.deletePersistentSubscriptionToStream("strëam", "grüppe"));
    expect(error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
  });
});

describe("changes", () => {
  test("an update drops the consumers and goes on from the checkpoint", async () => {
    const [stream, name] = await streamGroup({ startFrom: START, checkPointUpperBound: 2, checkPointLowerBound: 1 }, 4);
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await consumer.reached(4);
    await eventuallyRead(`$persistentsubscription-${stream}::${name}-checkpoint`, 2);
    await store.client.updatePersistentSubscriptionToStream(
      stream,
      name,
      streamSettings({ startFrom: START, messageTimeout: 12_345 }),
    );
    await eventually(
      () => consumer.errors.length === 1,
      () => "the drop",
    );
    expect(consumer.errors[0]).toBeInstanceOf(PersistentSubscriptionDroppedError);
    expect((await store.client.getPersistentSubscriptionToStreamInfo(stream, name)).settings.messageTimeout).toBe(
      12_345,
    );
    const second = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await store.client.appendToStream(stream, event());
    await second.reached(1);
    expect(revisions(second)).toEqual([4n]);
  });

  test("a deleted group drops its consumers, and one of the same name starts anew", async () => {
    const [stream, name] = await streamGroup({ startFrom: START, checkPointUpperBound: 1, checkPointLowerBound: 1 }, 3);
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await consumer.reached(3);
    await eventuallyRead(`$persistentsubscription-${stream}::${name}-checkpoint`);
    await store.client.deletePersistentSubscriptionToStream(stream, name);
    await eventually(
      () => consumer.errors.length === 1,
      () => "the drop",
    );
    expect(await store.client.listPersistentSubscriptionsToStream(stream)).toEqual([]);
    await store.client.createPersistentSubscriptionToStream(stream, name, streamSettings({ startFrom: START }));
    const second = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await second.reached(3);
    expect(revisions(second)).toEqual(upTo(3));
  });

  test("restarting the subsystem drops every consumer; groups stay", async () => {
    const [stream, name] = await streamGroup({ startFrom: START }, 1);
    const consumer = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await consumer.reached(1);
    await store.client.restartPersistentSubscriptionSubsystem();
    await eventually(
      () => consumer.errors.length === 1,
      () => "the drop",
    );
    const second = consume(store.client.subscribeToPersistentSubscriptionToStream(stream, name));
    await second.reached(1);
    expect(second.delivered).toEqual([{ revision: 0n, retryCount: 0 }]);
  });
});

describe("information", () => {
  test("settings, positions and consumers", async () => {
    const [stream, name] = await streamGroup(
      // Without checkpoints for their age: a tick may fall between the deliveries and the question.
      { startFrom: START, extraStatistics: true, consumerStrategyName: "Pinned", checkPointAfter: 0 },
      30,
    );
    const subscription = store.client.subscribeToPersistentSubscriptionToStream(stream, name, { bufferSize: 50 });
    const consumer = consume(subscription);
    await consumer.reached(30);
    await sleep(50);
    const info = await store.client.getPersistentSubscriptionToStreamInfo(stream, name);
    expect(info).toMatchObject({
      eventSource: stream,
      groupName: name,
      status: "Live",
      settings: {
        startFrom: START,
        consumerStrategyName: "Pinned",
        maxSubscriberCount: "unbounded",
        extraStatistics: true,
      },
      stats: {
        totalItems: 30n,
        lastKnownEventRevision: 29n,
        lastCheckpointedEventRevision: undefined,
        parkedMessageCount: 0n,
      },
    });
    const [connection] = info.connections;
    expect(connection).toMatchObject({
      totalItems: 30n,
      availableSlots: 50,
      inFlightMessages: 0,
      connectionName: store.client.connectionName,
    });
    expect([...(connection?.extraStatistics?.keys() ?? [])]).toEqual([
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
    await subscription.unsubscribe();
  });

  test("lists: of a stream, of all, of a stream that never had a group", async () => {
    const [stream, name] = await streamGroup({});
    expect((await store.client.listPersistentSubscriptionsToStream(stream)).map(({ groupName }) => groupName)).toEqual([
      name,
    ]);
    expect((await store.client.listAllPersistentSubscriptions()).map(({ groupName }) => groupName)).toContain(name);
    const error = await rejection(store.client.listPersistentSubscriptionsToStream(newStream()));
    expect(error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
    if (error instanceof PersistentSubscriptionDoesNotExistError) expect(error.groupName).toBe("");
  });

  test("the configuration is kept in its own stream, with a $maxCount of 2", async () => {
    await streamGroup({});
    const configuration = await collect(store.client.readStream("$persistentSubscriptionConfig"));
    expect(configuration.length).toBeLessThanOrEqual(2);
    expect(configuration.map((resolved) => eventOf(resolved).type)).toContain("$PersistentConfig");
    expect((await store.client.getStreamMetadata("$persistentSubscriptionConfig")).metadata).toEqual({ maxCount: 2 });
  });
});

const eventuallyRead = async (stream: string, count = 1) => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const found = await collect(store.client.readStream(stream)).catch(() => []);
    if (found.length >= count) return found;
    await sleep(10);
  }
  throw new Error(`${stream} has not come to hold ${count} events.`);
};

const untilParked = async (stream: string, name: string, count: bigint): Promise<void> => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if ((await stats(stream, name)).parkedMessageCount === count) return;
    await sleep(10);
  }
  throw new Error(`There are not ${count} parked messages.`);
};
