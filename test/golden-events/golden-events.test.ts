/** Whatever was ever stored is read for ever, to the same value. */
import { expect, it } from "vitest";
import { contexts } from "./contexts.ts";
import { readGoldenFiles } from "./golden-files.ts";
import { goldenProblems } from "./golden-problems.ts";

it("every version of every event type is recorded, and is read as it was recorded", async () => {
  expect(goldenProblems(contexts, await readGoldenFiles(import.meta.dirname))).toStrictEqual([]);
});
