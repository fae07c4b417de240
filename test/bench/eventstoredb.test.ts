/** The event store's benchmark runs, measures all that it names, and leaves nothing behind. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { reference } from "../../bench/eventstoredb/reference.ts";
import { startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { run } from "../system/started-system.ts";

const main = join(import.meta.dirname, "../../bench/eventstoredb/main.ts");

const positive = z.number().positive();
const outputSchema = z.strictObject({
  machine: z.strictObject({ processors: z.int().positive(), model: z.string(), node: z.string() }),
  speeds: z.array(
    z.strictObject({
      name: z.string(),
      unit: z.enum(["events", "scanned events", "ms", "MB"]),
      values: z.strictObject({ disk: positive, memory: positive, server: positive.optional() }),
    }),
  ),
  growth: z
    .strictObject({
      operations: z.array(z.looseObject({ name: z.string(), ratio: positive, rounds: z.literal(1) })),
      weights: z.array(
        z.strictObject({ name: z.string(), unit: z.enum(["ms", "MB"]), small: positive, large: positive }),
      ),
    })
    .nullable(),
});

it("measures every shape on disk, in memory and on a server that is given, and what grows with the log", async () => {
  const server = await startEventStore({ inMemory: true });
  const temporary = await mkdtemp(join(tmpdir(), "tidemark-bench-test-"));
  try {
    const environment = ["env", `TMPDIR=${temporary}`];
    const words = ["--quick", "--json", "--server", server.connectionString];
    const { code, stdout, stderr } = await run([...environment, process.execPath, main, ...words]);
    expect(code, stderr).toBe(0);
    const { speeds, growth } = outputSchema.parse(JSON.parse(stdout));
    expect(speeds.map(({ name }) => name).toSorted()).toEqual(Object.keys(reference).toSorted());
    // Of another process's memory nobody is asked.
    for (const { name, values } of speeds) expect(values.server === undefined).toBe(name.startsWith("resident memory"));
    expect(growth?.operations).toHaveLength(4);
    expect(growth?.weights.map(({ unit }) => unit)).toEqual(["ms", "MB", "MB"]);
    expect(await readdir(temporary)).toEqual([]);
  } finally {
    await rm(temporary, { recursive: true });
    await server.stop();
  }
});

it("prints a table, and refuses what it does not know with the exit code for wrong usage", async () => {
  expect((await run([process.execPath, main, "--only", "nothing"])).code).toBe(2);
  expect((await run([process.execPath, main, "--help"])).stdout).toContain("--server");
  const { stdout } = await run([process.execPath, main, "--quick", "--only", "growth"]);
  expect(stdout).toContain("large over small");
});
