import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  fingerprintsFile,
  fingerprintsText,
  requireCurrentFingerprints,
  writeFingerprints,
} from "../../deploy/reducer-fingerprints.ts";
import { CommandError } from "../../local/cli/command-error.ts";

const project = join(import.meta.dirname, "../..");
const fingerprintsSchema = z.record(z.string(), z.string().regex(/^[0-9a-f]{32}$/));

describe("the reducers' fingerprints", () => {
  it("stand in the committed file as they are: otherwise run npm run fingerprints", async () => {
    await requireCurrentFingerprints();
  });

  describe("in a copy of the project", () => {
    let copy: string;
    let before: Record<string, string>;

    const fingerprints = async (): Promise<Record<string, string>> =>
      fingerprintsSchema.parse(JSON.parse(await fingerprintsText(copy)));

    /** Categories whose fingerprints are not what they were. */
    async function changed(): Promise<string[]> {
      const now = await fingerprints();
      return Object.keys(before).filter((category) => now[category] !== before[category]);
    }

    async function replaceIn(file: string, found: string | RegExp, by: string): Promise<void> {
      const text = await readFile(join(copy, file), "utf8");
      const replaced = text.replace(found, by);
      expect(replaced, `${file} has no ${String(found)}`).not.toBe(text);
      await writeFile(join(copy, file), replaced);
    }

    async function restore(): Promise<void> {
      await cp(join(project, "domain"), join(copy, "domain"), { recursive: true, force: true });
      for (const file of ["package-lock.json", fingerprintsFile]) await cp(join(project, file), join(copy, file));
    }

    beforeAll(async () => {
      copy = await mkdtemp(join(tmpdir(), "tidemark-fingerprints-"));
      await restore();
      before = await fingerprints();
    });

    beforeEach(restore);

    afterAll(async () => {
      await rm(copy, { recursive: true, force: true });
    });

    it("are the same wherever it lies", async () => {
      expect(await fingerprintsText(copy)).toBe(await fingerprintsText(project));
      expect(Object.keys(before)).toStrictEqual(["customer", "invoice", "order", "shipment"]);
      expect(new Set(Object.values(before)).size).toBe(4);
    });

    it("do not change with a comment, or with white space", async () => {
      await replaceIn("domain/ordering/order.ts", /^/, "/** Another comment. */\n\n");
      await replaceIn("domain/kernel/money.ts", /\n\n/, "\n\n\n\n");
      expect(await changed()).toStrictEqual([]);
    });

    it("do not change with what no fold depends on", async () => {
      await writeFile(join(copy, "domain/ordering/unused.ts"), "export const unused = 1;\n");
      await replaceIn("domain/ordering/events.ts", /$/, "\nexport const unusedHere = { a: 1 };\n");
      expect(await changed()).toStrictEqual([]);
    });

    it.each([
      [
        "a reducer",
        "domain/ordering/order.ts",
        'initialState: { status: "unknown" }',
        'initialState: { status: "unheard-of" }',
        ["order"],
      ],
      ["a schema of events", "domain/ordering/events.ts", /z\.int\(\)/, "z.int().min(0)", ["order"]],
      ["the way a state is written", "domain/ordering/order-snapshot.ts", '"unknown"', '"nothing"', ["order"]],
    ])("change with %s, in that context only", async (_, file, found, by, categories) => {
      await replaceIn(file, found, by);
      expect(await changed()).toStrictEqual(categories);
    });

    it("change with what all contexts share", async () => {
      await replaceIn(
        "domain/kernel/schemas.ts",
        /(export const moneySchema = z\.strictObject\(\{)/,
        "$1 more: z.int(),",
      );
      expect(await changed()).toStrictEqual(["customer", "invoice", "order", "shipment"]);
    });

    it("change with the version of a package that they use", async () => {
      await replaceIn("package-lock.json", /("node_modules\/immutable": \{\s*"version": ")[^"]+/, "$10.0.1");
      expect(await changed()).toStrictEqual(["customer"]);
    });

    it("that are out of date are refused with what to do, and written anew", async () => {
      await replaceIn(
        "domain/ordering/order.ts",
        'initialState: { status: "unknown" }',
        'initialState: { status: "unheard-of" }',
      );
      const stale = new CommandError(
        "FINGERPRINTS_STALE",
        "functions/reducer-fingerprints.json is out of date: run npm run fingerprints",
      );
      await expect(requireCurrentFingerprints(copy)).rejects.toStrictEqual(stale);
      await writeFingerprints(copy);
      await requireCurrentFingerprints(copy);
      await rm(join(copy, fingerprintsFile));
      await expect(requireCurrentFingerprints(copy)).rejects.toStrictEqual(stale);
    });
  });
});
