import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLoaded } from "../../../engine/commands/fold.ts";
import { handleLoaded } from "../../../engine/commands/handle-command.ts";
import { KnownStates } from "../../../engine/commands/known-states.ts";
import { load } from "../../../engine/commands/load.ts";
import { EventNotUnderstoodError, StreamDeletedError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { pageEvents } from "../../../engine/snapshots/snapshot-policy.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { account } from "../commands/account.ts";
import { interruptedBefore } from "../commands/commands-against-store.ts";
import {
  accountEvents,
  accountOf,
  accountWithSnapshotAt,
  accountWithSnapshots,
  answers,
  CountedStore,
  deposit,
  folded,
  grow,
  policy,
  takeSnapshot,
} from "./long-accounts.ts";

const origin = { correlationId: "correlation" };

describe("a load of an aggregate that has snapshots", () => {
  let server: EventStoreServer;
  let store: EventStore;

  beforeAll(async () => {
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
  });

  afterAll(async () => {
    await store.dispose();
    await server.stop();
  });

  const counted = (): CountedStore => new CountedStore(store.client);

  describe("of a short stream", () => {
    it.each([0, 1, 2, pageEvents - 1, pageEvents])("of %i events is one read", async (count) => {
      const stream = count === 0 ? `account-${randomUUID()}` : (await accountOf(store, count)).stream;
      const reading = counted();
      const loaded = await load(reading, accountWithSnapshots, stream);
      expect(reading.taken()).toStrictEqual([`stream last: ${count}`]);
      expect(answers(loaded, ["k1", "k40"])).toStrictEqual(await folded(store, stream, ["k1", "k40"]));
      expect(loaded.reading).toMatchObject({ events: count, snapshot: { snapshot: "not-sought" } });
    });

    it("does not even look for a snapshot that is there", async () => {
      const { stream } = await accountWithSnapshotAt(store, pageEvents, pageEvents);
      const reading = counted();
      await load(reading, accountWithSnapshots, stream);
      expect(reading.taken()).toStrictEqual([`stream last: ${pageEvents}`]);
    });
  });

  it("reads 10,000 events by one snapshot and what follows it", async () => {
    const { stream } = await accountOf(store, 4_000);
    for (const from of [4_000, 7_000]) await grow(store, stream, from, 3_000);
    expect(await takeSnapshot(store, stream)).toMatchObject({ outcome: "written", revision: 9_999n });
    await grow(store, stream, 10_000, 50);
    const reading = counted();
    const loaded = await load(reading, accountWithSnapshots, stream);
    expect(reading.taken()).toStrictEqual([
      `stream last: ${pageEvents}`,
      "snapshot last: 1",
      "stream from 0: 1",
      "stream from 9999: 51",
    ]);
    expect(answers(loaded, ["k1", "k9051", "k9999", "k10049"])).toStrictEqual({
      state: { owner: "Ada", balance: 10_049, seen: 10_050 },
      revision: 10_049n,
      first: 0n,
      keys: [undefined, 9_051n, 9_999n, 10_049n],
    });
    expect(loaded.reading).toMatchObject({ events: 50, snapshot: { snapshot: "used", revision: 9_999n } });
  });

  describe("in a process that has loaded the stream before", () => {
    it("reads what came since, and at the same time where the stream begins", async () => {
      const { stream } = await accountWithSnapshotAt(store, 150, 190);
      const reading = counted();
      await load(reading, accountWithSnapshots, stream);
      await grow(store, stream, 190, 5);
      for (const since of [5, 0]) {
        reading.taken();
        const loaded = await load(reading, accountWithSnapshots, stream);
        expect(reading.taken()).toStrictEqual([`stream from ${194 - since}: ${since + 1}`, "stream from 0: 1"]);
        expect(answers(loaded, ["k5", "k194"])).toStrictEqual(await folded(store, stream, ["k5", "k194"]));
        // Counted from the snapshot on, whenever they were read.
        expect(loaded.reading).toMatchObject({ events: 45, snapshot: { snapshot: "not-sought" } });
      }
    });

    it("needs no snapshot for that", async () => {
      const { stream } = await accountOf(store, 200);
      const reading = counted();
      await load(reading, accountWithSnapshots, stream);
      reading.taken();
      expect(answers(await load(reading, accountWithSnapshots, stream))).toStrictEqual(await folded(store, stream));
      expect(reading.taken()).toStrictEqual(["stream from 199: 1", "stream from 0: 1"]);
    });

    it("that two commands load at once gives each a state and keys of its own", async () => {
      const { id, stream } = await accountWithSnapshotAt(store, 150, 190);
      const reading = counted();
      await load(reading, accountWithSnapshots, stream);
      const [one, two] = await Promise.all([0, 1].map(() => load(reading, accountWithSnapshots, stream)));
      if (one === undefined || two === undefined) throw new Error("two were loaded");
      const request = { id, command: deposit(1), origin, idempotency: { key: "mine", digest: "d" } };
      const { loaded } = await handleLoaded(reading, accountWithSnapshots, request, one);
      expect([loaded.keys.find("mine")?.revision, two.keys.find("mine")]).toStrictEqual([190n, undefined]);
      await store.client.deleteStream(stream);
      await store.append(stream, 190n, accountEvents(0, 40));
      expect((await load(reading, accountWithSnapshots, stream)).keys.find("mine")).toBeUndefined();
    });

    it.each([
      [130, ["stream from 149: 131", "stream from 0: 1"]],
      [131, ["stream from 149: 132", "stream from 0: 1", "stream last: 32", "snapshot last: 1", "stream from 0: 1"]],
      [900, ["stream from 149: 132", "stream from 0: 1", "stream last: 32", "snapshot last: 1", "stream from 0: 1"]],
    ])("reads no more than a bounded part of %i events since", async (since, reads) => {
      const { stream } = await accountWithSnapshotAt(store, 150, 150);
      const reading = counted();
      await load(reading, accountWithSnapshots, stream);
      await grow(store, stream, 150, since);
      await takeSnapshot(store, stream);
      reading.taken();
      const loaded = await load(reading, accountWithSnapshots, stream);
      expect(reading.taken()).toStrictEqual(reads);
      expect(answers(loaded)).toStrictEqual(await folded(store, stream));
    });

    it("keeps to a bound of memory: what was used longest ago gives way", () => {
      const states = new KnownStates(250);
      const loadedOf = (events: number) => ({
        ...nothingLoaded({ balance: 0, seen: events }),
        revision: BigInt(events - 1),
      });
      for (const [stream, events] of [
        ["a", 100],
        ["b", 100],
      ] as const)
        states.set(policy, stream, loadedOf(events));
      expect(states.get(policy, "a")?.state.seen).toBe(100);
      states.set(policy, "c", loadedOf(100));
      states.set(policy, "short", loadedOf(pageEvents));
      const held = (): unknown[] => ["a", "b", "c", "short"].map((stream) => states.get(policy, stream)?.state.seen);
      expect(held()).toStrictEqual([100, undefined, 100, undefined]);
      states.set(policy, "a", loadedOf(150));
      expect(held()).toStrictEqual([150, undefined, 100, undefined]);
      expect(states.get({ ...policy }, "a")).toBeUndefined();
      states.set(policy, "a", nothingLoaded({ balance: 0, seen: 0 }));
      states.set(policy, "d", loadedOf(150));
      expect([...held(), states.get(policy, "d")?.state.seen]).toStrictEqual([
        undefined,
        undefined,
        100,
        undefined,
        150,
      ]);
      states.set(policy, "e", loadedOf(1_000));
      // It would not fit by itself, and makes nothing give way.
      expect([held()[2], states.get(policy, "d")?.state.seen, states.get(policy, "e")]).toStrictEqual([
        100,
        150,
        undefined,
      ]);
    });
  });

  describe("meets a snapshot", () => {
    // The page is the last 32 of 200 events: revisions 168 to 199.
    it.each([
      ["at the last event of the page", 200, 0, []],
      ["inside the page", 190, 10, []],
      ["at the first event of the page", 169, 31, []],
      ["right before the page", 168, 32, ["stream from 167: 33"]],
      ["far before the page", 100, 100, ["stream from 99: 101"]],
    ])("%s", async (_, snapshotAt, tail, more) => {
      const { stream } = await accountWithSnapshotAt(store, snapshotAt, 200);
      const reading = counted();
      const loaded = await load(reading, accountWithSnapshots, stream);
      expect(reading.taken()).toStrictEqual([
        `stream last: ${pageEvents}`,
        "snapshot last: 1",
        "stream from 0: 1",
        ...more,
      ]);
      expect(loaded.reading).toMatchObject({
        events: tail,
        snapshot: { snapshot: "used", revision: BigInt(snapshotAt - 1) },
      });
      expect(answers(loaded, ["k1", "k199"])).toStrictEqual(await folded(store, stream, ["k1", "k199"]));
    });

    it("of a stream that is one event longer than the page", async () => {
      const { stream } = await accountWithSnapshotAt(store, pageEvents, pageEvents + 1);
      const loaded = await load(counted(), accountWithSnapshots, stream);
      expect(loaded.reading).toMatchObject({ events: 1, snapshot: { snapshot: "used", revision: 31n } });
      expect(answers(loaded)).toStrictEqual(await folded(store, stream));
    });
  });

  it("folds from the beginning, streaming, where there is no snapshot", async () => {
    const { stream } = await accountOf(store, 200);
    const reading = counted();
    const loaded = await load(reading, accountWithSnapshots, stream);
    expect(reading.taken()).toStrictEqual([
      `stream last: ${pageEvents}`,
      "snapshot last: 0",
      "stream from 0: 1",
      "stream from 0: 200",
    ]);
    expect(loaded.reading).toMatchObject({ events: 200, snapshot: { snapshot: "none" } });
    expect(answers(loaded)).toStrictEqual(await folded(store, stream));
  });

  it("without a policy is one forward read, whatever snapshot there is", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 150);
    const reading = counted();
    await load(reading, account, stream);
    expect(reading.taken()).toStrictEqual(["stream from 0: 150"]);
  });

  it("after a conflict is only what came since", async () => {
    const { id, stream } = await accountWithSnapshotAt(store, 150, 160);
    const loaded = await load(store, accountWithSnapshots, stream);
    const reading = counted();
    const late = interruptedBefore(reading, () => grow(store, stream, 160, 3));
    const reads: string[] = [];
    late.readStream = (...read) => {
      reads.push(`from ${(read[1] ?? 0n).toString()}`);
      return store.readStream(...read);
    };
    const command = deposit(7);
    const handled = await handleLoaded(late, accountWithSnapshots, { id, command, origin }, loaded);
    expect(handled.outcome).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 163n });
    expect(reads).toStrictEqual(["from 160"]);
    expect(answers(handled.loaded)).toStrictEqual(await folded(store, stream));
    expect(handled.loaded.reading).toMatchObject({ events: 14, snapshot: { snapshot: "used", revision: 149n } });
  });

  describe("of a stream that was cut at its beginning", () => {
    const truncate = (stream: string, truncateBefore: number) =>
      store.client.setStreamMetadata(stream, { truncateBefore });

    it("after the snapshot was taken does not take back what was cut", async () => {
      const { stream } = await accountWithSnapshotAt(store, 150, 200);
      const reading = counted();
      await load(reading, accountWithSnapshots, stream);
      await truncate(stream, 100);
      const left = { state: { balance: 100, seen: 100 }, revision: 199n, first: 100n, keys: [undefined, 100n] };
      // The process that knows the stream finds out at once, and then knows it as it is.
      for (const process of [reading, reading, counted()]) {
        expect(answers(await load(process, accountWithSnapshots, stream), ["k99", "k100"])).toStrictEqual(left);
      }
      expect((await load(counted(), accountWithSnapshots, stream)).reading.snapshot).toStrictEqual({
        snapshot: "ignored",
        why: "truncated",
      });
    });

    it("behind the snapshot's own event ignores it as well", async () => {
      const { stream } = await accountWithSnapshotAt(store, 100, 200);
      await truncate(stream, 140);
      const loaded = await load(counted(), accountWithSnapshots, stream);
      expect(loaded.reading.snapshot).toStrictEqual({ snapshot: "ignored", why: "truncated" });
      expect(answers(loaded)).toStrictEqual(await folded(store, stream));
    });

    it("before the snapshot was taken uses it", async () => {
      const { stream } = await accountOf(store, 150);
      await truncate(stream, 20);
      expect(await takeSnapshot(store, stream)).toMatchObject({ outcome: "written", revision: 149n });
      await grow(store, stream, 150, 5);
      const loaded = await load(counted(), accountWithSnapshots, stream);
      expect(loaded.reading).toMatchObject({ events: 5, snapshot: { snapshot: "used" } });
      expect(answers(loaded)).toStrictEqual(await folded(store, stream));
    });

    it.each([pageEvents - 1, pageEvents, pageEvents + 1])("down to %i events folds those", async (left) => {
      const { stream } = await accountWithSnapshotAt(store, 150, 200);
      await truncate(stream, 200 - left);
      expect(answers(await load(counted(), accountWithSnapshots, stream))).toStrictEqual({
        state: { balance: left, seen: left },
        revision: 199n,
        first: BigInt(200 - left),
        keys: [],
      });
    });

    it("wholly folds nothing", async () => {
      const { stream } = await accountWithSnapshotAt(store, 150, 200);
      await truncate(stream, 200);
      expect(answers(await load(counted(), accountWithSnapshots, stream))).toStrictEqual(await folded(store, stream));
    });

    it("and keeps a number of last events folds those that are left", async () => {
      const { stream } = await accountWithSnapshotAt(store, 150, 200);
      await store.client.setStreamMetadata(stream, { maxCount: 60 });
      const loaded = await load(counted(), accountWithSnapshots, stream);
      expect(answers(loaded)).toStrictEqual({
        state: { balance: 60, seen: 60 },
        revision: 199n,
        first: 140n,
        keys: [],
      });
    });

    it("by deletion, and went on afterwards, folds what came afterwards", async () => {
      const { stream } = await accountWithSnapshotAt(store, 150, 200);
      await store.client.deleteStream(stream);
      await store.append(stream, 199n, accountEvents(0, 40));
      const loaded = await load(counted(), accountWithSnapshots, stream);
      expect(loaded.reading.snapshot).toStrictEqual({ snapshot: "ignored", why: "truncated" });
      expect(answers(loaded)).toStrictEqual(await folded(store, stream));
    });
  });

  it("of a tombstoned stream fails as without snapshots", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    const process = counted();
    await load(process, accountWithSnapshots, stream);
    await store.client.tombstoneStream(stream);
    for (const reading of [process, counted()]) {
      await expect(load(reading, accountWithSnapshots, stream)).rejects.toThrow(StreamDeletedError);
    }
  });

  it("of an event that cannot be read behind the snapshot fails as without snapshots", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    await store.append(stream, 199n, [{ id: randomUUID(), type: "Renamed", data: {}, metadata: {} }]);
    await expect(load(counted(), accountWithSnapshots, stream)).rejects.toThrow(EventNotUnderstoodError);
  });
});
