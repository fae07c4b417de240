/** Every guard is needed, and the histories would miss it: `npm run proof` takes away one after the other. */
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { removedGuards } from "./removed-guards.ts";
import { historiesWithout, withoutText } from "./without-guard.ts";

const isProof = process.env["TIDEMARK_PROOF"] !== undefined;
// The same seeds for all: what fails then fails for want of the guard.
const options = { firstSeed: 1, histories: 1_000 };
const patienceMs = 20 * 60_000;

describe.each(removedGuards)("$name", (guard) => {
  it("stands in the code once", async () => {
    const source = await readFile(new URL(`../../${guard.file}`, import.meta.url), "utf8");
    expect(withoutText(guard, source)).not.toBe(source);
  });

  it.runIf(isProof)(
    "without it a history fails",
    async () => {
      const { firstSeed = options.firstSeed } = guard;
      expect(await historiesWithout(guard, { ...options, firstSeed })).toMatchObject({ outcome: "failed" });
    },
    patienceMs,
  );
});

it.runIf(isProof)(
  "with all of them none fails",
  async () => {
    const text = "export class Catalog ";
    const nothing = { name: "nothing", file: "engine/views/catalog.ts", text, without: text };
    expect(await historiesWithout(nothing, options)).toMatchObject({ outcome: "passed" });
    for (const { firstSeed } of removedGuards) {
      if (firstSeed === undefined) continue;
      expect(await historiesWithout(nothing, { firstSeed, histories: 1 })).toMatchObject({ outcome: "passed" });
    }
  },
  patienceMs,
);
