import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { projectionFingerprintsFile, requirePinnedProjections } from "../../deploy/projection-fingerprints.ts";
import { projections } from "../../projections/registry.ts";

const project = join(import.meta.dirname, "../..");
const fileSchema = z.record(z.string(), z.record(z.string(), z.array(z.string().regex(/^[0-9a-f]{32}$/)).min(1)));

describe("the projections' fingerprints", () => {
  it("stand in the committed file as they are: otherwise run npm run fingerprints", async () => {
    await requirePinnedProjections();
    for (const { name, version, fingerprints } of projections) {
      expect(fingerprints, `${name} version ${version}`).toHaveLength(1);
    }
  });

  describe("in a copy of the project", () => {
    let copy: string;

    const pinned = async (): Promise<z.output<typeof fileSchema>> =>
      fileSchema.parse(JSON.parse(await readFile(join(copy, projectionFingerprintsFile), "utf8")));

    /** What `npm run fingerprints` says in the copy: nothing when all is well. */
    async function fingerprints(...args: string[]): Promise<string> {
      const script = join(copy, "deploy/fingerprints.ts");
      const [code, said] = await new Promise<[unknown, string]>((resolve) => {
        execFile(process.execPath, [script, ...args], (error, _, stderr) => resolve([error?.code ?? 0, stderr.trim()]));
      });
      expect(code === 0).toBe(said === "");
      return said;
    }

    async function replaceIn(file: string, found: string | RegExp, by: string): Promise<void> {
      const text = await readFile(join(copy, file), "utf8");
      const replaced = text.replace(found, by);
      expect(replaced, `${file} has no ${String(found)}`).not.toBe(text);
      await writeFile(join(copy, file), replaced);
    }

    async function restore(): Promise<void> {
      for (const folder of ["domain", "projections", "functions"]) {
        await rm(join(copy, folder), { recursive: true, force: true });
        await cp(join(project, folder), join(copy, folder), { recursive: true });
      }
    }

    beforeAll(async () => {
      copy = await mkdtemp(join(tmpdir(), "tidemark-projections-"));
      for (const part of ["engine", "deploy", "local/cli", "package.json", "package-lock.json"]) {
        await cp(join(project, part), join(copy, part), { recursive: true });
      }
      await symlink(join(project, "node_modules"), join(copy, "node_modules"));
    });

    beforeEach(restore);

    afterAll(async () => {
      await rm(copy, { recursive: true, force: true });
    });

    it("are the same wherever it lies, and do not change with comments, the engine or the name of an export", async () => {
      await replaceIn("projections/sales-by-month.ts", /^/, "/** Another comment. */\n\n");
      await replaceIn("projections/sales-by-month.ts", "const salesByMonth ", "const salesByMonthV1 ");
      await rename(join(copy, "projections/sales-by-month.ts"), join(copy, "projections/sales-by-month.v1.ts"));
      await replaceIn("engine/views/projection.ts", "at most 64 of", "at most 64  of");
      expect(await fingerprints("--check")).toBe("");
    });

    it.each([
      [
        "a handler",
        "projections/sales-by-month.ts",
        "[sale(data, 1)]",
        "[sale(data, 2)]",
        /^error: sales-by-month version 1$/,
      ],
      [
        "a schema of an event that some of them read",
        "domain/logistics/events.ts",
        /z\.strictObject\(\{/,
        "z.strictObject({ more: z.int().exactOptional(),",
        /shipment-summary version 1/,
      ],
    ])("change with %s", async (_, file, found, by, views) => {
      await replaceIn(file, found, by);
      const [changed = ""] = (await fingerprints("--check")).split(": changed");
      expect(changed).toMatch(views);
      expect(changed).not.toContain("customer-summary");
    });

    it("of one changed in place are refused with both remedies, and nothing is written", async () => {
      await replaceIn("projections/sales-by-month.ts", "[sale(data, 1)]", "[sale(data, 2)]");
      const before = await pinned();
      const refusal =
        /^error: sales-by-month version 1: .*version beside it .*npm run fingerprints -- --same-rows sales-by-month$/;
      expect(await fingerprints("--check")).toMatch(refusal);
      expect(await fingerprints()).toMatch(refusal);
      expect(await fingerprints("--same-rows", "order-summary")).toContain(
        "no version of a view of that name has changed",
      );
      expect(await pinned()).toStrictEqual(before);
    });

    it("of one that still gives the same rows keep what it was behind what it is", async () => {
      await replaceIn("projections/sales-by-month.ts", "[sale(data, 1)]", "[sale(data, 2 - 1)]");
      const before = (await pinned())["sales-by-month"]?.["1"] ?? [];
      expect(await fingerprints("--same-rows", "sales-by-month")).toBe("");
      const after = (await pinned())["sales-by-month"]?.["1"] ?? [];
      expect(after.slice(1)).toStrictEqual(before);
      expect(before).not.toContain(after[0]);
      expect(await fingerprints("--check")).toBe("");
    });

    it("of a new version are added beside the old one; those of one that is gone are left out", async () => {
      await cp(join(copy, "projections/sales-by-month.ts"), join(copy, "projections/sales-by-month.v2.ts"));
      await replaceIn("projections/sales-by-month.v2.ts", "version: 1", "version: 2");
      expect(await fingerprints("--check")).toContain("fingerprints.json is out of date: run npm run fingerprints");
      expect(await fingerprints()).toBe("");
      expect(Object.keys((await pinned())["sales-by-month"] ?? {})).toStrictEqual(["1", "2"]);
      expect(await fingerprints("--check")).toBe("");
      await rm(join(copy, "projections/sales-by-month.v2.ts"));
      expect(await fingerprints("--check")).toContain("fingerprints.json is out of date: run npm run fingerprints");
      expect(await fingerprints()).toBe("");
      expect(Object.keys((await pinned())["sales-by-month"] ?? {})).toStrictEqual(["1"]);
    });

    it("that cannot be read are told of", async () => {
      await writeFile(join(copy, projectionFingerprintsFile), '{"sales-by-month": 1}');
      expect(await fingerprints("--check")).toContain("projections/fingerprints.json cannot be read");
    });
  });
});
