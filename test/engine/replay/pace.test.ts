/** When a replay reads on: no faster than it was told, and slower while it gives way. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Pace, restAfter } from "../../../engine/replay/pace.ts";

/** Milliseconds that a read waits; timers may be a little early. */
async function waited(pace: Pace, events: number): Promise<number> {
  const from = performance.now();
  await pace.read(events);
  return performance.now() - from + 10;
}

describe("the pace of a replay", () => {
  it("reads no more events a second than its rate, the time that their work took included", async () => {
    const pace = new Pace({ rate: 1_000, restPerWork: 3 });
    await sleep(60);
    await pace.read(100);
    expect(await waited(pace, 100)).toBeGreaterThan(100);
  });

  it("does not make up for a slow stretch by a fast one", async () => {
    const pace = new Pace({ rate: 1_000, restPerWork: 3 });
    await sleep(300);
    await pace.read(10);
    expect(await waited(pace, 100)).toBeGreaterThan(100);
  });

  it("rests longer than it worked while it gives way, and no longer than five seconds at once", async () => {
    const pace = new Pace({ restPerWork: 3, givesWay: () => true });
    await sleep(250);
    // Longer than one of the pieces that a rest is cut into.
    expect(await waited(pace, 256)).toBeGreaterThan(750);
    expect(restAfter(20, 3)).toBe(60);
    expect(restAfter(60_000, 3)).toBe(5_000);
  });

  it("goes on as soon as there is nothing more to give way to", async () => {
    let asked = 0;
    const pace = new Pace({ restPerWork: 1_000, givesWay: () => (asked += 1) <= 2 });
    await sleep(10);
    await pace.read(1);
    expect(asked).toBe(3);
  });

  it("ends the wait when it is told to stop", async () => {
    const stop = new AbortController();
    const reading = new Pace({ rate: 1, restPerWork: 3, givesWay: () => true }).read(100_000, stop.signal);
    stop.abort();
    await expect(reading).resolves.toBeUndefined();
  });
});
