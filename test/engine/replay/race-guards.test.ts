/** Each race is lost without its guard, and its own test notices: `npm run proof` takes away one after the other. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { withoutText } from "../../simulation/without-guard.ts";
import { type RaceGuard, raceGuards } from "./race-guards.ts";

const isProof = process.env["TIDEMARK_PROOF"] !== undefined;
const patienceMs = 10 * 60_000;
const root = fileURLToPath(new URL("../../..", import.meta.url));
const races = "test/engine/replay/races.test.ts";

/** What the tests of races import, and what runs them. */
const copied = ["bin", "deploy", "domain", "engine", "functions", "local", "projections", "test", "package.json"];
const configs = ["vitest.config.ts", "vitest.options.ts"];

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string(),
      assertionResults: z.array(z.object({ title: z.string(), status: z.string() })),
    }),
  ),
});

type Outcomes = readonly { readonly title: string; readonly status: string }[];

/** The tests of races, in a copy of the sources that `change` has worked on. Throws when the file could not be run. */
async function outcomesOf(name: string, change: (copy: string) => Promise<void>): Promise<Outcomes> {
  const copy = await mkdtemp(path.join(tmpdir(), "tidemark-race-"));
  try {
    for (const part of [...copied, ...configs])
      await cp(path.join(root, part), path.join(copy, part), { recursive: true });
    await symlink(path.join(root, "node_modules"), path.join(copy, "node_modules"));
    await change(copy);
    const report = path.join(copy, "report.json");
    const told = await vitest(copy, [races, "-t", name, "--reporter=json", `--outputFile=${report}`]);
    const { testResults } = reportSchema.parse(JSON.parse(await readFile(report, "utf8").catch(() => told)));
    const outcomes = testResults.flatMap(({ assertionResults }) => assertionResults);
    const ran = outcomes.filter(({ status }) => status === "passed" || status === "failed");
    if (ran.length === 0) throw new Error(`no test ran: ${told}`);
    return ran;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

function vitest(folder: string, words: readonly string[]): Promise<string> {
  const program = path.join(folder, "node_modules/vitest/vitest.mjs");
  // The run that this one is a part of is not its own.
  const own = ([variable]: readonly [string, unknown]): boolean =>
    !/^(VITEST|TEST|TIDEMARK_TEST_REPORT|NODE_OPTIONS)/.test(variable);
  const env = Object.fromEntries(Object.entries(process.env).filter(own));
  return new Promise((resolve) => {
    execFile(process.execPath, [program, "run", ...words], { cwd: folder, env }, (_, out, err) => resolve(out + err));
  });
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

describe.each(raceGuards)("$race", ({ race, ...guard }: RaceGuard) => {
  it("is guarded against by what stands in the code once, and has a test of its own", async () => {
    const source = await readFile(path.join(root, guard.file), "utf8");
    expect(withoutText({ name: race, ...guard }, source)).not.toBe(source);
    expect((await readFile(path.join(root, races), "utf8")).split(`"${race}`).length - 1).toBe(1);
  });

  it.runIf(isProof)(
    "is lost without it",
    async () => {
      const outcomes = await outcomesOf(escaped(race), async (copy) => {
        const file = path.join(copy, guard.file);
        await writeFile(file, withoutText({ name: race, ...guard }, await readFile(file, "utf8")));
      });
      expect(outcomes.every(({ title }) => title.startsWith(race))).toBe(true);
      expect(outcomes.map(({ status }) => status)).toContain("failed");
    },
    patienceMs,
  );
});

it.runIf(isProof)(
  "with all guards none is lost",
  async () => {
    const outcomes = await outcomesOf(raceGuards.map(({ race }) => escaped(race)).join("|"), () => Promise.resolve());
    expect(outcomes.filter(({ status }) => status !== "passed")).toStrictEqual([]);
    for (const { race } of raceGuards)
      expect(
        outcomes.some(({ title }) => title.startsWith(race)),
        race,
      ).toBe(true);
  },
  patienceMs,
);
