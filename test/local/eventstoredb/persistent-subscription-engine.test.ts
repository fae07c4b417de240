/** The rules of a persistent subscription group, one by one, with the time that a test says it is. */
import { describe, expect, test } from "vitest";
import { GroupBench, history, incoming } from "./group-bench.ts";

describe("delivery", () => {
  test("history in order, then live events", () => {
    const bench = new GroupBench({}, undefined, history(3));
    bench.connect("a");
    bench.append();
    expect(bench.payloads).toEqual(["0", "1", "2", "3"]);
  });

  test("no more in flight than the consumer's buffer", () => {
    const bench = new GroupBench({}, undefined, history(10));
    bench.connect("a", 2);
    expect(bench.payloads).toEqual(["0", "1"]);
    bench.ack(0);
    expect(bench.payloads).toEqual(["0", "1", "2"]);
  });

  test("startFrom is inclusive; 'end' takes only what comes later", () => {
    const from = new GroupBench({ startFrom: 2n }, undefined, history(4));
    from.connect("a");
    expect(from.payloads).toEqual(["2", "3"]);
    const end = new GroupBench({ startFrom: "end" }, undefined, history(4));
    end.connect("a");
    end.append();
    expect(end.payloads).toEqual(["4"]);
  });

  test("with a checkpoint startFrom counts no more, and the checkpointed event is not delivered again", () => {
    const bench = new GroupBench({ startFrom: 0n }, 1n, history(4));
    bench.connect("a");
    expect(bench.payloads).toEqual(["2", "3"]);
  });

  test("with a checkpoint a start beyond the end does not keep back what is appended before it", () => {
    const bench = new GroupBench({ startFrom: 1000n }, 1n, history(4));
    bench.connect("a");
    bench.append();
    expect(bench.payloads).toEqual(["2", "3", "4"]);
    const without = new GroupBench({ startFrom: 1000n }, undefined, history(4));
    without.connect("a");
    without.append();
    expect(without.payloads).toEqual([]);
  });

  test("more live events than the buffer holds are read from history later, in order, none twice", () => {
    const bench = new GroupBench({ startFrom: "end", historyBufferSize: 6, readBatchSize: 2, liveBufferSize: 3 });
    for (let count = 0; count < 30; count += 1) bench.append();
    expect(bench.engine.statistics.isLive).toBe(false);
    bench.connect("a", 1);
    for (let count = 0; count < 30; count += 1) bench.ack(count);
    expect(bench.payloads).toEqual(Array.from({ length: 30 }, (_, index) => String(index)));
    expect(bench.engine.statistics.isLive).toBe(true);
  });
});

describe("history and live", () => {
  test("history is asked for while more than a batch fits, a hundred events at most, twenty where the batch is 0", () => {
    const counts = [0, 7, 100, 250].map(
      (readBatchSize) => new GroupBench({ readBatchSize, historyBufferSize: 500, startFrom: 0n }).firstRequest?.count,
    );
    expect(counts).toEqual([20, 7, 100, 100]);
    const bench = new GroupBench({ readBatchSize: 5, historyBufferSize: 12 }, undefined, history(30));
    expect(bench.engine.statistics.readBufferCount).toBe(10);
    bench.connect("a", 2);
    expect(bench.engine.statistics.readBufferCount).toBe(8);
    bench.ack(0);
    expect(bench.engine.statistics.readBufferCount).toBe(7);
    bench.ack(1);
    expect(bench.engine.statistics.readBufferCount).toBe(11);
  });

  test("messages that wait for a retry take room too", () => {
    const bench = new GroupBench({ readBatchSize: 5, historyBufferSize: 12 }, undefined, history(30));
    bench.connect("a", 10);
    expect(bench.engine.statistics.readBufferCount).toBe(10);
    bench.disconnect("a");
    bench.connect("b", 10);
    expect(bench.engine.statistics).toMatchObject({ retryBufferCount: 0, readBufferCount: 10 });
  });

  test("events since the group is live are counted, up to liveBufferSize", () => {
    const bench = new GroupBench({ startFrom: "end", liveBufferSize: 3 });
    bench.connect("a");
    const counts = [1, 2, 3, 4].map(() => {
      bench.append();
      return bench.engine.statistics.liveBufferCount;
    });
    expect(counts).toEqual([1, 2, 3, 3]);
  });

  test("with a full buffer the group falls behind, and is live once history meets what waits", () => {
    const bench = new GroupBench({ startFrom: "end", readBatchSize: 1, historyBufferSize: 3, liveBufferSize: 2 });
    for (let count = 0; count < 3; count += 1) bench.append();
    expect(bench.engine.statistics).toMatchObject({ isLive: true, readBufferCount: 3 });
    bench.append();
    bench.append();
    expect(bench.engine.statistics).toMatchObject({ isLive: false, readBufferCount: 3, liveBufferCount: 2 });
    bench.connect("a", 2);
    expect(bench.engine.statistics).toMatchObject({ isLive: true, readBufferCount: 3, liveBufferCount: 0 });
    bench.ack(0, 1, 2);
    bench.ack(3, 4);
    expect(bench.payloads).toEqual(["0", "1", "2", "3", "4"]);
  });

  test("the live queue forgets its oldest, which history brings", () => {
    const bench = new GroupBench({ startFrom: "end", readBatchSize: 1, historyBufferSize: 2, liveBufferSize: 1 });
    for (let count = 0; count < 8; count += 1) bench.append();
    expect(bench.engine.statistics).toMatchObject({ isLive: false, readBufferCount: 2, liveBufferCount: 1 });
    bench.connect("a", 1);
    for (let count = 0; count < 8; count += 1) bench.ack(count);
    expect(bench.payloads).toEqual(history(8).map(({ payload }) => payload));
    expect(bench.engine.statistics.isLive).toBe(true);
  });
});

describe("retries", () => {
  test("an unacknowledged message comes again at the first tick after its time-out, with its count raised", () => {
    const bench = new GroupBench({ messageTimeout: 1500 }, undefined, history(1));
    bench.connect("a");
    bench.tick();
    expect(bench.deliveries).toHaveLength(1);
    bench.tick();
    expect(bench.deliveries[1]).toEqual({ consumer: "a", payload: "0", retryCount: 1 });
  });

  test("a time-out of 0 expires at the next tick", () => {
    const bench = new GroupBench({ messageTimeout: 0 }, undefined, history(1));
    bench.connect("a");
    bench.tick();
    expect(bench.deliveries.map(({ retryCount }) => retryCount)).toEqual([0, 1]);
  });

  test("after maxRetryCount retries the message is parked with the reason", () => {
    const bench = new GroupBench({ maxRetryCount: 2 }, undefined, history(1));
    bench.connect("a");
    bench.tick(3);
    expect(bench.deliveries.map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
    expect(bench.parked.map(({ reason }) => reason)).toEqual(["Reached retry count of 2"]);
    bench.tick(3);
    expect(bench.deliveries).toHaveLength(3);
  });

  test("a maxRetryCount of 0 parks at the first retry", () => {
    const bench = new GroupBench({ maxRetryCount: 0 }, undefined, history(1));
    bench.connect("a");
    bench.nack("retry", 0);
    expect(bench.parked.map(({ reason }) => reason)).toEqual(["Reached retry count of 0"]);
  });

  test("nack retry comes again at once, before what waits; park, skip and stop do not come again", () => {
    const bench = new GroupBench({}, undefined, history(5));
    bench.connect("a", 4);
    bench.nack("retry", 1);
    expect(bench.deliveries.at(-1)).toEqual({ consumer: "a", payload: "1", retryCount: 1 });
    bench.nack("park", 0);
    bench.nack("skip", 2);
    bench.nack("stop", 3);
    bench.tick(1);
    expect(bench.payloads.filter((payload) => ["0", "2", "3"].includes(payload))).toHaveLength(3);
    expect(bench.parked.map(({ reason }) => reason)).toEqual(["Client explicitly NAK'ed message.\nbecause"]);
  });

  test("a late acknowledgement of a message that waits to be sent again does not stop it", () => {
    const bench = new GroupBench({ maxRetryCount: 10 }, undefined, history(1));
    bench.connect("a", 1);
    bench.disconnect("a");
    bench.ack(0);
    bench.connect("b");
    expect(bench.deliveries.at(-1)).toEqual({ consumer: "b", payload: "0", retryCount: 1 });
  });

  test("what a consumer leaves behind goes to the next in order, with the count raised and never parked", () => {
    const bench = new GroupBench({ maxRetryCount: 0 }, undefined, history(4));
    bench.connect("a");
    bench.disconnect("a");
    bench.connect("b");
    expect(bench.deliveries.slice(4)).toEqual(
      ["0", "1", "2", "3"].map((payload) => ({ consumer: "b", payload, retryCount: 1 })),
    );
    expect(bench.parked).toEqual([]);
  });

  test("a message that could not be parked is delivered again rather than lost", () => {
    const bench = new GroupBench({ maxRetryCount: 0 }, undefined, history(1));
    bench.connect("a");
    bench.nack("park", 0);
    const [parked] = bench.parked;
    if (parked === undefined) throw new Error("Nothing was parked.");
    bench.engine.parkFailed(parked.message, bench.now);
    expect(bench.payloads).toEqual(["0", "0"]);
  });

  test("retries and replays wait in one list: by position among events, a replay where it came", () => {
    const bench = new GroupBench({ maxRetryCount: 9 }, undefined, history(4));
    bench.connect("a", 4);
    bench.replay("p0");
    bench.disconnect("a");
    bench.replay("p1");
    bench.connect("b", 100);
    expect(bench.sentTo("b")).toEqual(["p0", "0", "1", "2", "3", "p1"]);
    bench.nack("retry", 1);
    expect(bench.deliveries.at(-1)).toEqual({ consumer: "b", payload: "1", retryCount: 1 + 1 });
  });

  test("an event that comes back goes before the first later one, past replays in between", () => {
    const bench = new GroupBench({ maxRetryCount: 9, startFrom: "end" });
    bench.connect("early", 1);
    bench.append();
    bench.connect("late", 1);
    bench.append();
    bench.disconnect("late");
    bench.replay("p");
    bench.disconnect("early");
    bench.connect("all");
    expect(bench.sentTo("all")).toEqual(["0", "1", "p"]);
  });

  test("what a consumer leaves behind comes back by revision, replays by that of their links", () => {
    const bench = new GroupBench({ maxRetryCount: 9, startFrom: "end" });
    bench.connect("a");
    bench.append();
    bench.append();
    bench.ack(0);
    bench.replay("p0", "p1", "p2");
    bench.append();
    bench.disconnect("a");
    bench.connect("b");
    expect(bench.sentTo("b")).toEqual(["p0", "1", "p1", "p2", "2"]);
    expect(bench.deliveries.slice(-5).map(({ retryCount }) => retryCount)).toEqual([1, 1, 1, 1, 1]);
  });

  describe("two events with one id in flight", () => {
    const twins = [incoming(0), { ...incoming(1), id: "id-0" }, incoming(2)];

    test("the second is sent, takes a place, and is not expected back", () => {
      const bench = new GroupBench({ maxRetryCount: 9 }, undefined, twins);
      bench.connect("a");
      expect(bench.payloads).toEqual(["0", "1", "2"]);
      const [consumer] = bench.engine.consumers;
      expect([consumer?.available, consumer?.inFlightCount]).toEqual([7, 2]);
      bench.ack(0, 2);
      bench.tick(5);
      expect(bench.payloads).toEqual(["0", "1", "2"]);
      expect(bench.checkpoints.at(-1)).toBe(2n);
      expect([consumer?.available, consumer?.inFlightCount]).toEqual([10, 0]);
    });

    test("the second comes again if its own consumer leaves", () => {
      const bench = new GroupBench({ maxRetryCount: 9 }, undefined, twins.slice(0, 2));
      bench.connect("a", 1);
      bench.connect("b", 1);
      bench.disconnect("b");
      bench.connect("c", 1);
      expect(bench.deliveries).toEqual([
        { consumer: "a", payload: "0", retryCount: 0 },
        { consumer: "b", payload: "1", retryCount: 0 },
        { consumer: "c", payload: "1", retryCount: 1 },
      ]);
    });
  });
});

describe("checkpoints", () => {
  test("stand before the first event that is still owed", () => {
    const bench = new GroupBench({ maxCheckPointCount: 1 }, undefined, history(5));
    bench.connect("a");
    bench.ack(2, 3);
    expect(bench.checkpoints).toEqual([]);
    bench.ack(0);
    expect(bench.checkpoints).toEqual([0n]);
    bench.ack(1);
    expect(bench.checkpoints).toEqual([0n, 3n]);
  });

  test("by count as soon as maxCheckPointCount are done", () => {
    const bench = new GroupBench({ maxCheckPointCount: 3, minCheckPointCount: 3 }, undefined, history(7));
    bench.connect("a");
    for (let position = 0; position < 7; position += 1) bench.ack(position);
    expect(bench.checkpoints).toEqual([2n, 5n]);
  });

  test("by time at a tick, when minCheckPointCount are done and checkPointAfter has passed since the last one", () => {
    const bench = new GroupBench({ minCheckPointCount: 2, checkPointAfter: 3000 }, undefined, history(6));
    bench.connect("a");
    bench.ack(0);
    bench.tick();
    expect(bench.checkpoints).toEqual([]);
    bench.ack(1);
    bench.tick();
    expect(bench.checkpoints).toEqual([1n]);
    bench.ack(2, 3, 4, 5);
    bench.tick(2);
    expect(bench.checkpoints).toEqual([1n]);
    bench.tick();
    expect(bench.checkpoints).toEqual([1n, 5n]);
  });

  test("a checkPointAfter of 0 writes none for their age", () => {
    const bench = new GroupBench({ checkPointAfter: 0 }, undefined, history(3));
    bench.connect("a");
    bench.ack(0, 1, 2);
    bench.tick(100);
    expect(bench.checkpoints).toEqual([]);
  });

  test("events that the filter leaves out move it too, but never past what is owed", () => {
    const bench = new GroupBench({ startFrom: "end", maxCheckPointCount: 2 });
    bench.connect("a", 1);
    bench.append();
    bench.append("s", true);
    bench.append("s", true);
    expect(bench.checkpoints).toEqual([]);
    bench.ack(0);
    expect(bench.checkpoints).toEqual([2n]);
  });

  test("a message that is being parked is owed until it is on disk", () => {
    const bench = new GroupBench({ maxCheckPointCount: 1 }, undefined, history(2));
    bench.connect("a");
    bench.nack("park", 0);
    bench.ack(1);
    expect(bench.checkpoints).toEqual([]);
    bench.finishParking();
    expect(bench.checkpoints).toEqual([1n]);
  });

  test("replayed parked messages move none", () => {
    const bench = new GroupBench({ maxCheckPointCount: 1, maxRetryCount: 1 }, undefined, history(1));
    bench.replay("parked");
    bench.connect("a");
    expect(bench.payloads).toEqual(["parked", "0"]);
    bench.ack("parked");
    expect(bench.checkpoints).toEqual([]);
    bench.ack(0);
    expect(bench.checkpoints).toEqual([0n]);
  });
});
