/** What a group writes down about how far it got, and what it goes on from. */
import { randomUUID } from "node:crypto";
import { END, eventTypeFilter, excludeSystemEvents, START, streamNameFilter } from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import { collect, event, eventOf, events, newStream, sleep } from "../local/eventstoredb/event-store-for-test.ts";
import { groupsOn, upTo } from "./consumer-groups.ts";
import { consume, revisions } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();
const groups = groupsOn(store);

const everyEvent = { checkPointUpperBound: 1, checkPointLowerBound: 1 };
/** One checkpoint, when so many are done: a server may leave out those that become due while it writes another. */
const onceFor = (count: number) => ({ checkPointUpperBound: count, checkPointLowerBound: count });
const twoTicks = 2100;

describe("are written", () => {
  test("as the position in JSON, in a stream of the group's own that just grows and that $all shows", async () => {
    const group = await groups.onStream({ startFrom: START, ...onceFor(3) }, 3);
    const consumer = consume(group.connect(1));
    await consumer.reached(3);
    await expect.poll(() => group.checkpoints()).toEqual(["2"]);
    const written = await collect(store.client.readStream(group.checkpointStream));
    expect(eventOf(written.at(-1) ?? {})).toMatchObject({ type: "$SubscriptionCheckpoint", isJson: true, data: "2" });
    expect((await store.client.getStreamMetadata(group.checkpointStream)).metadata).toBeUndefined();
    const last = eventOf(written.at(-1) ?? {}).position;
    const [inAll] = await collect(store.client.readAll({ fromPosition: last ?? START, maxCount: 1 }));
    expect(inAll?.event?.streamId).toBe(group.checkpointStream);
    expect((await group.info()).stats.lastCheckpointedEventRevision).toBe(2n);
  });

  test("as soon as the upper bound is done with", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointAfter: 0, ...onceFor(3) }, 3);
    const consumer = consume(group.connect(1));
    await expect.poll(group.checkpoints).toEqual(["2"]);
    await group.append(4);
    await consumer.reached(7);
    await expect.poll(group.checkpoints).toEqual(["2", "5"]);
  });

  test("before the first message that is still owed", async () => {
    const group = await groups.onStream({ startFrom: START, ...onceFor(2) }, 5);
    const consumer = consume(group.connect(), ({ revision }) => (revision === 2n ? "nothing" : "ack"));
    await consumer.reached(5);
    await expect.poll(async () => (await group.info()).stats.outstandingMessagesCount).toBe(1);
    await expect.poll(group.checkpoints).toEqual(["1"]);
  });

  test("for their age, at a tick, from the lower bound on", async () => {
    const group = await groups.onStream(
      { startFrom: START, checkPointAfter: 1, checkPointLowerBound: 3, checkPointUpperBound: 1000 },
      3,
    );
    await consume(group.connect()).reached(3);
    await expect.poll(group.checkpoints).toEqual(["2"]);
    await group.append(1);
    await sleep(twoTicks);
    expect(await group.checkpoints()).toEqual(["2"]);
  });

  test("never for their age where that is 0, and not when the last consumer leaves or the group is changed", async () => {
    const group = await groups.onStream(
      { startFrom: START, checkPointAfter: 0, checkPointLowerBound: 1, checkPointUpperBound: 1000 },
      3,
    );
    const subscription = group.connect();
    await consume(subscription).reached(3);
    await sleep(twoTicks);
    await subscription.unsubscribe();
    await groups.restart(group);
    expect(await group.checkpoints()).toEqual([]);
  });
});

describe("of $all", () => {
  test("are positions, in a stream that $all does not show", async () => {
    const stream = newStream();
    const group = await groups.onAll({ startFrom: END, ...everyEvent }, streamNameFilter({ prefixes: [stream] }));
    const consumer = consume(group.connect());
    await store.client.appendToStream(stream, events(3));
    await consumer.reached(3);
    const [, , third] = await collect(store.client.readStream(stream));
    const position = eventOf(third ?? {}).position;
    await expect.poll(async () => (await group.info()).stats.lastCheckpointedEventPosition).toEqual(position);
    await expect.poll(async () => (await group.checkpoints()).at(-1)).toMatch(/^C:(\d+)\/P:\1$/);
    const all = await collect(store.client.readAll({ fromPosition: position ?? START }));
    expect(all.filter((resolved) => resolved.event?.streamId === group.checkpointStream)).toEqual([]);
  });

  test("move with the events that the filter leaves out", async () => {
    const type = `type-${randomUUID()}`;
    const group = await groups.onAll({ startFrom: END, ...everyEvent }, eventTypeFilter({ prefixes: [type] }));
    const { position } = await store.client.appendToStream(newStream(), event("other"));
    await expect
      .poll(async () => (await group.info()).stats.lastCheckpointedEventPosition?.commit ?? 0n)
      .toBeGreaterThanOrEqual(position?.commit ?? 0n);
  });

  test("stay before what is owed, whatever the filter leaves out after it", async () => {
    const type = `type-${randomUUID()}`;
    const group = await groups.onAll({ startFrom: END, ...everyEvent }, eventTypeFilter({ prefixes: [type] }));
    const consumer = consume(group.connect(), () => "nothing");
    const { position } = await store.client.appendToStream(newStream(), event(type));
    await consumer.reached(1);
    await store.client.appendToStream(newStream(), events(3, "other"));
    const { stats } = await group.info();
    expect(stats.lastCheckpointedEventPosition?.commit ?? 0n).toBeLessThan(position?.commit ?? 0n);
  });

  test("in history count only pages that hold nothing else", async () => {
    const category = newStream();
    await store.client.appendToStream(category, events(2));
    await store.client.appendToStream(newStream(), events(30));
    const [first] = await collect(store.client.readStream(category));
    const group = await groups.onAll(
      {
        startFrom: eventOf(first ?? {}).position ?? START,
        checkPointAfter: 1,
        checkPointLowerBound: 10,
        checkPointUpperBound: 1000,
      },
      streamNameFilter({ prefixes: [category] }),
    );
    await consume(group.connect()).reached(2);
    await sleep(twoTicks);
    expect(await group.checkpoints()).toEqual([]);
  });
});

describe("are gone on from", () => {
  test("after a restart: not with the event they name, and with everything after it once more", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointAfter: 0, ...onceFor(3) }, 5);
    await consume(group.connect(1)).reached(5);
    await expect.poll(group.checkpoints).toEqual(["2"]);
    await groups.restart(group);
    await expect
      .poll(async () => (await group.info()).stats)
      .toMatchObject({
        lastCheckpointedEventRevision: 2n,
        lastKnownEventRevision: 4n,
        totalItems: 0n,
      });
    const consumer = consume(group.connect());
    await consumer.reached(2);
    expect(consumer.delivered).toEqual([3n, 4n].map((revision) => ({ revision, retryCount: 0 })));
  });

  test("whatever startFrom an update names", async () => {
    const group = await groups.onStream({ startFrom: START, ...onceFor(3) }, 3);
    await consume(group.connect(1)).reached(3);
    await expect.poll(group.checkpoints).toEqual(["2"]);
    await store.client.updatePersistentSubscriptionToStream(group.stream, group.name, {
      ...(await group.info()).settings,
      startFrom: START,
    });
    await group.append(1);
    const consumer = consume(group.connect());
    await consumer.reached(1);
    expect(revisions(consumer)).toEqual([3n]);
  });

  test("where there is none, an update's startFrom counts", async () => {
    const group = await groups.onStream({ startFrom: END, checkPointAfter: 0 }, 4);
    await store.client.updatePersistentSubscriptionToStream(group.stream, group.name, {
      ...(await group.info()).settings,
      startFrom: START,
    });
    const consumer = consume(group.connect());
    await consumer.reached(4);
    expect(revisions(consumer)).toEqual(upTo(4));
  });

  test("to $all with its filter, which no update changes", async () => {
    const stream = newStream();
    const group = await groups.onAll({ startFrom: END, ...everyEvent }, excludeSystemEvents());
    const { settings } = await group.info();
    await store.client.appendToStream(stream, events(1));
    await consume(group.connect()).reached(1);
    await store.client.updatePersistentSubscriptionToAll(group.name, { ...settings, messageTimeout: 12_345 });
    const consumer = consume(group.connect());
    await store.client.appendToStream(stream, events(1));
    await expect
      .poll(() => consumer.resolved.filter((resolved) => resolved.event?.streamId === stream).at(-1)?.event?.revision)
      .toBe(1n);
    expect(consumer.resolved.filter((resolved) => resolved.event?.type.startsWith("$") === true)).toEqual([]);
  });
});
