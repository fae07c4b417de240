/** How `tidemark import` ends when it cannot go on, or is told not to. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { OrdersApi, problem } from "./orders-api.ts";

const tidemark = join(import.meta.dirname, "../../../bin/tidemark.js");

function start(...words: string[]): {
  child: ChildProcess;
  ended: Promise<{ code: unknown; stdout: string; stderr: string }>;
} {
  const child = spawn(process.execPath, [tidemark, "import", "northwind", ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([code]: unknown[]) => ({ code, stdout, stderr }));
  return { child, ended };
}

/** What it says last: before, there may be more lines of progress, as it goes. */
const lastWords = (stderr: string, count = 2): string[] => stderr.trimEnd().split("\n").slice(-count);

describe("tidemark import", () => {
  let api: OrdersApi | undefined;

  afterEach(() => api?.close());

  it("ends all its lanes when one order is refused, and says nothing behind the error", async () => {
    const lanes = Promise.withResolvers<undefined>();
    api = new OrdersApi(async ({ orderId }, all) => {
      if (all.length === 8) lanes.resolve(undefined);
      await lanes.promise;
      // The others are left without an answer.
      return orderId === all[3]?.orderId ? problem(409, "ORDER_ALREADY_PLACED", "it is there") : undefined;
    });
    await api.open();
    const { code, stdout, stderr } = await start("--url", api.url).ended;
    expect({ code, stdout, stderr }).toStrictEqual({
      code: 1,
      stdout: "",
      stderr:
        "orders placed: 0 of 830\n" +
        `error: order ${api.received[3]?.orderId ?? ""} was refused: it is there (409 ORDER_ALREADY_PLACED)\n`,
    });
    expect(api.received).toHaveLength(8);
  });

  it("says that nothing listens, and where", async () => {
    const closed = new OrdersApi(() => undefined);
    await closed.open();
    await closed.close();
    expect(await start("--url", closed.url).ended).toStrictEqual({
      code: 1,
      stdout: "",
      stderr:
        "orders placed: 0 of 830\n" +
        `error: nothing answers at ${closed.url}/orders (ECONNREFUSED): is npm start running?\n`,
    });
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("stops at %s, says that it may be run again, and ends with %i", async (signal, code) => {
    const fourth = Promise.withResolvers<undefined>();
    api = new OrdersApi((_, all) => {
      if (all.length < 4) return { status: 201 };
      fourth.resolve(undefined);
      return undefined;
    });
    await api.open();
    const { child, ended } = start("--url", api.url, "--concurrency", "1");
    await fourth.promise;
    child.kill(signal);
    const { stderr, ...rest } = await ended;
    expect({ ...rest, lastWords: lastWords(stderr) }).toStrictEqual({
      code,
      stdout: "",
      lastWords: [
        "orders placed: 3 of 830",
        `error: stopped by ${signal} with 3 of 830 orders placed: run it again, the end state is the same`,
      ],
    });
  });

  it("says the same in JSON", async () => {
    const first = Promise.withResolvers<undefined>();
    api = new OrdersApi(() => {
      first.resolve(undefined);
      return undefined;
    });
    await api.open();
    const { child, ended } = start("--url", api.url, "--json");
    await first.promise;
    child.kill("SIGTERM");
    expect(JSON.parse(lastWords((await ended).stderr, 1)[0] ?? "")).toStrictEqual({
      error: {
        code: "INTERRUPTED",
        message: "stopped by SIGTERM with 0 of 830 orders placed: run it again, the end state is the same",
      },
    });
  });

  it("places all orders with as many in flight as allowed, and warns of nothing", async () => {
    api = new OrdersApi(() => ({ status: 201 }));
    await api.open();
    const { code, stdout, stderr } = await start("--url", api.url, "--concurrency", "64", "--json").ended;
    expect({ code, stdout, lastWords: lastWords(stderr, 1) }).toStrictEqual({
      code: 0,
      stdout: '{"orders":830,"lines":2155}\n',
      lastWords: ["orders placed: 830 of 830"],
    });
    expect(stderr).not.toContain("Warning");
    expect(new Set(api.received.map(({ key }) => key)).size).toBe(830);
  });
});
