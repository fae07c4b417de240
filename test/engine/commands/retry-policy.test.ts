import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defaultRetryPolicy, standBack } from "../../../engine/commands/retry-policy.ts";

const slept = vi.hoisted(() => [] as number[]);
vi.mock("node:timers/promises", () => ({
  setTimeout: (milliseconds: number) => {
    slept.push(milliseconds);
    return Promise.resolve();
  },
}));

describe("the wait after a try", () => {
  beforeEach(() => {
    slept.length = 0;
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  const waits = async (drawn: number): Promise<number[]> => {
    vi.spyOn(Math, "random").mockReturnValue(drawn);
    for (let attempt = 1; attempt < defaultRetryPolicy.attempts; attempt += 1) {
      await standBack(defaultRetryPolicy, attempt);
    }
    return slept;
  };

  it("is drawn from nothing up to a bound that doubles until it is the longest", async () => {
    expect(await waits(0)).toStrictEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
    slept.length = 0;
    expect(await waits(0.5)).toStrictEqual([10, 20, 40, 80, 160, 250, 250, 250, 250]);
  });

  it("is so bounded that all of them together leave a function most of its ten seconds", async () => {
    const all = (await waits(1)).reduce((sum, wait) => sum + wait, 0);
    expect(all).toBe(2_620);
  });
});
