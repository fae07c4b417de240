import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { toProblem } from "../../engine/http/problem.ts";

const repository = join(import.meta.dirname, "../..");

/** Of every aggregate and process that functions/ knows: what is exported as `...RejectionStatus`. */
const rejectionStatus: Readonly<Record<string, number>> = await rejectionStatuses();

async function rejectionStatuses(): Promise<Record<string, number>> {
  const files = await readdir(join(repository, "functions"));
  const names = files.flatMap((file) => /^(.*-(?:aggregate|process))\.ts$/.exec(file)?.[1] ?? []);
  const modules = await Promise.all(names.map((name) => import(`../../functions/${name}.ts`) as Promise<object>));
  const statuses = modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, value]: [string, unknown]) =>
      name.endsWith("RejectionStatus") ? [z.record(z.string(), z.int()).parse(value)] : [],
    ),
  );
  return Object.assign({}, ...statuses) as Record<string, number>;
}

/** Rows of the page's table of errors: one status, one or more codes. */
async function documented(): Promise<Map<string, number>> {
  const page = await readFile(join(repository, "docs/command-side.md"), "utf8");
  const rows = [...page.matchAll(/^\| (\d{3}) +\| ([^|]+)\|/gm)];
  return new Map(
    rows.flatMap(([, status, codes = ""]) =>
      [...codes.matchAll(/`(\w+)`/g)].map(([, code = ""]) => [code, Number(status)]),
    ),
  );
}

describe("the documented errors", () => {
  it("have the status that they are answered with", async () => {
    const codes = await documented();
    for (const [code, status] of Object.entries(rejectionStatus))
      expect([code, codes.get(code)]).toStrictEqual([code, status]);
    const engineCodes = ["EVENT_STORE_UNAVAILABLE", "VIEWS_UNAVAILABLE", "SETTINGS_UNAVAILABLE", "CURSOR_INVALID"];
    for (const code of [
      ...engineCodes,
      "STREAM_DELETED",
      "APPEND_TOO_LARGE",
      "EVENT_NOT_UNDERSTOOD",
      "INTERNAL_ERROR",
    ]) {
      const { status } = toProblem(Object.assign(new Error("inside"), { code }));
      expect([code, codes.get(code)]).toStrictEqual([code, status]);
    }
  });

  it("name no rejection that no context has", async () => {
    const ofTheEngine = ["CONCURRENT_CHANGE", "IDEMPOTENCY_KEY_REUSED"];
    const named = [...(await documented())].flatMap(([code, status]) =>
      [404, 409, 422].includes(status) && !ofTheEngine.includes(code) ? [code] : [],
    );
    expect(named.filter((code) => !Object.hasOwn(rejectionStatus, code))).toStrictEqual([]);
    expect(Object.keys(rejectionStatus).length).toBeGreaterThan(30);
  });

  it("are all that the HTTP side states", async () => {
    const codes = new Set((await documented()).keys());
    for (const folder of ["engine/http", "functions"]) {
      for (const file of await readdir(join(repository, folder))) {
        const source = await readFile(join(repository, folder, file), "utf8");
        for (const [, status, code = ""] of source.matchAll(/new HttpProblem\(\s*(\d{3}),\s*"(\w+)"/g)) {
          expect({ file, status, code, documented: codes.has(code) }).toStrictEqual({
            file,
            status,
            code,
            documented: true,
          });
        }
      }
    }
  });
});
