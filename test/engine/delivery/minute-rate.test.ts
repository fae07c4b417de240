import { expect, it } from "vitest";
import { MinuteRate } from "../../../engine/delivery/minute-rate.ts";

it("tells how many a second there were within the last minute, and forgets what is older", () => {
  let now = 5_250;
  const rate = new MinuteRate(() => now);
  expect(rate.perSecond).toBe(0);
  rate.add(3);
  rate.add(1);
  // What has run for less than a second says no more than it has counted.
  expect(rate.perSecond).toBe(4);
  now += 10_000;
  rate.add(6);
  expect(rate.perSecond).toBe(1);
  now += 49_000;
  expect(rate.perSecond).toBe(10 / 59);
  now += 1_000;
  expect(rate.perSecond).toBe(6 / 60);
  now += 9_000;
  expect(rate.perSecond).toBe(6 / 60);
  now += 1_000;
  expect(rate.perSecond).toBe(0);
  rate.add(60);
  now += 59_000;
  expect(rate.perSecond).toBe(1);
  now += 3_600_000;
  expect(rate.perSecond).toBe(0);
});
