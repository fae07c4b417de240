/** What one lane does with its events: batches, order, retries, the search for a culprit, pauses. */
import { startOfAll } from "../../../engine/event-store/position.ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { FunctionFailedError, type InvocationOutcome } from "../../../engine/delivery/function-invocation.ts";
import type { HeldEvent } from "../../../engine/delivery/held-event.ts";
import { Lane, type LaneSettings } from "../../../engine/delivery/lane.ts";

const settings: LaneSettings = {
  batchSize: 100,
  maximumBatchingWindowInSeconds: 0,
  maximumPayloadBytes: 1_000_000,
  retry: { baseMs: 5, maximumMs: 20 },
};

const answered = (...failed: string[]): InvocationOutcome => ({ outcome: "answered", failed: new Set(failed) });
const threw: InvocationOutcome = {
  outcome: "failed",
  error: new FunctionFailedError("FUNCTION_ERROR", "the function threw"),
};
const unreachable: InvocationOutcome = { outcome: "unreachable", error: new Error("nobody there") };

const held = (item: string, bytes = 10): HeldEvent => ({
  item,
  stream: item.split("@")[1] ?? "",
  revision: BigInt(item.split("@")[0] ?? ""),
  position: startOfAll,
  record: "{}",
  bytes,
  recordedAt: new Date(0),
  inFlight: false,
  delivery: undefined,
});

/** A lane before a function that a test plays; it notes batches and what had its effect, in order. */
class LaneForTest {
  readonly batches: string[][] = [];
  readonly done: string[] = [];
  readonly lane: Lane;
  running = 0;

  constructor(
    behave: (batch: readonly string[]) => InvocationOutcome | Promise<InvocationOutcome>,
    change: Partial<LaneSettings> = {},
  ) {
    this.lane = new Lane(
      { ...settings, ...change },
      {
        invoke: async (batch) => {
          this.running += 1;
          expect(this.running).toBe(1);
          const items = batch.map(({ item }) => item);
          this.batches.push(items);
          const outcome = await behave(items);
          this.running -= 1;
          return outcome;
        },
        settle: (_outcome, succeeded, failed) => {
          this.done.push(...succeeded.map(({ item }) => item));
          return failed;
        },
      },
    );
    onTestFinished(() => this.lane.stop());
  }

  add(...items: string[]): this {
    for (const item of items) this.lane.add(held(item));
    return this;
  }

  async finishes(count: number): Promise<readonly string[]> {
    await expect.poll(() => this.done.length, { interval: 2 }).toBe(count);
    return this.done;
  }
}

describe("a lane", () => {
  it("takes what arrives in one turn as one batch, in order", async () => {
    const lane = new LaneForTest(() => answered()).add("0@a", "0@b", "1@a");
    expect(await lane.finishes(3)).toStrictEqual(["0@a", "0@b", "1@a"]);
    expect(lane.batches).toStrictEqual([["0@a", "0@b", "1@a"]]);
  });

  it("closes a batch by its size", async () => {
    const lane = new LaneForTest(() => answered(), { batchSize: 2 }).add("0@a", "0@b", "0@c", "0@d", "0@e");
    await lane.finishes(5);
    expect(lane.batches).toStrictEqual([["0@a", "0@b"], ["0@c", "0@d"], ["0@e"]]);
  });

  it("closes a batch by its bytes as sent, and sends alone what is too large", async () => {
    // The frame is 14 bytes, each record its own and a comma.
    const lane = new LaneForTest(() => answered(), { maximumPayloadBytes: 14 + 11 + 11 });
    for (const [item, bytes] of [
      ["0@a", 10],
      ["0@b", 10],
      ["0@c", 11],
      ["0@d", 500],
      ["0@e", 10],
    ] as const) {
      lane.lane.add(held(item, bytes));
    }
    await lane.finishes(5);
    expect(lane.batches).toStrictEqual([["0@a", "0@b"], ["0@c"], ["0@d"], ["0@e"]]);
  });

  it("waits for the window, and no longer once the batch is full", async () => {
    const lane = new LaneForTest(() => answered(), { batchSize: 3, maximumBatchingWindowInSeconds: 60 }).add(
      "0@a",
      "0@b",
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(lane.batches).toStrictEqual([]);
    lane.add("0@c");
    await lane.finishes(3);
    const short = new LaneForTest(() => answered(), { maximumBatchingWindowInSeconds: 0.4 }).add("0@a");
    await new Promise((resolve) => setTimeout(resolve, 5));
    short.add("0@b");
    await short.finishes(2);
    expect(short.batches).toStrictEqual([["0@a", "0@b"]]);
  });

  it("makes a failed event's stream wait with all its later events, while others go on", async () => {
    let failures = 3;
    // It names only the event that failed, not those behind it.
    const late = ["3@a", "1@b"];
    const lane = new LaneForTest((batch) => {
      // They arrive while the first batch is away.
      lane.add(...late.splice(0));
      return answered(...(batch.includes("1@a") && failures-- > 0 ? ["1@a"] : []));
    });
    lane.add("0@a", "1@a", "0@b", "2@a");
    const done = await lane.finishes(6);
    expect(done.filter((item) => item.endsWith("@a"))).toStrictEqual(["0@a", "1@a", "2@a", "3@a"]);
    expect(done.indexOf("1@b")).toBeLessThan(done.indexOf("1@a"));
  });

  it("splits a batch that failed as a whole until the culprit is alone, and the innocent have their effect", async () => {
    const tries = new Map<string, number>();
    const lane = new LaneForTest((batch) => {
      if (!batch.includes("0@bad")) return answered();
      tries.set(batch.join(), (tries.get(batch.join()) ?? 0) + 1);
      return threw;
    });
    const innocent = Array.from({ length: 15 }, (_, index) => `0@s${index}`);
    lane.add(...innocent.slice(0, 7), "0@bad", ...innocent.slice(7));
    const done = await lane.finishes(15);
    expect([...done].sort()).toStrictEqual([...innocent].sort());
    // Alone it is tried again and again; together with others only while the others could have been to blame.
    await expect.poll(() => tries.get("0@bad") ?? 0).toBeGreaterThan(2);
    expect([...tries].filter(([batch, count]) => batch !== "0@bad" && count > 1)).toStrictEqual([]);
    lane.add("1@bad");
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(done).not.toContain("1@bad");
    expect(lane.lane.waiting).toBe(2);
  });

  it("keeps a stream's events together and in order when it splits", async () => {
    let isBroken = true;
    const lane = new LaneForTest((batch) => {
      if (isBroken && batch.length > 2) return threw;
      isBroken = false;
      return answered();
    });
    lane.add("0@a", "0@b", "1@a", "1@b");
    await lane.finishes(4);
    for (const stream of ["a", "b"]) {
      expect(lane.done.filter((item) => item.endsWith(`@${stream}`))).toStrictEqual([`0@${stream}`, `1@${stream}`]);
    }
  });

  it("splits the events of one stream too, in their order, until the culprit is alone", async () => {
    let culpritTries = 0;
    const lane = new LaneForTest((batch) => {
      if (!batch.includes("2@a")) return answered();
      if (batch.length > 1) return threw;
      return (culpritTries += 1) < 3 ? threw : answered();
    }).add("0@a", "1@a", "2@a", "3@a", "4@a");
    expect(await lane.finishes(5)).toStrictEqual(["0@a", "1@a", "2@a", "3@a", "4@a"]);
    expect(lane.batches).toContainEqual(["2@a"]);
    expect(culpritTries).toBe(3);
  });

  it("tries the same batch again when the function could not be reached, without blame", async () => {
    let outages = 3;
    const lane = new LaneForTest(() => (outages-- > 0 ? unreachable : answered())).add("0@a", "0@b");
    await lane.finishes(2);
    expect(lane.batches).toStrictEqual([
      ["0@a", "0@b"],
      ["0@a", "0@b"],
      ["0@a", "0@b"],
      ["0@a", "0@b"],
    ]);
  });

  it("lets go of everything but what is under way when it is cleared", async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const lane = new LaneForTest(
      async () => {
        await gate;
        return answered();
      },
      { batchSize: 1 },
    ).add("0@a", "0@b");
    await expect.poll(() => lane.batches.length, { interval: 1 }).toBe(1);
    lane.lane.clear();
    release();
    expect(await lane.finishes(1)).toStrictEqual(["0@a"]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(lane.batches).toStrictEqual([["0@a"]]);
  });

  it("starts nothing more once it is stopped, and waits for what is under way", async () => {
    const lane = new LaneForTest(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return answered();
      },
      { batchSize: 1 },
    ).add("0@a", "0@b");
    await expect.poll(() => lane.batches.length, { interval: 1 }).toBe(1);
    await lane.lane.stop();
    expect(lane.done).toStrictEqual(["0@a"]);
    expect(lane.batches).toStrictEqual([["0@a"]]);
  });
});
