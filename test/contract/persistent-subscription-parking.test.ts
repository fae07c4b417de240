/** Retries and time-outs, what is given up and parked, and how parked messages come again. */
import { binaryEvent, START } from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import { eventOf, events, newStream } from "../local/eventstoredb/event-store-for-test.ts";
import { groupsOn, upTo, type StreamGroup } from "./consumer-groups.ts";
import { consume, revisions, type Consumer } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();
const groups = groupsOn(store);

const parkedCount = async (group: StreamGroup): Promise<bigint> => (await group.info()).stats.parkedMessageCount;
const untilParked = (group: StreamGroup, count: bigint): Promise<void> =>
  expect.poll(() => parkedCount(group)).toBe(count);
const replay = (group: StreamGroup, stopAt?: number): Promise<void> =>
  store.client.replayParkedMessagesToStream(group.stream, group.name, stopAt === undefined ? {} : { stopAt });

/** Of each delivery the event's revision, whether it came from the parked stream, and its retry count. */
const told = ({ resolved, delivered }: Consumer): string[] =>
  resolved.map(
    ({ event, link }, index) =>
      `${event?.revision}${link === undefined ? "" : ` by link ${link.revision}`} retry ${delivered[index]?.retryCount}`,
  );

/** A group with so many messages, all of them parked, and a consumer that acknowledges what comes from now on. */
const withParked = async (count: number): Promise<{ readonly group: StreamGroup; readonly consumer: Consumer }> => {
  const group = await groups.onStream({ startFrom: START, checkPointAfter: 0 }, count);
  const parking = group.connect(count);
  await consume(parking, () => "park").reached(count);
  await untilParked(group, BigInt(count));
  await parking.unsubscribe();
  return { group, consumer: consume(group.connect()) };
};

describe("retries", () => {
  test("a nack for a retry comes again at once with its count raised; past the limit the message is parked", async () => {
    const group = await groups.onStream({ startFrom: START, maxRetryCount: 2 }, 2);
    const consumer = consume(group.connect(), ({ revision }) => (revision === 1n ? "retry" : "ack"));
    await consumer.reached(4);
    await untilParked(group, 1n);
    expect(told(consumer)).toEqual(["0 retry 0", "1 retry 0", "1 retry 1", "1 retry 2"]);
    const [link] = await group.parked();
    expect(eventOf(link ?? {})).toMatchObject({
      type: "$>",
      isJson: false,
      metadata: { reason: "Reached retry count of 2", subscriptionEventNumber: 1 },
    });
    expect(Buffer.from(eventOf(link ?? {}).data as unknown as Uint8Array).toString()).toBe(`1@${group.stream}`);
  });

  test("a limit of 0 parks at the first retry", async () => {
    const group = await groups.onStream({ startFrom: START, maxRetryCount: 0 }, 1);
    const consumer = consume(group.connect(), () => "retry");
    await untilParked(group, 1n);
    expect(told(consumer)).toEqual(["0 retry 0"]);
    const [link] = await group.parked();
    expect(eventOf(link ?? {}).metadata).toMatchObject({ reason: "Reached retry count of 0" });
  });

  test("a message that is not acknowledged in time comes again, and is parked after its last retry", async () => {
    const group = await groups.onStream({ startFrom: START, messageTimeout: 100, maxRetryCount: 1 }, 1);
    const consumer = consume(group.connect(), () => "nothing");
    await untilParked(group, 1n);
    expect(told(consumer)).toEqual(["0 retry 0", "0 retry 1"]);
  });

  test("a time-out of 0 expires at the next tick", async () => {
    const group = await groups.onStream({ startFrom: START, messageTimeout: 0 }, 1);
    const consumer = consume(group.connect(), ({ retryCount }) => (retryCount === 0 ? "nothing" : "ack"));
    await consumer.reached(2);
    expect(told(consumer)).toEqual(["0 retry 0", "0 retry 1"]);
  });

  test("retries come before what waits, and the checkpoint waits for them", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointUpperBound: 4, checkPointLowerBound: 4 }, 4);
    const consumer = consume(group.connect(1), ({ revision, retryCount }) =>
      revision === 1n && retryCount < 2 ? "retry" : "ack",
    );
    await consumer.reached(6);
    expect(revisions(consumer)).toEqual([0n, 1n, 1n, 1n, 2n, 3n]);
    await expect.poll(group.checkpoints).toEqual(["3"]);
  });
});

describe("nacks", () => {
  test("park says why; skip and stop are the end of a message, as an acknowledgement is", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointUpperBound: 3, checkPointLowerBound: 3 }, 3);
    const handling = ["park", "skip", "stop"] as const;
    const consumer = consume(group.connect(), ({ revision }) => handling[Number(revision)] ?? "nothing");
    await untilParked(group, 1n);
    await expect.poll(group.checkpoints).toEqual(["2"]);
    expect(revisions(consumer)).toEqual(upTo(3));
    const [link] = await group.parked();
    expect(eventOf(link ?? {}).metadata).toMatchObject({ reason: "Client explicitly NAK'ed message.\nbecause" });
    expect((await group.info()).stats).toMatchObject({ outstandingMessagesCount: 0, totalInFlightMessages: 0 });
  });

  test("of a resolved link the event that it leads to is parked", async () => {
    const target = newStream();
    await store.client.appendToStream(target, events(3));
    const links = newStream("links");
    await store.client.appendToStream(links, binaryEvent({ type: "$>", data: Buffer.from(`2@${target}`) }));
    const group = await groups.onStream({ startFrom: START, resolveLinkTos: true }, 0, links);
    consume(group.connect(), () => "park");
    await untilParked(group, 1n);
    const [parked] = await group.parked();
    expect(Buffer.from(eventOf(parked ?? {}).data as unknown as Uint8Array).toString()).toBe(`2@${target}`);
  });
});

describe("replays", () => {
  test("bring the original event by its link, counted from 0, up to where they are told to stop", async () => {
    const { group, consumer } = await withParked(3);
    await replay(group, 2);
    await consumer.reached(2);
    await untilParked(group, 1n);
    expect(told(consumer)).toEqual(["0 by link 0 retry 0", "1 by link 1 retry 0"]);
    const { metadata } = await store.client.getStreamMetadata(group.parkedStream);
    expect(metadata?.truncateBefore).toBe(2);
    await replay(group);
    await consumer.reached(3);
    await untilParked(group, 0n);
    expect(told(consumer).slice(2)).toEqual(["2 by link 2 retry 0"]);
  });

  test("are retried and parked again like any message", async () => {
    const group = await groups.onStream({ startFrom: START, maxRetryCount: 1 }, 1);
    const consumer = consume(group.connect(), () => "retry");
    await untilParked(group, 1n);
    await replay(group);
    await consumer.reached(4);
    await untilParked(group, 1n);
    expect(told(consumer)).toEqual(["0 retry 0", "0 retry 1", "0 by link 0 retry 0", "0 by link 0 retry 1"]);
    expect((await group.parked()).map(({ event }) => event?.revision)).toEqual([1n]);
  });

  test("take them from the parked stream at once: what is not acknowledged is lost with a restart", async () => {
    const { group } = await withParked(2);
    const holding = consume(group.connect(), () => "nothing");
    await replay(group);
    await expect
      .poll(async () => (await store.client.getStreamMetadata(group.parkedStream)).metadata)
      .toMatchObject({
        truncateBefore: 2,
      });
    await groups.restart(group);
    const consumer = consume(group.connect());
    await consumer.reached(2);
    await replay(group);
    await group.append(1);
    await consumer.reached(3);
    expect(told(consumer)).toEqual(["0 retry 0", "1 retry 0", "2 retry 0"]);
    expect(holding.errors).toHaveLength(1);
  });

  test("move no checkpoint", async () => {
    const group = await groups.onStream({ startFrom: START, checkPointUpperBound: 1, checkPointLowerBound: 1 }, 1);
    const consumer = consume(group.connect(), ({ revision, retryCount }) =>
      consumer.delivered.length === 1 && revision === 0n && retryCount === 0 ? "park" : "ack",
    );
    await untilParked(group, 1n);
    await expect.poll(group.checkpoints).toEqual(["0"]);
    await replay(group);
    await consumer.reached(2);
    await group.append(1);
    await expect.poll(group.checkpoints).toEqual(["0", "1"]);
  });

  test("with nothing parked are a success", async () => {
    const group = await groups.onStream();
    await replay(group);
    expect(await parkedCount(group)).toBe(0n);
  });
});
