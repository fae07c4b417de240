/** Test files that share a process share its modules and its environment: which of them come together is chance. */
import { globSync, readFileSync } from "node:fs";
import { matchesGlob } from "node:path";
import { expect, it } from "vitest";
import { alone } from "../../vitest.config.ts";

const together = globSync("test/**/*.ts").filter((path) => !alone.some((glob) => matchesGlob(path, glob)));

it.each([
  ["sets the environment", /process\.env(?:\[\w+\]|\["\w+"\]|\.\w+) *(?:\?\?|\|\|)?=(?!=)|delete process\.env/],
  ["replaces modules or the clock", /\bvi\.(?:mock|doMock|useFakeTimers|setSystemTime|stubGlobal)\b/],
  ["runs another test file, whose suites are declared only once", /(?:import|from)[ (]*"[^"]+\.test\.ts"/],
])("no file that shares its process %s", (_, pattern) => {
  expect(together.length).toBeGreaterThan(100);
  expect(together.filter((path) => pattern.test(readFileSync(path, "utf8")))).toStrictEqual([]);
});
