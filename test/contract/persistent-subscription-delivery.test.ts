/** Which events a group delivers, to whom, and in which order. */
import { randomUUID } from "node:crypto";
import {
  binaryEvent,
  END,
  eventTypeFilter,
  PersistentSubscriptionDroppedError,
  START,
  streamNameFilter,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import { collect, event, eventOf, events, newStream, sleep } from "../local/eventstoredb/event-store-for-test.ts";
import { configuredGroups, confirmed, dropped, groupsOn, upTo } from "./consumer-groups.ts";
import { consume, revisions } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();
const groups = groupsOn(store);

describe("to a stream", () => {
  test("history and then live events, each once when acknowledged", async () => {
    const group = await groups.onStream({ startFrom: START }, 50);
    const consumer = consume(group.connect());
    await consumer.reached(50);
    await group.append(5);
    await consumer.reached(55);
    expect(revisions(consumer)).toEqual(upTo(55));
    expect(new Set(consumer.delivered.map(({ retryCount }) => retryCount))).toEqual(new Set([0]));
  });

  test("from the end by default: only what is committed after the group was created", async () => {
    const group = await groups.onStream({}, 3);
    await group.append(1);
    const consumer = consume(group.connect());
    await consumer.reached(1);
    await group.append(1);
    await consumer.reached(2);
    expect(revisions(consumer)).toEqual([3n, 4n]);
  });

  test("from the end once more after a restart, where no checkpoint was written", async () => {
    const group = await groups.onStream({ startFrom: END, checkPointAfter: 0 });
    await group.append(3);
    const before = consume(group.connect());
    await before.reached(3);
    await groups.restart(group);
    await group.append(1);
    const after = consume(group.connect());
    await after.reached(1);
    await group.append(1);
    await after.reached(2);
    expect(revisions(after)).toEqual([3n, 4n]);
  });

  test("from a revision, inclusive; of a stream that does not exist yet", async () => {
    const group = await groups.onStream({ startFrom: 2n });
    const consumer = consume(group.connect());
    await group.append(4);
    await consumer.reached(2);
    expect(revisions(consumer)).toEqual([2n, 3n]);
  });

  test("what retention hides is not delivered", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(5));
    await store.client.setStreamMetadata(stream, { truncateBefore: 3 });
    const group = await groups.onStream({ startFrom: START }, 0, stream);
    const consumer = consume(group.connect());
    await consumer.reached(2);
    expect(revisions(consumer)).toEqual([3n, 4n]);
  });

  test("in flight are never more than the consumer's buffer", async () => {
    const group = await groups.onStream({ startFrom: START }, 20);
    const consumer = consume(group.connect(7), () => "nothing");
    await consumer.reached(7);
    await sleep(50);
    expect(revisions(consumer)).toEqual(upTo(7));
    expect((await group.info()).stats).toMatchObject({
      totalInFlightMessages: 7,
      outstandingMessagesCount: 7,
      readBufferCount: 13,
    });
  });

  test("one consumer with a buffer of 1 gets the events in exact order", async () => {
    const group = await groups.onStream({ startFrom: START }, 30);
    const consumer = consume(group.connect(1));
    await group.append(30);
    await consumer.reached(60);
    expect(revisions(consumer)).toEqual(upTo(60));
  });

  test("more than the buffers hold is read from history once there is room, in order, none twice", async () => {
    const group = await groups.onStream({ startFrom: END, historyBufferSize: 10, readBatchSize: 4, liveBufferSize: 3 });
    await group.append(60);
    await expect.poll(async () => (await group.info()).status).toBe("Behind");
    const consumer = consume(group.connect(1));
    await consumer.reached(60);
    expect(revisions(consumer)).toEqual(upTo(60));
    await expect.poll(async () => (await group.info()).status).toBe("Live");
  });

  test("links are resolved, and acknowledged by the link", async () => {
    const target = newStream();
    await store.client.appendToStream(target, events(2));
    const links = newStream("links");
    await store.client.appendToStream(
      links,
      ["0@" + target, "1@" + target, "7@" + target].map((data) => binaryEvent({ type: "$>", data: Buffer.from(data) })),
    );
    const group = await groups.onStream(
      { startFrom: START, resolveLinkTos: true, checkPointUpperBound: 3, checkPointLowerBound: 3 },
      0,
      links,
    );
    const consumer = consume(group.connect());
    await consumer.reached(3);
    const seen = consumer.resolved.map(({ event, link, commitPosition }) => [
      event?.streamId,
      link?.streamId,
      commitPosition === link?.position?.commit,
    ]);
    expect(seen).toEqual([
      [target, links, true],
      [target, links, true],
      [undefined, links, true],
    ]);
    await expect.poll(group.checkpoints).toEqual(["2"]);
  });

  test("of two events with one id in flight the second comes too, and one acknowledgement is for both", async () => {
    const stream = newStream();
    const id = randomUUID();
    await store.client.appendToStream(stream, event("twin", {}, id), { expectedRevision: "no_stream" });
    await store.client.appendToStream(stream, event("twin", {}, id), { expectedRevision: 0n });
    const group = await groups.onStream(
      { startFrom: START, messageTimeout: 100, checkPointUpperBound: 1, checkPointLowerBound: 1 },
      0,
      stream,
    );
    const consumer = consume(group.connect(), ({ revision }) => (revision === 1n ? "ack" : "nothing"));
    await consumer.reached(2);
    await expect.poll(async () => (await group.checkpoints()).at(-1)).toBe("1");
    expect(revisions(consumer)).toEqual([0n, 1n]);
    expect((await group.info()).stats).toMatchObject({ totalInFlightMessages: 0, outstandingMessagesCount: 0 });
  });
});

describe("to $all", () => {
  test("through a filter on types, from the start, then live", async () => {
    const type = `type-${randomUUID()}`;
    const stream = newStream();
    await store.client.appendToStream(stream, [event(type), event("other"), event(type)]);
    const group = await groups.onAll({ startFrom: START }, eventTypeFilter({ prefixes: [type] }));
    const consumer = consume(group.connect());
    await consumer.reached(2);
    await store.client.appendToStream(stream, [event("other"), event(type)]);
    await consumer.reached(3);
    expect(revisions(consumer)).toEqual([0n, 2n, 4n]);
  });

  test("through a filter on streams, from a position, inclusive", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(3));
    const [, second] = await collect(store.client.readStream(stream));
    const startFrom = eventOf(second ?? {}).position ?? { commit: 0n, prepare: 0n };
    const group = await groups.onAll({ startFrom }, streamNameFilter({ prefixes: [stream] }));
    const consumer = consume(group.connect());
    await consumer.reached(2);
    expect(revisions(consumer)).toEqual([1n, 2n]);
  });

  test("from the end: the event that records the group itself is among the first", async () => {
    const group = await groups.onAll({ startFrom: END });
    const consumer = consume(group.connect());
    const recorded = () =>
      consumer.resolved.flatMap((resolved) =>
        resolved.event?.type === "$PersistentConfig" ? configuredGroups(resolved.event.data) : [],
      );
    await expect.poll(recorded).toContainEqual(expect.objectContaining({ stream: "$all", group: group.name }));
  });

  test("a record that is no event does not end the history of a filtered group", async () => {
    const type = `type-${randomUUID()}`;
    const stream = newStream();
    await store.client.appendToStream(stream, event(type));
    await store.client.appendToStream(newStream(), []);
    await store.client.appendToStream(stream, [event(type), event(type)]);
    const group = await groups.onAll(
      { startFrom: START, checkPointLowerBound: 1, checkPointUpperBound: 1 },
      eventTypeFilter({ prefixes: [type] }),
    );
    const consumer = consume(group.connect());
    await consumer.reached(3);
    expect(revisions(consumer)).toEqual([0n, 1n, 2n]);
  });
});

describe("between consumers", () => {
  test("RoundRobin gives each the next in turn, and passes over who is full", async () => {
    const group = await groups.onStream({ startFrom: END, consumerStrategyName: "RoundRobin" });
    const first = group.connect(2);
    const small = consume(first, () => "nothing");
    await confirmed(first);
    const second = group.connect(10);
    const large = consume(second, () => "nothing");
    await confirmed(second);
    await group.append(8);
    await Promise.all([small.reached(2), large.reached(6)]);
    expect([revisions(small), revisions(large)]).toEqual([
      [0n, 2n],
      [1n, 3n, 4n, 5n, 6n, 7n],
    ]);
  });

  test("DispatchToSingle stays with one until it is full", async () => {
    const group = await groups.onStream({ startFrom: END, consumerStrategyName: "DispatchToSingle" });
    const first = group.connect(3);
    const one = consume(first, () => "nothing");
    await confirmed(first);
    const second = group.connect(3);
    const other = consume(second, () => "nothing");
    await confirmed(second);
    await group.append(5);
    await Promise.all([one.reached(3), other.reached(2)]);
    expect([revisions(one), revisions(other)]).toEqual([upTo(3), [3n, 4n]]);
  });

  test("Pinned keeps each stream with one consumer, and lets other streams overtake where that one is full", async () => {
    const category = newStream();
    const group = await groups.onAll(
      { startFrom: END, consumerStrategyName: "Pinned" },
      streamNameFilter({ prefixes: [category] }),
    );
    const subscriptions = [group.connect(1), group.connect(10)];
    const [small, large] = subscriptions.map((subscription) => consume(subscription, () => "nothing"));
    for (const subscription of subscriptions) await confirmed(subscription);
    for (let round = 0; round < 3; round += 1) {
      for (const stream of ["a", "b"]) await store.client.appendToStream(`${category}-${stream}`, event());
    }
    await Promise.all([small?.reached(1), large?.reached(3)]);
    const streamsOf = (consumer: typeof small) => consumer?.resolved.map((resolved) => resolved.event?.streamId);
    expect([streamsOf(small), streamsOf(large)].map((streams) => new Set(streams).size)).toEqual([1, 1]);
    expect(streamsOf(small)?.[0]).not.toBe(streamsOf(large)?.[0]);
  });

  test("what a consumer leaves behind goes to the next, in order, counted as a retry and never parked", async () => {
    const group = await groups.onStream({ startFrom: START, maxRetryCount: 0 }, 4);
    const subscription = group.connect();
    await consume(subscription, () => "nothing").reached(4);
    await subscription.unsubscribe();
    const second = consume(group.connect());
    await second.reached(4);
    expect(second.delivered).toEqual(upTo(4).map((revision) => ({ revision, retryCount: 1 })));
    expect((await group.info()).stats.parkedMessageCount).toBe(0n);
  });
});

describe("a group that cannot read its events drops who connects", () => {
  test("of a stream with a tombstone", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(2));
    await store.client.tombstoneStream(stream);
    const group = await groups.onStream({ startFrom: START }, 0, stream);
    const error = await dropped(group.connect());
    expect(error).toBeInstanceOf(PersistentSubscriptionDroppedError);
    expect((await group.info()).connections).toEqual([]);
  });

  test("of $all from a position where no record starts", async () => {
    const { position } = await store.client.appendToStream(newStream(), events(1));
    await store.client.appendToStream(newStream(), events(1));
    const inside = (position?.commit ?? 0n) + 1n;
    const group = await groups.onAll({ startFrom: { commit: inside, prepare: inside } });
    expect(await dropped(group.connect())).toBeInstanceOf(PersistentSubscriptionDroppedError);
  });
});
