/** When a replay reads on: no faster than it was told, and slower while it gives way. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Pace, waitAfter } from "../../../engine/replay/pace.ts";

describe("the pace of a replay", () => {
  it("waits for nothing when it was told nothing", () => {
    expect(waitAfter({ restPerWork: 3 }, 1_000, 100)).toBe(0);
    expect(waitAfter({ restPerWork: 3, givesWay: () => false }, 1_000, 100)).toBe(0);
  });

  it("reads no more events a second than its rate, the time that their work took included", () => {
    expect(waitAfter({ rate: 100, restPerWork: 3 }, 10, 30)).toBe(70);
    expect(waitAfter({ rate: 100, restPerWork: 3 }, 10, 200)).toBe(0);
  });

  it("rests longer than it worked while it gives way, and no longer than half a second at once", () => {
    const options = { restPerWork: 3, givesWay: () => true };
    expect(waitAfter(options, 256, 20)).toBe(60);
    expect(waitAfter(options, 256, 2_000)).toBe(500);
    // Whichever is slower, and not both.
    expect(waitAfter({ ...options, rate: 1_000 }, 256, 20)).toBe(236);
    expect(waitAfter({ ...options, rate: 10_000 }, 256, 20)).toBe(60);
  });

  it("does not make up for a slow stretch by a fast one", async () => {
    const pace = new Pace({ rate: 1_000, restPerWork: 3 });
    await sleep(300);
    await pace.read(10);
    const from = performance.now();
    await pace.read(100);
    // Timers may be a little early.
    expect(performance.now() - from).toBeGreaterThan(90);
  });

  it("ends the wait when it is told to stop", async () => {
    const stop = new AbortController();
    const reading = new Pace({ rate: 1, restPerWork: 3 }).read(100_000, stop.signal);
    stop.abort();
    await expect(reading).resolves.toBeUndefined();
  });
});
