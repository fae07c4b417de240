/** The benchmark runs and says what it measured. How fast anything is, no test can tell on a machine it does not know. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { run } from "../system/started-system.ts";

const main = join(import.meta.dirname, "../../bench/main.ts");

/** `npm run proof` runs all of it, the function runtime included. */
const isProof = process.env["TIDEMARK_PROOF"] !== undefined;

const rate = z.number().positive();
const latency = z.strictObject({ ours: rate, raw: rate, ratio: rate });
const outputSchema = z.strictObject({
  machine: z.strictObject({
    processors: z.int().positive(),
    model: z.string(),
    node: z.string(),
    dynamodb: z.enum(["dynoxide", "dynamodb-local"]),
  }),
  comparisons: z.array(
    z.strictObject({
      name: z.string(),
      unit: z.enum(["commands", "steps", "events", "rows", "queries"]),
      rounds: z.literal(1),
      ours: rate,
      raw: rate,
      ratio: rate,
      lowest: rate,
      highest: rate,
      latency: z.strictObject({ p50: latency, p99: latency }).optional(),
    }),
  ),
  tables: z.array(
    z.strictObject({ name: z.string(), columns: z.array(z.string()), rows: z.array(z.array(z.string())) }),
  ),
});

describe("npm run bench", () => {
  it(`prints a ratio for each ${isProof ? "subject" : "view's back-fill"}`, async () => {
    const only = isProof ? [] : ["--only", "back-fill"];
    const { code, stdout, stderr } = await run([process.execPath, main, "--quick", "--json", ...only]);
    expect(code, stderr).toBe(0);
    const { comparisons, tables } = outputSchema.parse(JSON.parse(stdout));
    const names = [
      "command over read + append, concurrency 1",
      "command over read + append, concurrency 8",
      "command over read + append, concurrency 32",
      "command on 10000 events with a snapshot over one on 10, warm",
      "command on 10000 events with a snapshot over one on 10, cold",
      "steps of order-to-cash over the same reads and appends",
      "delivery into sales-by-month over raw drain + same writes",
      "delivery into sales-by-month over raw drain + one transaction an event",
      "delivery into order-summary over raw drain + same writes",
      "back-fill of sales-by-month over the slower of raw read and raw batch write",
      "back-fill of order-summary over the slower of raw read and raw batch write",
      "order-to-cash, product-sales, sales-by-month in one pass over order-to-cash alone",
      "order-to-cash, product-sales, sales-by-month in one pass over one after the other",
      "back-fill that reads 5 % of the events, filtered by the store, over one that is sent all",
      "verification of sales-by-month over its back-fill",
      "verification of order-summary over its back-fill",
      "delivery into sales-by-month beside a back-fill over delivery alone",
      "50 queries at once while generations are swapped over the same in quiet",
      "append to visible row at 100/s over raw drain + empty invocation + one write",
      "append + query that has seen it over append + 2 empty invocations",
      "append + query that has seen it over append + 2 empty invocations + the same reads and writes",
      "append + query that has seen it over append + queries until it is delivered",
    ];
    const backFills = names.filter((name) => name.startsWith("back-fill of"));
    expect(comparisons.map(({ name }) => name)).toEqual(isProof ? names : backFills);
    for (const { ratio, lowest, highest } of comparisons) {
      expect(Number.isFinite(ratio)).toBe(true);
      expect([lowest, highest]).toEqual([ratio, ratio]);
    }
    const withLatency = comparisons.filter(({ latency }) => latency !== undefined);
    expect(withLatency.map(({ name }) => name)).toEqual(
      names.filter((name) => isProof && /^(?:command over|append|50 queries)/.test(name)),
    );
    for (const { latency } of withLatency) {
      expect(latency?.p99.ours).toBeGreaterThanOrEqual(latency?.p50.ours ?? Infinity);
    }
    const tableNames = [
      "commands to one aggregate",
      "one order to cash",
      "delivery into sales-by-month by lanes",
      "DynamoDB write units of an event by events in a batch, and read units of a batch",
      "a million events into order-summary, in US dollars",
      "a million events into sales-by-month, in US dollars",
      "the subscriber for a month, in US dollars",
    ];
    expect(tables.map(({ name }) => name)).toEqual(isProof ? tableNames : []);
    if (isProof) expect(tables[0]?.rows.map(([clients]) => clients)).toEqual(["1", "2", "5", "10", "20", "50"]);
    for (const { columns, rows } of tables) for (const row of rows) expect(row).toHaveLength(columns.length);
  }, 240_000);

  it("refuses what it does not know, with the exit code for wrong usage", async () => {
    const unknown = await run([process.execPath, main, "--only", "nothing"]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain(
      "Allowed choices are command, contention, snapshots, process, delivery, lanes, visible, read-your-writes, write-units, back-fill, replay-passes, replay-verify, replay-live, replay-swap.",
    );
    expect((await run([process.execPath, main, "--rounds", "0"])).code).toBe(2);
    expect((await run([process.execPath, main, "--help"])).stdout).toContain("--quick");
  });
});

describe("a bench that is interrupted", () => {
  let temporary: string;

  beforeEach(async () => {
    temporary = await mkdtemp(join(tmpdir(), "tidemark-interrupted-"));
  });

  afterEach(async () => {
    await rm(temporary, { recursive: true, force: true });
  });

  it.each(["SIGINT", "SIGTERM"] as const)("leaves no server and no directory behind %s", async (signal) => {
    const child = spawn(process.execPath, [main, "--only", "command"], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: "ignore",
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await expect.poll(() => serversIn(temporary), { timeout: 30_000, interval: 50 }).not.toEqual([]);
    child.kill(signal);
    expect(await ended).toBe(signal === "SIGINT" ? 130 : 143);
    expect(await readdir(temporary)).toEqual([]);
    expect(await serversIn(temporary)).toEqual([]);
  });
});

/** Processes whose command line names a directory below this one. */
async function serversIn(directory: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(`${directory}/`));
}
