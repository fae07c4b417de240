/** Catch-up subscriptions: history, caught up, live; checkpoints of filters; ends. */
import { isDeepStrictEqual } from "node:util";
import {
  END,
  eventTypeFilter,
  NO_STREAM,
  streamNameFilter,
  StreamDeletedError,
  type Position,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import {
  bytesEvent,
  collect,
  event,
  events,
  eventOf,
  eventually,
  follow,
  newStream,
  rejection,
  revisionsOf,
  sleep,
} from "../local/eventstoredb/event-store-for-test.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();

describe("to a stream", () => {
  test("history, then caught up, then what is appended", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(3));
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    await store.client.appendToStream(stream, events(2));
    expect(revisionsOf(await followed.reached(5))).toEqual([0n, 1n, 2n, 3n, 4n]);
    expect(followed.log).toEqual(["event", "event", "event", "caughtUp", "event", "event"]);
    await followed.stop();
  });

  test("from the largest revision there is nothing, and no error", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, event());
    const followed = follow(store.client.subscribeToStream(stream, { fromRevision: 9223372036854775807n }));
    await followed.caughtUp();
    expect([followed.items, followed.errors]).toEqual([[], []]);
    await followed.stop();
  });

  test("from a revision starts with the next one, from the end with what comes", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(3));
    const later = follow(store.client.subscribeToStream(stream, { fromRevision: 1n }));
    const end = follow(store.client.subscribeToStream(stream, { fromRevision: END }));
    await end.caughtUp();
    await store.client.appendToStream(stream, event());
    expect(revisionsOf(await later.reached(2))).toEqual([2n, 3n]);
    expect(revisionsOf(await end.reached(1))).toEqual([3n]);
    await Promise.all([later.stop(), end.stop()]);
  });

  test("that does not exist yet is caught up at once, and sees it begin", async () => {
    const stream = newStream();
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    await store.client.appendToStream(stream, events(2));
    expect(revisionsOf(await followed.reached(2))).toEqual([0n, 1n]);
    await followed.stop();
  });

  test("that is tombstoned fails at once", async () => {
    const stream = newStream();
    await store.client.tombstoneStream(stream);
    expect(await follow(store.client.subscribeToStream(stream)).failed()).toBeInstanceOf(StreamDeletedError);
  });

  test("that is tombstoned while it is followed: the tombstone comes, then the error", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, event());
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    await store.client.tombstoneStream(stream);
    expect(await followed.failed()).toBeInstanceOf(StreamDeletedError);
    expect(followed.items.map((item) => eventOf(item).type)).toEqual(["happened", "$streamDeleted"]);
  });

  test("that is soft-deleted and written again goes on with the next revision", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(2));
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    await store.client.deleteStream(stream);
    await store.client.appendToStream(stream, event());
    expect(revisionsOf(await followed.reached(3))).toEqual([0n, 1n, 2n]);
    await followed.stop();
  });

  test("from a revision that is not there yet starts after it", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(3));
    const followed = follow(store.client.subscribeToStream(stream, { fromRevision: 5n }));
    await followed.caughtUp();
    await store.client.appendToStream(stream, events(5));
    expect(revisionsOf(await followed.reached(2))).toEqual([6n, 7n]);
    await followed.stop();
  });

  test("that is soft-deleted is caught up at once, and goes on with what is appended", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(2));
    await store.client.deleteStream(stream);
    const start = follow(store.client.subscribeToStream(stream));
    const end = follow(store.client.subscribeToStream(stream, { fromRevision: END }));
    await Promise.all([start.caughtUp(), end.caughtUp()]);
    await store.client.appendToStream(stream, event());
    expect(revisionsOf(await start.reached(1))).toEqual([2n]);
    expect(revisionsOf(await end.reached(1))).toEqual([2n]);
    await Promise.all([start.stop(), end.stop()]);
  });

  test("that is tombstoned right after an append: both come before the error", async () => {
    const stream = newStream();
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    await Promise.all([
      store.client.appendToStream(stream, events(3), { expectedRevision: NO_STREAM }),
      store.client.tombstoneStream(stream),
    ]);
    expect(await followed.failed()).toBeInstanceOf(StreamDeletedError);
    expect(revisionsOf(followed.items)).toEqual([0n, 1n, 2n, 9223372036854775807n]);
  });

  test.each([
    ["$maxCount", { maxCount: 1 }],
    ["$tb", { truncateBefore: 100 }],
  ])("what is appended while live arrives whatever %s hides, what was there does not", async (_name, metadata) => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(3));
    await store.client.setStreamMetadata(stream, metadata);
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    const before = revisionsOf(followed.items);
    expect(before).toEqual("maxCount" in metadata ? [2n] : []);
    await store.client.appendToStream(stream, events(4));
    const all = revisionsOf(await followed.reached(before.length + 4));
    expect(all.slice(before.length)).toEqual([3n, 4n, 5n, 6n]);
    await followed.stop();
  });

  test("history obeys truncation", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(5));
    await store.client.setStreamMetadata(stream, { truncateBefore: 3 });
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    expect(revisionsOf(followed.items)).toEqual([3n, 4n]);
    await followed.stop();
  });

  test("more than 32 events at once while live bring another caught up", async () => {
    const stream = newStream();
    const followed = follow(store.client.subscribeToStream(stream));
    await followed.caughtUp();
    await store.client.appendToStream(stream, events(32));
    await followed.reached(32);
    await sleep(30);
    expect(followed.log.filter((entry) => entry === "caughtUp")).toHaveLength(1);
    await store.client.appendToStream(stream, events(33));
    await followed.caughtUp(2);
    expect(followed.items).toHaveLength(65);
    await followed.stop();
  });
});

describe("to $all", () => {
  test("from a position starts strictly after it", async () => {
    const stream = newStream();
    const { position } = await store.client.appendToStream(stream, event());
    await store.client.appendToStream(stream, event());
    const followed = follow(store.client.subscribeToAll({ fromPosition: position ?? END }));
    const [first] = await followed.reached(1);
    expect(eventOf(first ?? {})).toMatchObject({ streamId: stream, revision: 1n });
    await followed.stop();
  });

  test("a position whose prepare part is earlier comes before the event there", async () => {
    const stream = newStream();
    const { position = { commit: 0n, prepare: 0n } } = await store.client.appendToStream(stream, event());
    const earlier = { commit: position.commit, prepare: position.prepare - 1n };
    const followed = follow(store.client.subscribeToAll({ fromPosition: earlier }));
    const [first] = await followed.reached(1);
    expect(eventOf(first ?? {})).toMatchObject({ streamId: stream, revision: 0n });
    await followed.stop();
  });

  test("from a position at which no record starts is confirmed, then fails", async () => {
    const stream = newStream();
    const { position = { commit: 0n, prepare: 0n } } = await store.client.appendToStream(stream, event());
    await store.client.appendToStream(stream, event());
    const between = { commit: position.commit + 1n, prepare: position.commit + 1n };
    const log: string[] = [];
    const subscription = store.client.subscribeToAll({ fromPosition: between });
    const failed = new Promise((resolve) => {
      subscription
        .on("confirmation", () => log.push("confirmation"))
        .on("data", () => log.push("data"))
        .on("error", resolve);
    });
    expect(String(await failed)).toContain("Trying to read from an invalid position.");
    expect(log).toEqual(["confirmation"]);
  });

  test("every event arrives once and in order while appends go on", async () => {
    const stream = newStream();
    const followed = follow(store.client.subscribeToAll({ fromPosition: END }));
    await followed.caughtUp();
    await Promise.all(Array.from({ length: 50 }, () => store.client.appendToStream(stream, events(7))));
    const items = await followed.reached(350);
    expect(revisionsOf(items)).toEqual(Array.from({ length: 350 }, (_, index) => BigInt(index)));
    await followed.stop();
  });
});

describe("filtered", () => {
  test("more records without events than one scan looks at do not stop it", async () => {
    const stream = newStream("blank");
    const followed = follow(store.client.subscribeToAll({ filter: streamNameFilter({ prefixes: [stream] }) }));
    await followed.caughtUp();
    const empties = newStream();
    for (let wave = 0; wave < 21; wave += 1) {
      await Promise.all(Array.from({ length: 100 }, () => store.client.appendToStream(empties, [])));
    }
    await store.client.appendToStream(stream, events(3));
    expect(revisionsOf(await followed.reached(3))).toEqual([0n, 1n, 2n]);
    await followed.stop();
  });

  const positionsOf = async (stream: string): Promise<bigint[]> =>
    (await collect(store.client.readStream(stream))).map((resolved) => resolved.commitPosition ?? -1n);

  interface Checkpointed {
    readonly types: string[];
    readonly checkpoints: bigint[];
    /** Those at events of the stream, as their revisions. */
    checkpointsIn(stream: string): Promise<number[]>;
    matched(count: number): Promise<void>;
    stop(): Promise<void>;
    caughtUp(): Promise<void>;
  }
  const start = (
    fromPosition: Position | typeof END,
    type: string,
    maxSearchWindow: number,
    checkpointInterval: number,
  ): Checkpointed => {
    const types: string[] = [];
    const checkpoints: bigint[] = [];
    let caughtUp = false;
    const subscription = store.client.subscribeToAll({
      fromPosition,
      filter: eventTypeFilter({
        prefixes: [type],
        maxSearchWindow,
        checkpointInterval,
        checkpointReached: (_, { commit }) => {
          checkpoints.push(commit);
          return Promise.resolve();
        },
      }),
    });
    subscription.on("data", (item) => types.push(eventOf(item).type)).on("caughtUp", () => (caughtUp = true));
    return {
      types,
      checkpoints,
      checkpointsIn: async (stream) => {
        const positions = await positionsOf(stream);
        return checkpoints.map((at) => positions.indexOf(at)).filter((revision) => revision >= 0);
      },
      matched: (count) =>
        eventually(
          () => types.length >= count,
          () => `${count} events, there were ${types.length}`,
        ),
      stop: () => subscription.unsubscribe(),
      caughtUp: () =>
        eventually(
          () => caughtUp,
          () => "caughtUp",
        ),
    };
  };
  /**
   * Others may write between the moment that a subscriber is live and the next append, and what they write counts, whether
   * it can be read or not, as the checkpoints of groups on `$all` cannot. Then it is tried again, after a longer silence.
   */
  const undisturbed = async <Seen>(expected: Seen, attempt: (silence: number) => Promise<Seen>): Promise<void> => {
    for (let silence = 0; silence < 1000; silence += 100) {
      if (isDeepStrictEqual(await attempt(silence), expected)) return;
    }
    expect(await attempt(1000)).toEqual(expected);
  };

  test("a checkpoint comes with each n-th event considered, live, at that event", async () => {
    await undisturbed([7, 15], async (silence) => {
      await sleep(silence);
      const [stream, type] = [newStream(), newStream("wanted")];
      const followed = start(END, type, 4, 2);
      await followed.caughtUp();
      await store.client.appendToStream(
        stream,
        Array.from({ length: 20 }, (_, index) => event(index === 3 || index === 19 ? type : "other")),
      );
      await followed.matched(2);
      const checkpoints = await followed.checkpointsIn(stream);
      await followed.stop();
      // Whoever has written in between, from one checkpoint to the next there are eight events.
      expect(checkpoints.slice(0, 2)).toEqual([0, 8].map((after) => (checkpoints[0] ?? -1) + after));
      return checkpoints;
    });
  });

  test("what is considered while catching up does not count for those that are live", async () => {
    await undisturbed([1, 13], async (silence) => {
      const [stream, type] = [newStream(), newStream("wanted")];
      const { position } = await store.client.appendToStream(newStream(), event());
      await store.client.appendToStream(stream, [event("other"), event(type), ...events(4, "other")]);
      await sleep(silence);
      const followed = start(position ?? END, type, 8, 1);
      await followed.caughtUp();
      await store.client.appendToStream(stream, [...events(11, "other"), event(type)]);
      await followed.matched(2);
      const checkpoints = await followed.checkpointsIn(stream);
      await followed.stop();
      return checkpoints;
    });
  });

  test("a live subscriber that more than 32 events pass by has not fallen behind", async () => {
    const stream = newStream();
    const followed = follow(
      store.client.subscribeToAll({ fromPosition: END, filter: eventTypeFilter({ prefixes: [stream] }) }),
    );
    await followed.caughtUp();
    await store.client.appendToStream(stream, events(100));
    await store.client.appendToStream(stream, event(stream));
    await followed.reached(1);
    expect(followed.log).toEqual(["caughtUp", "event"]);
    await followed.stop();
  });

  test("a live subscriber that more than 32 matching events come for at once catches up once more, and misses none", async () => {
    const stream = newStream();
    const followed = follow(
      store.client.subscribeToAll({ fromPosition: END, filter: eventTypeFilter({ prefixes: [stream] }) }),
    );
    await followed.caughtUp();
    await store.client.appendToStream(stream, events(200, stream));
    await followed.caughtUp(2);
    expect(revisionsOf(followed.items)).toEqual(Array.from({ length: 200 }, (_, index) => BigInt(index)));
    expect(followed.log.at(-1)).toBe("caughtUp");
    await followed.stop();
  });

  test("a checkpoint comes at the end of catching up, at the last event that matched", async () => {
    const stream = newStream();
    const { position } = await store.client.appendToStream(stream, event());
    await store.client.appendToStream(stream, [event("wanted"), event("other"), event("wanted"), event("other")]);
    const positions = await positionsOf(stream);
    const followed = start(position ?? END, "wanted", 32, 100);
    await eventually(
      () => followed.checkpoints.length >= 1,
      () => "a checkpoint",
    );
    expect(followed.checkpoints).toEqual([positions[3]]);
    await followed.stop();
  });

  /** Positions of one batch, whose events stand together whoever else writes: the first, then a type for each of the rest. */
  const batch = async (
    types: readonly string[],
  ): Promise<{ readonly first: Position; readonly positions: bigint[] }> => {
    const stream = newStream();
    await store.client.appendToStream(stream, [event(), ...types.map((type) => event(type))]);
    const positions = await positionsOf(stream);
    const [first = 0n] = positions;
    return { first: { commit: first, prepare: first }, positions };
  };

  test("in history a checkpoint comes between two windows, at the last event that matched; then one, then caught up", async () => {
    const type = newStream();
    const { first, positions } = await batch(
      Array.from({ length: 40 }, (_, index) => ((index + 1) % 4 === 0 ? type : "other")),
    );
    const log: unknown[] = [];
    const subscription = store.client.subscribeToAll({
      fromPosition: first,
      filter: eventTypeFilter({
        prefixes: [type],
        maxSearchWindow: 8,
        checkpointInterval: 1,
        checkpointReached: (_, { commit }) => {
          log.push(positions.indexOf(commit));
          return Promise.resolve();
        },
      }),
    });
    subscription.on("data", () => undefined).on("caughtUp", () => log.push("caughtUp"));
    await eventually(
      () => log.includes("caughtUp"),
      () => String(log),
    );
    // What others write after that brings checkpoints, too.
    expect(log.slice(0, log.indexOf("caughtUp") + 1)).toEqual([4, 12, 20, 28, 36, 40, "caughtUp"]);
    await subscription.unsubscribe();
  });

  test("in history a window ends with its 32nd match", async () => {
    const type = newStream();
    const { first, positions } = await batch(Array.from({ length: 130 }, () => type));
    const followed = start(first, type, 50, 1);
    await followed.caughtUp();
    const indexes = followed.checkpoints.map((at) => positions.indexOf(at));
    expect(indexes.filter((index) => index >= 0)).toEqual([64, 128, 130]);
    await followed.stop();
  });

  test("from a checkpoint nothing is missed and nothing repeated", async () => {
    const stream = newStream();
    const { position } = await store.client.appendToStream(stream, event());
    await store.client.appendToStream(
      stream,
      Array.from({ length: 40 }, (_, index) => event(index % 2 === 0 ? "wanted" : "other", { index })),
    );
    const followed = start(position ?? END, "wanted", 5, 1);
    await followed.caughtUp();
    const [, at = 0n] = followed.checkpoints;
    await followed.stop();
    const before = (await positionsOf(stream)).filter((one, index) => index > 0 && index % 2 === 1 && one <= at).length;
    const resumed = start({ commit: at, prepare: at }, "wanted", 5, 1);
    await resumed.caughtUp();
    expect(before + resumed.types.length).toBe(20);
    await resumed.stop();
  });

  test("an interval of 0 is refused", () => {
    expect(() =>
      store.client.subscribeToAll({ filter: eventTypeFilter({ prefixes: ["a"], checkpointInterval: 0 }) }),
    ).toThrow("CheckpointInterval");
  });
});

test("a consumer that reads slowly gets everything, and the server keeps little for it", async () => {
  const stream = newStream();
  const large = 100_000;
  for (let batch = 0; batch < 30; batch += 1) {
    await store.client.appendToStream(
      stream,
      Array.from({ length: 10 }, () => bytesEvent(large)),
    );
  }
  const subscription = store.client.subscribeToStream(stream, {}, { highWaterMark: 1 });
  let seen = 0;
  const external: number[] = [];
  for await (const resolved of subscription) {
    seen += 1;
    if (seen % 50 === 0) {
      external.push(process.memoryUsage().external);
      await sleep(20);
    }
    expect(eventOf(resolved).revision).toBe(BigInt(seen - 1));
    if (seen === 300) break;
  }
  expect(seen).toBe(300);
  expect(Math.max(...external)).toBeLessThan(200 * 1024 * 1024);
});

test("a subscription that is left behind by its client leaves the server alone", async () => {
  const stream = newStream();
  const subscriptions = Array.from({ length: 50 }, () => follow(store.client.subscribeToStream(stream)));
  await Promise.all(subscriptions.map((subscription) => subscription.caughtUp()));
  await Promise.all(subscriptions.map((subscription) => subscription.stop()));
  await store.client.appendToStream(stream, event());
  expect(await collect(store.client.readStream(stream))).toHaveLength(1);
});

test("a read that nobody finishes does not hold up others", async () => {
  const stream = newStream();
  await store.client.appendToStream(stream, events(1000));
  const abandoned = store.client.readStream(stream);
  abandoned.on("error", () => undefined);
  const error = rejection(
    (async () => {
      for await (const resolved of abandoned) throw new Error(`stopped at ${eventOf(resolved).revision}`);
    })(),
  );
  expect(await error).toMatchObject({ message: "stopped at 0" });
  expect(await collect(store.client.readStream(stream))).toHaveLength(1000);
});
