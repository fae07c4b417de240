/** Which consumer a group sends a message to, and what it tells about consumers. */
import { describe, expect, test } from "vitest";
import { Measurements } from "../../../local/eventstoredb/persistent-subscriptions/measurements.ts";
import { Rates } from "../../../local/eventstoredb/persistent-subscriptions/rates.ts";
import { streamHash } from "../../../local/eventstoredb/persistent-subscriptions/stream-hash.ts";
import { GroupBench, history } from "./group-bench.ts";

describe("RoundRobin", () => {
  test("takes turns and passes over who is full", () => {
    const bench = new GroupBench({}, undefined, history(6));
    bench.connect("a", 1);
    bench.connect("b", 10);
    expect(bench.deliveries.map(({ consumer }) => consumer)).toEqual(["a", "b", "b", "b", "b", "b"]);
  });

  test("whoever was passed over has had its turn", () => {
    const bench = new GroupBench({ startFrom: "end" });
    bench.connect("a", 1);
    bench.connect("b", 9);
    bench.connect("c", 9);
    for (let count = 0; count < 4; count += 1) bench.append();
    bench.ack(0);
    bench.append();
    bench.append();
    expect(bench.deliveries.map(({ consumer }) => consumer).join("")).toBe("abcbca");
  });
});

describe("DispatchToSingle", () => {
  test("stays with one until it is full, and then with the next", () => {
    const bench = new GroupBench({ consumerStrategy: "DispatchToSingle", startFrom: "end" });
    bench.connect("a", 2);
    bench.connect("b", 2);
    for (let count = 0; count < 3; count += 1) bench.append();
    bench.ack(0, 1);
    bench.append();
    bench.append();
    expect(bench.deliveries.map(({ consumer }) => consumer).join("")).toBe("aabba");
  });
});

describe("Pinned", () => {
  /** Streams of different buckets, the lowest bucket first. */
  const streams = ["a", "b", "c", "d", "e", "f"].sort(
    (one, other) => (streamHash(one) % 1024) - (streamHash(other) % 1024),
  );
  const pinned = (): GroupBench => new GroupBench({ consumerStrategy: "Pinned", startFrom: "end" });
  const appendTo = (bench: GroupBench, indexes: readonly number[]): string => {
    const before = bench.deliveries.length;
    for (const index of indexes) bench.append(streams[index]);
    return bench.deliveries
      .slice(before)
      .map(({ consumer }) => consumer)
      .join("");
  };

  test("gives a new bucket to the consumer that has fewest, and keeps it there", () => {
    const bench = pinned();
    bench.connect("A", 100);
    bench.connect("B", 100);
    expect(appendTo(bench, [0, 1, 2, 0, 1, 2, 2, 1, 0, 3])).toBe("ABAABAABAB");
  });

  test("lets other streams overtake where a stream's consumer is full", () => {
    const bench = pinned();
    bench.connect("A", 1);
    bench.connect("B", 10);
    expect(appendTo(bench, [0, 1, 0, 1, 0, 1])).toBe("ABBB");
    bench.ack(0);
    expect(bench.deliveries.at(-1)).toEqual({ consumer: "A", payload: "2", retryCount: 0 });
  });

  test("a newcomer takes what is above an even share, idle buckets first", () => {
    const bench = pinned();
    bench.connect("A", 100);
    appendTo(bench, [0, 1, 2, 3]);
    bench.ack(1, 3);
    bench.connect("B", 100);
    expect(appendTo(bench, [0, 1, 2, 3])).toBe("ABAB");
  });

  test("and takes none from who has no more than the share, rounded up", () => {
    const bench = pinned();
    bench.connect("A", 100);
    appendTo(bench, [0, 1, 2]);
    bench.ack(0, 1, 2);
    bench.connect("B", 100);
    expect(appendTo(bench, [0, 1, 2])).toBe("BAA");
  });

  test("the buckets of who leaves go to the others as they are needed", () => {
    const bench = pinned();
    bench.connect("A", 100);
    bench.connect("B", 100);
    expect(appendTo(bench, [0, 1, 2, 3])).toBe("ABAB");
    bench.disconnect("A");
    expect(bench.sentTo("B")).toEqual(["1", "3", "0", "2"]);
    expect(appendTo(bench, [0, 1, 2, 3])).toBe("BBBB");
    bench.connect("C", 100);
    expect(appendTo(bench, [0, 1, 2, 3, 4, 5])).toBe("CCBBBC");
  });

  test("hashes streams as the real server does", () => {
    const names = ["", "a", "abc", "order-1", "order-12", "order-123", "strëam-with-ä-long-name-0123456789"];
    expect(names.map(streamHash)).toEqual([
      0x02cc5d05, 0xe4dbda76, 0xceb21450, 0xfb6d8c2b, 0x941930ad, 0x133ca84e, 0xff348a19,
    ]);
  });
});

test("consumers are listed as they came; a newcomer takes the place that became free last", () => {
  const bench = new GroupBench();
  for (const id of ["a", "b", "c", "d"]) bench.connect(id);
  bench.disconnect("b");
  bench.disconnect("c");
  for (const id of ["e", "f", "g"]) bench.connect(id);
  expect(bench.engine.consumers.map(({ connection }) => connection.id)).toEqual(["a", "f", "e", "d", "g"]);
});

test("measurements are whole milliseconds of the last thousand acknowledgements", () => {
  const measurements = new Measurements();
  expect(measurements.summary()).toEqual([]);
  for (let value = 1100; value > 0; value -= 1) measurements.add(value + 0.9);
  expect(measurements.summary()).toEqual([
    { key: "Mean", value: 500 },
    { key: "Median", value: 501 },
    { key: "Fastest", value: 1 },
    { key: "Quintile 1", value: 1 },
    { key: "Quintile 2", value: 201 },
    { key: "Quintile 3", value: 401 },
    { key: "Quintile 4", value: 601 },
    { key: "Quintile 5", value: 801 },
    { key: "90%", value: 901 },
    { key: "95%", value: 951 },
    { key: "99%", value: 991 },
    { key: "99.5%", value: 996 },
    { key: "99.9%", value: 1000 },
    { key: "Highest", value: 1000 },
  ]);
});

test("rates are over the time since the group was last asked about, also of who came in between", () => {
  let now = 1000;
  const rates = new Rates(() => now);
  const group = { startedAt: 0 };
  const consumer = {};
  const first = rates.since(group);
  expect([first(group, 10), first(consumer, 5)]).toEqual([
    { count: 10, perSecond: 10 },
    { count: 5, perSecond: 5 },
  ]);
  now += 2000;
  const second = rates.since(group);
  expect([second(group, 15), second({}, 3)]).toEqual([
    { count: 5, perSecond: 2 },
    { count: 3, perSecond: 1 },
  ]);
});
