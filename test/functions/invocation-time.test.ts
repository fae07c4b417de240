/** A replay is done elsewhere when a whole invocation is too short for what cannot be cut in two. */
import { describe, expect, it } from "vitest";
import { InvocationTime } from "../../functions/replay-continuation.ts";

/** After so many seconds a verification begins, and after so many more the time is up. */
function spent(before: number, verifying: number): InvocationTime {
  let now = 5_000;
  const time = new InvocationTime(() => now);
  now += before * 1_000;
  time.step("verify");
  now += verifying * 1_000;
  return time;
}

describe("an invocation", () => {
  it("is too short for a verification that began with it and took most of it", () => {
    expect(spent(20, 850).isTooShortToVerify).toBe(true);
  });

  it("is not, when it was spent on the back-fill before, or was short itself", () => {
    expect(spent(600, 270).isTooShortToVerify).toBe(false);
    expect(spent(61, 809).isTooShortToVerify).toBe(false);
    expect(spent(5, 30).isTooShortToVerify).toBe(false);
  });

  it("counts from the first verification, for what it had proved is lost with it", () => {
    let now = 0;
    const time = new InvocationTime(() => now);
    time.step("verify");
    now = 400_000;
    time.step("back-fill");
    time.step("verify");
    expect(time.isTooShortToVerify).toBe(true);
  });

  it("that verifies nothing is never too short to", () => {
    let now = 0;
    const time = new InvocationTime(() => now);
    now = 880_000;
    time.step("close-seam");
    expect([time.isTooShortToVerify, time.hasJustBegun]).toStrictEqual([false, false]);
  });
});
