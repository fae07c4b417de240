/**
 * The persistent subscription engine alone: simulated time, and random schedules of events, consumers, acknowledgements
 * and ticks that must never break what it promises.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GroupEngine, type HistoryEntry } from "../../../local/eventstoredb/persistent-subscriptions/engine.ts";
import type { IncomingEvent, Message } from "../../../local/eventstoredb/persistent-subscriptions/message.ts";
import type { GroupSettings } from "../../../local/eventstoredb/persistent-subscriptions/settings.ts";
import { streamHash } from "../../../local/eventstoredb/persistent-subscriptions/stream-hash.ts";

const settings: GroupSettings = {
  resolveLinkTos: false,
  startFrom: 0n,
  extraStatistics: false,
  messageTimeout: 1000,
  maxRetryCount: 2,
  checkPointAfter: 2000,
  minCheckPointCount: 1,
  maxCheckPointCount: 1000,
  maxSubscriberCount: 0,
  liveBufferSize: 10,
  readBatchSize: 5,
  historyBufferSize: 20,
  consumerStrategy: "RoundRobin",
};

const incoming = (position: number, source = "s"): IncomingEvent<string> => ({
  id: `id-${position}`,
  position: BigInt(position),
  revision: BigInt(position),
  source,
  payload: String(position),
});

interface Delivery {
  readonly consumer: string;
  readonly payload: string;
  readonly retryCount: number;
}

/** A log of events, a group on it, and what came out. */
class Bench {
  readonly deliveries: Delivery[] = [];
  readonly checkpoints: bigint[] = [];
  readonly parked: { readonly message: Message<string>; readonly reason: string }[] = [];
  readonly log: IncomingEvent<string>[] = [];
  readonly skipped = new Set<bigint>();
  readonly engine: GroupEngine<string>;
  now = 0;

  constructor(changes: Partial<GroupSettings> = {}, checkpoint?: bigint, log: readonly IncomingEvent<string>[] = []) {
    this.log.push(...log);
    this.engine = new GroupEngine<string>({ ...settings, ...changes }, checkpoint, {
      checkpoint: (position) => this.checkpoints.push(position),
      park: (message, reason) => this.parked.push({ message, reason }),
    });
    this.pull();
  }

  /** Answers history requests as the log would, a page at a time. */
  pull(): void {
    for (let request = this.engine.historyRequest(); request !== undefined; request = this.engine.historyRequest()) {
      const from = (request.from ?? 0n) + (request.exclusive ? 1n : 0n);
      const rest = this.log.filter((event) => event.position >= from);
      const page = rest.slice(0, request.count);
      const last = page.at(-1);
      const isEnd = page.length === rest.length;
      const entries = page.map((event): HistoryEntry<string> =>
        this.skipped.has(event.position)
          ? { kind: "skipped", position: event.position, count: 1 }
          : { kind: "event", event },
      );
      this.engine.historyRead(entries, last === undefined ? from : last.position + 1n, isEnd, this.now);
      if (isEnd && !this.engine.statistics.isLive) break;
    }
  }

  append(source = "s", skipped = false): void {
    const event = incoming(this.log.length, source);
    this.log.push(event);
    if (skipped) {
      this.skipped.add(event.position);
      this.engine.liveSkipped(event.position, this.now);
    } else this.engine.liveEvent(event, this.now);
    this.pull();
  }

  connect(id: string, bufferSize = 10): void {
    this.engine.addConsumer(
      {
        id,
        bufferSize,
        deliver: (payload, retryCount) => this.deliveries.push({ consumer: id, payload, retryCount }),
      },
      this.now,
    );
    this.pull();
  }

  disconnect(id: string): void {
    this.engine.removeConsumer(id, this.now);
    this.pull();
  }

  ack(...positions: number[]): void {
    this.engine.ack(
      positions.map((position) => `id-${position}`),
      this.now,
    );
    this.pull();
  }

  nack(action: "retry" | "park" | "skip" | "stop", ...positions: number[]): void {
    this.engine.nack(
      positions.map((position) => `id-${position}`),
      action,
      "because",
      this.now,
    );
    this.pull();
  }

  tick(seconds = 1): void {
    for (let second = 0; second < seconds; second += 1) {
      this.now += 1000;
      this.engine.tick(this.now);
      this.pull();
    }
  }

  finishParking(): void {
    for (const { message } of this.parked.splice(0)) this.engine.parked(message, this.now);
  }

  get payloads(): string[] {
    return this.deliveries.map(({ payload }) => payload);
  }
}

const history = (count: number): IncomingEvent<string>[] =>
  Array.from({ length: count }, (_, index) => incoming(index));

describe("delivery", () => {
  test("history in order, then live events", () => {
    const bench = new Bench({}, undefined, history(3));
    bench.connect("a");
    bench.append();
    expect(bench.payloads).toEqual(["0", "1", "2", "3"]);
  });

  test("no more in flight than the consumer's buffer", () => {
    const bench = new Bench({}, undefined, history(10));
    bench.connect("a", 2);
    expect(bench.payloads).toEqual(["0", "1"]);
    bench.ack(0);
    expect(bench.payloads).toEqual(["0", "1", "2"]);
  });

  test("startFrom is inclusive; 'end' takes only what comes later", () => {
    const from = new Bench({ startFrom: 2n }, undefined, history(4));
    from.connect("a");
    expect(from.payloads).toEqual(["2", "3"]);
    const end = new Bench({ startFrom: "end" }, undefined, history(4));
    end.connect("a");
    end.append();
    expect(end.payloads).toEqual(["4"]);
  });

  test("with a checkpoint startFrom counts no more, and the checkpointed event is not delivered again", () => {
    const bench = new Bench({ startFrom: 0n }, 1n, history(4));
    bench.connect("a");
    expect(bench.payloads).toEqual(["2", "3"]);
  });

  test("RoundRobin takes turns and passes over who is full", () => {
    const bench = new Bench({}, undefined, history(6));
    bench.connect("a", 1);
    bench.connect("b", 10);
    expect(bench.deliveries.map(({ consumer }) => consumer)).toEqual(["a", "b", "b", "b", "b", "b"]);
  });

  test("DispatchToSingle stays with one until it is full", () => {
    const bench = new Bench({ consumerStrategy: "DispatchToSingle", startFrom: "end" });
    bench.connect("a", 2);
    bench.connect("b", 2);
    for (let count = 0; count < 3; count += 1) bench.append();
    expect(bench.deliveries.map(({ consumer }) => consumer)).toEqual(["a", "a", "b"]);
  });

  test("Pinned keeps a stream with one consumer, and lets other streams overtake where that one is full", () => {
    const bench = new Bench({ consumerStrategy: "Pinned", startFrom: "end" });
    bench.connect("a", 1);
    bench.connect("b", 10);
    for (const source of ["x", "y", "x", "y", "x", "y"]) bench.append(source);
    const ofX = bench.deliveries.find(({ payload }) => payload === "0")?.consumer;
    const consumers = new Map(bench.deliveries.map(({ payload, consumer }) => [payload, consumer]));
    const full = ofX === "a" ? ["2", "4"] : ["3", "5"];
    expect(full.map((payload) => consumers.get(payload))).toEqual([undefined, undefined]);
    bench.ack(ofX === "a" ? 0 : 1);
    expect(bench.deliveries.at(-1)).toEqual({ consumer: "a", payload: full[0], retryCount: 0 });
  });

  test("more live events than the buffer holds are read from history later, in order, none twice", () => {
    const bench = new Bench({ startFrom: "end", historyBufferSize: 6, readBatchSize: 2, liveBufferSize: 3 });
    for (let count = 0; count < 30; count += 1) bench.append();
    expect(bench.engine.statistics.isLive).toBe(false);
    bench.connect("a", 1);
    for (let count = 0; count < 30; count += 1) bench.ack(count);
    expect(bench.payloads).toEqual(Array.from({ length: 30 }, (_, index) => String(index)));
    expect(bench.engine.statistics.isLive).toBe(true);
  });
});

describe("retries", () => {
  test("an unacknowledged message comes again at the first tick after its time-out, with its count raised", () => {
    const bench = new Bench({ messageTimeout: 1500 }, undefined, history(1));
    bench.connect("a");
    bench.tick();
    expect(bench.deliveries).toHaveLength(1);
    bench.tick();
    expect(bench.deliveries[1]).toEqual({ consumer: "a", payload: "0", retryCount: 1 });
  });

  test("a time-out of 0 expires at the next tick", () => {
    const bench = new Bench({ messageTimeout: 0 }, undefined, history(1));
    bench.connect("a");
    bench.tick();
    expect(bench.deliveries.map(({ retryCount }) => retryCount)).toEqual([0, 1]);
  });

  test("after maxRetryCount retries the message is parked with the reason", () => {
    const bench = new Bench({ maxRetryCount: 2 }, undefined, history(1));
    bench.connect("a");
    bench.tick(3);
    expect(bench.deliveries.map(({ retryCount }) => retryCount)).toEqual([0, 1, 2]);
    expect(bench.parked.map(({ reason }) => reason)).toEqual(["Reached retry count of 2"]);
    bench.tick(3);
    expect(bench.deliveries).toHaveLength(3);
  });

  test("a maxRetryCount of 0 parks at the first retry", () => {
    const bench = new Bench({ maxRetryCount: 0 }, undefined, history(1));
    bench.connect("a");
    bench.nack("retry", 0);
    expect(bench.parked.map(({ reason }) => reason)).toEqual(["Reached retry count of 0"]);
  });

  test("nack retry comes again at once, before what waits; park, skip and stop do not come again", () => {
    const bench = new Bench({}, undefined, history(5));
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
    const bench = new Bench({ maxRetryCount: 10 }, undefined, history(1));
    bench.connect("a", 1);
    bench.disconnect("a");
    bench.ack(0);
    bench.connect("b");
    expect(bench.deliveries.at(-1)).toEqual({ consumer: "b", payload: "0", retryCount: 1 });
  });

  test("what a consumer leaves behind goes to the next in order, with the count raised and never parked", () => {
    const bench = new Bench({ maxRetryCount: 0 }, undefined, history(4));
    bench.connect("a");
    bench.disconnect("a");
    bench.connect("b");
    expect(bench.deliveries.slice(4)).toEqual(
      ["0", "1", "2", "3"].map((payload) => ({ consumer: "b", payload, retryCount: 1 })),
    );
    expect(bench.parked).toEqual([]);
  });

  test("a message that could not be parked is delivered again rather than lost", () => {
    const bench = new Bench({ maxRetryCount: 0 }, undefined, history(1));
    bench.connect("a");
    bench.nack("park", 0);
    const [parked] = bench.parked;
    if (parked === undefined) throw new Error("Nothing was parked.");
    bench.engine.parkFailed(parked.message, bench.now);
    expect(bench.payloads).toEqual(["0", "0"]);
  });

  test("two events with one id in flight: the second is sent, and not expected back", () => {
    const twins = [incoming(0), { ...incoming(1), id: "id-0" }, incoming(2)];
    const bench = new Bench({ maxRetryCount: 9 }, undefined, twins);
    bench.connect("a");
    expect(bench.payloads).toEqual(["0", "1", "2"]);
    bench.ack(0, 2);
    bench.tick(5);
    expect(bench.payloads).toEqual(["0", "1", "2"]);
    expect(bench.checkpoints.at(-1)).toBe(2n);
  });
});

describe("checkpoints", () => {
  test("stand before the first event that is still owed", () => {
    const bench = new Bench({ maxCheckPointCount: 1 }, undefined, history(5));
    bench.connect("a");
    bench.ack(2, 3);
    expect(bench.checkpoints).toEqual([]);
    bench.ack(0);
    expect(bench.checkpoints).toEqual([0n]);
    bench.ack(1);
    expect(bench.checkpoints).toEqual([0n, 3n]);
  });

  test("by count as soon as maxCheckPointCount are done", () => {
    const bench = new Bench({ maxCheckPointCount: 3, minCheckPointCount: 3 }, undefined, history(7));
    bench.connect("a");
    for (let position = 0; position < 7; position += 1) bench.ack(position);
    expect(bench.checkpoints).toEqual([2n, 5n]);
  });

  test("by time at a tick, when minCheckPointCount are done and checkPointAfter has passed since the last one", () => {
    const bench = new Bench({ minCheckPointCount: 2, checkPointAfter: 3000 }, undefined, history(6));
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
    const bench = new Bench({ checkPointAfter: 0 }, undefined, history(3));
    bench.connect("a");
    bench.ack(0, 1, 2);
    bench.tick(100);
    expect(bench.checkpoints).toEqual([]);
  });

  test("events that the filter leaves out move it too, but never past what is owed", () => {
    const bench = new Bench({ startFrom: "end", maxCheckPointCount: 2 });
    bench.connect("a", 1);
    bench.append();
    bench.append("s", true);
    bench.append("s", true);
    expect(bench.checkpoints).toEqual([]);
    bench.ack(0);
    expect(bench.checkpoints).toEqual([2n]);
  });

  test("a message that is being parked is owed until it is on disk", () => {
    const bench = new Bench({ maxCheckPointCount: 1 }, undefined, history(2));
    bench.connect("a");
    bench.nack("park", 0);
    bench.ack(1);
    expect(bench.checkpoints).toEqual([]);
    bench.finishParking();
    expect(bench.checkpoints).toEqual([1n]);
  });

  test("replayed parked messages come after retries, and move none", () => {
    const bench = new Bench({ maxCheckPointCount: 1, maxRetryCount: 1 }, undefined, history(1));
    bench.engine.replay({ id: "parked", revision: 0n, source: "s", payload: "parked" }, 0);
    bench.connect("a");
    expect(bench.payloads).toEqual(["parked", "0"]);
    bench.engine.ack(["parked"], 0);
    expect(bench.checkpoints).toEqual([]);
    bench.ack(0);
    expect(bench.checkpoints).toEqual([0n]);
  });
});

describe("random schedules", () => {
  type Step =
    | { readonly kind: "append"; readonly source: string; readonly skipped: boolean }
    | { readonly kind: "connect"; readonly consumer: string; readonly bufferSize: number }
    | { readonly kind: "disconnect"; readonly consumer: string }
    | { readonly kind: "ack" | "retry" | "park"; readonly pick: number }
    | { readonly kind: "tick" }
    | { readonly kind: "parked" };
  const consumers = ["a", "b", "c"];
  const consumer = fc.constantFrom(...consumers);
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        source: fc.constantFrom("x", "y", "z"),
        skipped: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("connect" as const),
        consumer,
        bufferSize: fc.integer({ min: 1, max: 5 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("disconnect" as const), consumer }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constantFrom("ack" as const, "ack" as const, "retry" as const, "park" as const),
        pick: fc.nat(50),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ kind: "tick" } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: "parked" } as const) },
  );
  const groupSettings = fc.record({
    consumerStrategy: fc.constantFrom("RoundRobin" as const, "DispatchToSingle" as const, "Pinned" as const),
    startFrom: fc.constantFrom("end" as const, 0n),
    historyBufferSize: fc.integer({ min: 3, max: 12 }),
    readBatchSize: fc.integer({ min: 1, max: 2 }),
    liveBufferSize: fc.integer({ min: 0, max: 4 }),
    maxRetryCount: fc.integer({ min: 0, max: 3 }),
    minCheckPointCount: fc.integer({ min: 0, max: 4 }),
    maxCheckPointCount: fc.integer({ min: 1, max: 6 }),
    messageTimeout: fc.constantFrom(0, 1000, 5000),
  });

  test("nothing is lost, buffers are kept, and no checkpoint passes an event that is owed", () => {
    fc.assert(
      fc.property(
        groupSettings,
        fc.array(step, { maxLength: 120, size: "max" }),
        fc.integer({ min: 0, max: 10 }),
        (changes, steps, before) => {
          const bench = new Bench(changes, undefined, history(before));
          const done = new Set<string>();
          const connected = new Map<string, number>();
          const owedFrom = changes.startFrom === "end" ? BigInt(before) : 0n;
          const wanted = () => bench.log.filter(({ position }) => position >= owedFrom && !bench.skipped.has(position));

          const check = (): void => {
            for (const one of bench.engine.consumers) {
              expect(one.inFlight.length).toBeLessThanOrEqual(connected.get(one.connection.id) ?? 0);
            }
            const checkpoint = bench.checkpoints.at(-1);
            if (checkpoint !== undefined) {
              const passed = wanted().filter(({ position, id }) => position <= checkpoint && !done.has(id));
              expect(passed).toEqual([]);
            }
            expect(bench.checkpoints).toEqual([...bench.checkpoints].sort((one, other) => Number(one - other)));
          };
          const inFlight = (): string[] => bench.engine.consumers.flatMap((one) => one.inFlight.map(({ id }) => id));
          const finishParking = (): void => {
            for (const { message } of bench.parked) done.add(message.id);
            bench.finishParking();
          };

          for (const one of steps) {
            switch (one.kind) {
              case "append":
                bench.append(one.source, one.skipped);
                break;
              case "connect":
                if (connected.has(one.consumer)) break;
                connected.set(one.consumer, one.bufferSize);
                bench.connect(one.consumer, one.bufferSize);
                break;
              case "disconnect":
                connected.delete(one.consumer);
                bench.disconnect(one.consumer);
                break;
              case "tick":
                bench.tick();
                break;
              case "parked":
                finishParking();
                break;
              default: {
                const ids = inFlight();
                const id = ids[one.pick % Math.max(1, ids.length)];
                if (id === undefined) break;
                if (one.kind === "ack") {
                  done.add(id);
                  bench.engine.ack([id], bench.now);
                } else bench.engine.nack([id], one.kind, "", bench.now);
                bench.pull();
              }
            }
            check();
          }
          if (connected.size === 0) {
            connected.set("a", 3);
            bench.connect("a", 3);
          }
          for (let round = 0; round < 2000 && done.size < wanted().length; round += 1) {
            for (const id of inFlight()) done.add(id);
            bench.engine.ack(inFlight(), bench.now);
            bench.pull();
            finishParking();
          }
          check();
          expect([...done].sort()).toEqual(
            wanted()
              .map(({ id }) => id)
              .sort(),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("a group that starts again from its last checkpoint delivers everything that was not done", () => {
    fc.assert(
      fc.property(
        groupSettings,
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.nat(30), { maxLength: 60, size: "max" }),
        (changes, count, picks) => {
          const first = new Bench({ ...changes, startFrom: 0n }, undefined, history(count));
          const done = new Set<string>();
          first.connect("a", 5);
          for (const pick of picks) {
            const ids = first.engine.consumers.flatMap((one) => one.inFlight.map(({ id }) => id));
            const id = ids[pick % Math.max(1, ids.length)];
            if (id === undefined) continue;
            done.add(id);
            first.engine.ack([id], first.now);
            first.pull();
          }
          const second = new Bench({ ...changes, startFrom: 0n }, first.checkpoints.at(-1), first.log);
          second.connect("b", 1000);
          for (let round = 0; round < 200; round += 1) {
            second.engine.ack(
              second.deliveries.map(({ payload }) => `id-${payload}`),
              second.now,
            );
            second.pull();
          }
          const delivered = new Set(second.payloads.map((payload) => `id-${payload}`));
          const missing = first.log.filter(({ id }) => !done.has(id) && !delivered.has(id));
          expect(missing).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("streams are hashed as the real server hashes them", () => {
  const streams = ["", "a", "abc", "order-1", "order-12", "order-123", "strëam-with-ä-long-name-0123456789"];
  expect(streams.map(streamHash)).toEqual([
    0x02cc5d05, 0xe4dbda76, 0xceb21450, 0xfb6d8c2b, 0x941930ad, 0x133ca84e, 0xff348a19,
  ]);
});
