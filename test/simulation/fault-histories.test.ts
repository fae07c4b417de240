/** However calls fail, every event counts once in every generation, and all comes to rest: a thousand histories by seed. */
import { expect, it } from "vitest";
import { newSeed } from "../../engine/testing/runs.ts";
import { runHistories } from "./fault-histories.ts";
import { runHistory } from "./fault-history.ts";
import { faultKinds } from "./faults.ts";

const isRepeated = process.env["TIDEMARK_SEED"] !== undefined;
const firstSeed = newSeed();
const histories = isRepeated ? 1 : 1_000;
/** Half a minute of one core; a machine with other work takes its time. */
const patienceMs = 10 * 60_000;

it(
  `rows are the fold of the log after ${histories} histories from seed ${firstSeed} on: none lost, none doubled, none stuck`,
  async () => {
    const { failure, met } = await runHistories({ firstSeed, histories });
    if (failure !== undefined) expect.fail(failure);
    if (!isRepeated) expect(faultKinds.filter((kind) => !met.has(kind))).toStrictEqual([]);
  },
  patienceMs,
);

it("a seed gives the same history each time, call by call", async () => {
  const seeds = Array.from({ length: isRepeated ? 1 : 5 }, (_, index) => firstSeed + index);
  for (const seed of seeds) {
    const [first, again] = [await runHistory(seed), await runHistory(seed)];
    expect(again).toStrictEqual(first);
  }
});
