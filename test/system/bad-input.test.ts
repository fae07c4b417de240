/** What the outside may send, and what it is told: a clear error, and nothing half-done. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { StartedSystem, until } from "./started-system.ts";

const problemSchema = z.object({
  status: z.int(),
  title: z.string(),
  code: z.string(),
  detail: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string().optional(), message: z.string() }).loose()).optional(),
});

const line = { productId: "11", quantity: 1, unitPrice: { amount: 100, currency: "USD" }, discountPercent: 0 };
const order = { customerId: "VINET", lines: [line] };
const withLine = (change: object): object => ({ ...order, lines: [{ ...line, ...change }] });

describe("bad input", () => {
  let system: StartedSystem;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
  }, 120_000);

  afterAll(async () => {
    await system.remove();
  });

  async function refused(
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; fields: string[] }> {
    const answer = await system.post(path, body, headers);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    const problem = problemSchema.parse(answer.body);
    expect(problem.status).toBe(answer.status);
    return { status: answer.status, fields: (problem.errors ?? []).map(({ pointer }) => pointer ?? "") };
  }

  it.each([
    ["a negative quantity", withLine({ quantity: -1 }), "/lines/0/quantity"],
    ["a fractional quantity", withLine({ quantity: 1.5 }), "/lines/0/quantity"],
    ["a quantity beyond all bounds", withLine({ quantity: 1e20 }), "/lines/0/quantity"],
    ["a quantity in words", withLine({ quantity: "two" }), "/lines/0/quantity"],
    ["a discount over 100", withLine({ discountPercent: 101 }), "/lines/0/discountPercent"],
    ["a fractional amount", withLine({ unitPrice: { amount: 1.5, currency: "USD" } }), "/lines/0/unitPrice/amount"],
    ["an unknown currency", withLine({ unitPrice: { amount: 1, currency: "ZZZ" } }), "/lines/0/unitPrice/currency"],
    ["no line", { ...order, lines: [] }, "/lines"],
    ["91 lines", { ...order, lines: Array.from({ length: 91 }, () => line) }, "/lines"],
    ["an id with odd characters", { ...order, orderId: "a/b#c" }, "/orderId"],
    ["an empty customer", { ...order, customerId: "" }, "/customerId"],
    ["a date without a zone", { ...order, orderedAt: "1996-07-04" }, "/orderedAt"],
  ])("names the wrong field of %s", async (_, body, field) => {
    expect(await refused("/orders", body)).toStrictEqual({ status: 400, fields: [field] });
  });

  it("names every wrong field at once, unknown ones among them", async () => {
    const { status, fields } = await refused("/orders", { ...withLine({ quantity: 0, color: "red" }), orderedAt: 5 });
    expect(status).toBe(400);
    expect(fields.sort()).toStrictEqual(["/lines/0/color", "/lines/0/quantity", "/orderedAt"]);
  });

  it("refuses a body that is not JSON, not an object, or not declared as JSON", async () => {
    expect((await refused("/orders", '{"customerId": ')).status).toBe(400);
    expect(await refused("/orders", "[]")).toStrictEqual({ status: 400, fields: [""] });
    for (const body of ["null", "false", "0", '""'])
      expect([body, await refused("/orders", body)]).toStrictEqual([body, { status: 400, fields: [""] }]);
    expect((await refused("/orders", "customerId=1", { "content-type": "text/plain" })).status).toBe(415);
  });

  it("refuses a body of 2 MB", async () => {
    expect((await refused("/orders", { ...order, padding: "x".repeat(2_000_000) })).status).toBe(413);
  });

  it("refuses a key of 1,000 characters, and a used key with another body", async () => {
    expect((await refused("/orders", order, { "idempotency-key": "k".repeat(1_000) })).status).toBe(400);
    const key = { "idempotency-key": "bad-input-1" };
    const first = await system.post("/orders", { ...order, orderId: "keyed" }, key);
    const again = await system.post("/orders", { ...order, orderId: "keyed" }, key);
    expect([first.status, again.status]).toStrictEqual([201, 201]);
    expect(again.body).toStrictEqual(first.body);
    expect(again.headers.get("etag")).toBe(first.headers.get("etag"));
    expect((await refused("/orders", { ...order, orderId: "keyed", customerId: "OTHER" }, key)).status).toBe(422);
  });

  it("refuses a stale or malformed If-Match, and leaves the order as it was", async () => {
    const customer = { customerId: "MATCH", name: "Match", creditLimit: { amount: 1_000_000, currency: "USD" } };
    expect((await system.post("/customers", customer)).status).toBe(201);
    await system.post("/orders", { ...order, customerId: "MATCH", orderId: "matched" });
    // From then on the process leaves it alone.
    await until("the order is confirmed", async () => {
      const { body } = await system.get("/orders/matched");
      return z.object({ status: z.string() }).safeParse(body).data?.status === "confirmed";
    });
    expect((await refused("/orders/matched/cancel", {}, { "if-match": '"7"' })).status).toBe(412);
    expect((await refused("/orders/matched/cancel", {}, { "if-match": "seven" })).status).toBe(400);
    // What a query has said of the order is good as well, and what it has said is not sent again.
    const etag = (await system.get("/orders/matched")).headers.get("etag") ?? "";
    const again = await fetch(`${system.url}/orders/matched`, { headers: { "if-none-match": etag } });
    expect([again.status, again.headers.get("etag"), await again.text()]).toStrictEqual([304, etag, ""]);
    const cancelled = await system.post("/orders/matched/cancel", {}, { "if-match": etag });
    expect([cancelled.status, cancelled.headers.get("etag")]).toStrictEqual([200, '"2"']);
  });

  it("refuses to place an order twice", async () => {
    await system.post("/orders", { ...order, orderId: "twice" });
    expect((await refused("/orders", { ...order, orderId: "twice" })).status).toBe(409);
  });

  it("answers 404 for an unknown order, on reading and on cancelling", async () => {
    expect((await refused("/orders/unknown/cancel", {})).status).toBe(404);
    expect((await system.get("/orders/unknown")).status).toBe(404);
  });

  it("refuses listing without a customer, with a wrong limit, and with a cursor from elsewhere", async () => {
    for (const id of ["c1", "c2"]) await system.post("/orders", { ...order, customerId: "PAGED", orderId: id });
    const pageSchema = z.object({ items: z.array(z.unknown()), cursor: z.string().optional() });
    let cursor: string | undefined;
    await until("the orders are listed", async () => {
      const { body } = await system.get("/orders?customerId=PAGED&limit=1");
      ({ cursor } = pageSchema.parse(body));
      return cursor !== undefined;
    });
    for (const path of [
      "/orders",
      "/orders?customerId=PAGED&limit=0",
      "/orders?customerId=PAGED&limit=many",
      "/orders?customerId=PAGED&cursor=bm90LWEtY3Vyc29y",
      `/orders?customerId=VINET&cursor=${cursor ?? ""}`,
    ]) {
      const { status, body } = await system.get(path);
      expect({ path, status, code: typeof problemSchema.parse(body).code }).toStrictEqual({
        path,
        status: 400,
        code: "string",
      });
    }
  });

  it("gives 20 identical requests at once one effect and one answer", async () => {
    const key = { "idempotency-key": "twenty-at-once" };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => system.post("/orders", { ...order, customerId: "TWENTY" }, key)),
    );
    const [first] = answers;
    for (const { status, body, headers } of answers) {
      expect([status, body, headers.get("etag")]).toStrictEqual([201, first?.body, '"0"']);
    }
  });

  it("survives a request that breaks off", async () => {
    await new Promise<void>((resolve) => {
      const broken = request(`${system.url}/orders`, { method: "POST", headers: { "content-length": "1000" } });
      broken.on("error", () => undefined);
      broken.write("{", () => {
        broken.destroy();
        resolve();
      });
    });
    expect((await system.get("/views/sales-by-month")).status).toBe(200);
  });

  it("says 503 and when to come back while a server is down, and recovers by itself", async () => {
    for (const [name, attempt] of [
      ["event-store", () => system.post("/orders", order)],
      ["dynamodb", () => system.get("/views/sales-by-month")],
    ] as const) {
      const pid = await system.pidOf(name);
      process.kill(pid, "SIGSTOP");
      try {
        // A server that has several threads stops a moment after it was told to.
        await until(`${name} is missed`, async () => {
          const { status, headers } = await attempt();
          if ([200, 201].includes(status)) return false;
          expect([name, status, headers.has("retry-after")]).toStrictEqual([name, 503, true]);
          return true;
        });
      } finally {
        process.kill(pid, "SIGCONT");
      }
      await until(`${name} answers again`, async () => [200, 201].includes((await attempt()).status));
    }
  }, 90_000);

  describe("on the command line", () => {
    it.each([
      [["replay", "no-such-view"], 1, "order-summary"],
      [["replay", "sales-by-month", "--from", "123456789/123456789"], 1, "123456789/123456789"],
      [["replay", "sales-by-month", "--from", "nowhere"], 2, "COMMIT/PREPARE"],
      [["check", "no-such-view"], 1, "order-summary"],
      [["no-such-command"], 2, "no-such-command"],
      [["import", "southwind", "--url", "http://127.0.0.1:1"], 2, "northwind"],
    ])("%j ends with %i and says what is right", async (words, code, says) => {
      const ended = await system.tidemark(...words);
      expect({ code: ended.code, said: ended.stderr.includes(says), output: ended.stdout }).toStrictEqual({
        code,
        said: true,
        output: "",
      });
    });
  });
});
