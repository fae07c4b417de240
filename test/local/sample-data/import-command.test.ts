/** How `tidemark import` ends when it cannot go on, or is told not to. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { northwind } from "../../../local/sample-data/northwind/northwind.ts";
import { MadeUpApi, problem, type Received } from "./made-up-api.ts";

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

const isOrder = ({ path }: Received): boolean => path === "/orders";

/** Everything goes well at once: what is asked for is done, and what is looked for has come as far as it can. */
function wellDone({ path }: Received): { status: number; body: object } {
  const usd = (amount: number): object => ({ amount, currency: "USD" });
  if (path.startsWith("/order-to-cash/")) {
    return { status: 200, body: { progress: "schedule-shipment", ended: "completed" } };
  }
  if (path.startsWith("/orders/")) {
    const status = open.has(path.slice("/orders/".length)) ? "confirmed" : "completed";
    return { status: 200, body: { status, total: usd(100), lines: [1, 2] } };
  }
  if (path.startsWith("/invoices/")) return { status: 200, body: { freight: usd(10), open: usd(0) } };
  return { status: 201, body: { reserved: usd(0) } };
}

const open = new Set((await northwind()).sales.flatMap(({ order, shipment }) => (shipment ? [] : [order.orderId])));

describe("tidemark import", () => {
  let api: MadeUpApi | undefined;

  afterEach(() => api?.close());

  it("ends all its lanes when one order is refused, and says nothing behind the error", async () => {
    const lanes = Promise.withResolvers<undefined>();
    api = new MadeUpApi(async (received, all) => {
      if (!isOrder(received)) return wellDone(received);
      const orders = all.filter(isOrder);
      if (orders.length === 16) lanes.resolve(undefined);
      await lanes.promise;
      // The others are left without an answer.
      return received === orders[3] ? problem(409, "ORDER_ALREADY_PLACED", "it is there") : undefined;
    });
    await api.open();
    const { code, stdout, stderr } = await start("--url", api.url).ended;
    const orders = api.received.filter(isOrder);
    expect({ code, stdout, lastWords: lastWords(stderr) }).toStrictEqual({
      code: 1,
      stdout: "",
      lastWords: [
        "orders placed: 0 of 830",
        `error: order ${orders[3]?.key?.replace("import/orders/", "") ?? ""} was refused: it is there (409 ORDER_ALREADY_PLACED)`,
      ],
    });
    expect(orders).toHaveLength(16);
  });

  it("says that nothing listens, and where", async () => {
    const closed = new MadeUpApi(() => undefined);
    await closed.open();
    await closed.close();
    expect(await start("--url", closed.url).ended).toStrictEqual({
      code: 1,
      stdout: "",
      stderr:
        "customers registered: 0 of 91\n" +
        `error: nothing answers at ${closed.url}/ (ECONNREFUSED): is npm start running?\n`,
    });
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("stops at %s, says that it may be run again, and ends with %i", async (signal, code) => {
    const fourth = Promise.withResolvers<undefined>();
    api = new MadeUpApi((received, all) => {
      if (!isOrder(received) || all.filter(isOrder).length < 4) return wellDone(received);
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
        `error: stopped by ${signal} with 3 of 830 done: run it again, the end state is the same`,
      ],
    });
  });

  it("says the same in JSON", async () => {
    const first = Promise.withResolvers<undefined>();
    api = new MadeUpApi(() => {
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
        message: "stopped by SIGTERM with 0 of 91 done: run it again, the end state is the same",
      },
    });
  });

  it("takes every sale to its end with as many in flight as allowed, adds up, and warns of nothing", async () => {
    api = new MadeUpApi(wellDone);
    await api.open();
    const { code, stdout, stderr } = await start("--url", api.url, "--concurrency", "64", "--json").ended;
    expect({ code, totals: JSON.parse(stdout) as unknown, lastWords: lastWords(stderr, 1) }).toStrictEqual({
      code: 0,
      totals: {
        customers: 91,
        orders: 830,
        lines: 1_660,
        byState: { completed: 809, confirmed: 21 },
        revenue: 83_000,
        freight: 8_090,
        receivables: 0,
        creditReserved: 0,
      },
      lastWords: ["orders imported: 830 of 830"],
    });
    expect(stderr).not.toContain("Warning");
    const posted = api.received.filter(({ method }) => method === "POST");
    // A registration each; a placement each; a dispatch, a delivery and a payment for what has left the house.
    expect(new Set(posted.map(({ path, key }) => `${path} ${key ?? ""}`)).size).toBe(91 + 830 + 3 * 809);
    expect(posted).toHaveLength(91 + 830 + 3 * 809);
  });

  it("takes only the earliest orders when it is told how many", async () => {
    api = new MadeUpApi(wellDone);
    await api.open();
    const { code, stdout } = await start("--url", api.url, "--orders", "3", "--json").ended;
    expect({ code, totals: JSON.parse(stdout) as unknown }).toStrictEqual({
      code: 0,
      totals: {
        customers: 91,
        orders: 3,
        lines: 6,
        byState: { completed: 3 },
        revenue: 300,
        freight: 30,
        receivables: 0,
        creditReserved: 0,
      },
    });
    expect(
      api.received
        .filter(isOrder)
        .map(({ key }) => key)
        .sort(),
    ).toStrictEqual([
      "import/orders/northwind-10248",
      "import/orders/northwind-10249",
      "import/orders/northwind-10250",
    ]);
  });

  it("says what it has taken to whom it tells no JSON", async () => {
    api = new MadeUpApi(wellDone);
    await api.open();
    const { code, stdout } = await start("--url", api.url, "--orders", "3").ended;
    expect({ code, stdout }).toStrictEqual({
      code: 0,
      stdout:
        "3 orders of 91 customers, 6 lines: 3 completed\n" +
        "revenue 3.00, freight 0.30, receivables 0.00, credit reserved 0.00 USD\n" +
        `see ${api.url}/views/sales-by-month\n`,
    });
  });
});
