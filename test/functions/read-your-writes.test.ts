/**
 * A query that is given what a command answered shows at least that: not by waiting for delivery, of which there is none here,
 * but by having the view's projector apply that stream now.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { viewTarget } from "../../engine/quarantine/quarantine-record.ts";
import { Quarantine, quarantineTable } from "../../engine/quarantine/quarantine.ts";
import { startOfAll } from "../../engine/event-store/position.ts";
import { invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { OrderViews } from "./order-views.ts";
import { line, order } from "./orders.ts";
import { InvokedFunctions } from "./invoked-functions.ts";

describe("read your writes", () => {
  const projectors = new InvokedFunctions();
  let orders: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    const endpoint = inject("dynamodbEndpoint");
    orders = await OrderViews.made(endpoint);
    orders.setEnvironment(endpoint);
    Object.assign(process.env, { LAMBDA_ENDPOINT: await projectors.start(), FUNCTION_PREFIX: "test-" });
    functions = await loadFunctions();
    projectors.handlers.set("test-project-order-summary", functions.projectOrders);
    projectors.handlers.set("test-project-sales-by-month", functions.projectSales);
  });

  beforeEach(() => {
    projectors.behave = "runs";
    projectors.invoked.length = 0;
  });

  afterAll(async () => {
    await projectors.stop();
    await orders.stop();
  });

  const place = async (orderId: string): Promise<TestAnswer> => {
    return invoke(functions.ordering, { route: "POST /orders", body: { ...order, orderId, lines: [line] } });
  };
  const seenOf = ({ headers }: TestAnswer): string => String(headers["tidemark-seen"]);
  const read = async (orderId: string, seen?: string): Promise<TestAnswer> =>
    await invoke(functions.getOrder, {
      method: "GET",
      path: `/orders/${orderId}`,
      pathParameters: { orderId },
      ...(seen === undefined ? {} : { headers: { "tidemark-seen": seen } }),
    });
  const newId = (): string => randomUUID();

  it("shows an order that was placed a moment ago, though nothing was delivered", async () => {
    const id = newId();
    const placed = await place(id);
    expect(seenOf(placed)).toBe(`0@order-${id}`);
    expect((await read(id)).status).toBe(404);
    const { status, body } = await read(id, seenOf(placed));
    expect({ status, body }).toMatchObject({ status: 200, body: { orderId: id, status: "placed", revision: "0" } });
    expect(projectors.invoked).toStrictEqual(["test-project-order-summary"]);
    // It is there now: nobody is asked again, whoever asks.
    expect((await read(id, seenOf(placed))).status).toBe(200);
    expect(projectors.invoked).toHaveLength(1);
  });

  it("takes several streams at once, each at the highest revision that is named", async () => {
    const [one, two] = [newId(), newId()];
    const seen = [seenOf(await place(one)), seenOf(await place(two)), `0@order-${one}`].join(", ");
    const { status, body } = await invoke(functions.sales, {
      method: "GET",
      path: "/views/sales-by-month",
      headers: { "tidemark-seen": seen },
    });
    expect(status).toBe(200);
    expect(JSON.stringify(body)).toContain('"orders":2');
    expect(projectors.invoked).toStrictEqual(["test-project-sales-by-month", "test-project-sales-by-month"]);
  });

  it.each(["is not there", "hangs"] as const)(
    "is told how far behind the view is when its projector %s",
    async (behave) => {
      const id = newId();
      const placed = await place(id);
      projectors.behave = behave;
      const { status, headers, body } = await read(id, seenOf(placed));
      expect({ status, retryAfter: headers["retry-after"], body }).toMatchObject({
        status: 503,
        retryAfter: "1",
        body: {
          code: "VIEW_BEHIND",
          detail: `order-summary has seen order-${id} up to revision -1, not 0: it is 1 events behind, try again`,
        },
      });
    },
  );

  it("is answered as soon as delivery has been quicker", async () => {
    const id = newId();
    const placed = await place(id);
    projectors.behave = "is not there";
    const answer = read(id, seenOf(placed));
    await expect.poll(() => projectors.invoked.length).toBeGreaterThan(0);
    await orders.deliver();
    expect((await answer).status).toBe(200);
  });

  it("says when the stream is in quarantine, outside of the view, or not that long", async () => {
    const id = newId();
    await orders.append(`order-${id}`, [{ type: "OrderPlaced", data: "none" }]);
    const quarantine = new Quarantine(orders.dynamodb, quarantineTable(orders.tablePrefix));
    const attempt = { stream: `order-${id}`, revision: 0n, position: startOfAll, error: "cannot take it" };
    const target = viewTarget("order-summary", "g1");
    const record = await quarantine.attempted(target, attempt, new Date(), new Date());
    await functions.projectOrders({ records: [await recordOf(orders, `order-${id}`)] });
    for (let tries = 0; tries < 6; tries += 1)
      await functions.projectOrders({ records: [await recordOf(orders, `order-${id}`)] });
    expect(await quarantine.read(target, record.stream)).toMatchObject({ state: "quarantined" });
    const problem = async (orderId: string, seen: string) => {
      const { status, body } = await read(orderId, seen);
      const { code, detail } = body as { code: string; detail: string };
      return { status, code, detail };
    };
    expect(await problem(id, `0@order-${id}`)).toStrictEqual({
      status: 503,
      code: "STREAM_QUARANTINED",
      detail: `order-${id} waits in order-summary behind revision -1: the event after it was quarantined`,
    });
    for (const stream of ["order-", "order-_none"]) {
      expect(await problem(id, `0@${stream}`)).toMatchObject({ status: 400, code: "STREAM_OUTSIDE_VIEW" });
    }
    expect(await problem(id, "0@invoice-1")).toStrictEqual({
      status: 400,
      code: "STREAM_OUTSIDE_VIEW",
      detail: "order-summary reads nothing of the stream invoice-1",
    });
    const other = newId();
    await place(other);
    expect(await problem(other, `9223372036854775807@order-${other}`)).toMatchObject({ code: "REVISION_BEYOND_HEAD" });
    expect(await problem(other, `7@order-${other}`)).toStrictEqual({
      status: 400,
      code: "REVISION_BEYOND_HEAD",
      detail: `the stream order-${other} has no revision 7`,
    });
  });

  it.each([
    "",
    "x",
    "-1@order-1",
    "01@order-1",
    "1@",
    "1@order 1",
    "9223372036854775808@order-1",
    Array.from({ length: 11 }, () => "0@order-1").join(","),
  ])("is refused with the header %o", async (seen) => {
    expect(await read("first", seen)).toMatchObject({
      status: 400,
      body: { code: "INVALID_REQUEST", errors: [{ field: "Tidemark-Seen" }] },
    });
  });

  it("is not promised of a list that is read from an index", async () => {
    const listed = await invoke(functions.listOrders, {
      method: "GET",
      path: "/orders",
      query: { customerId: "VINET" },
      headers: { "tidemark-seen": "0@order-1" },
    });
    expect(listed).toMatchObject({
      status: 400,
      body: {
        errors: [
          {
            field: "Tidemark-Seen",
            message: "cannot be promised of this list, which is read from an index: leave it out",
          },
        ],
      },
    });
  });
});

async function recordOf({ store }: OrderViews, stream: string): Promise<unknown> {
  const { encodeRecord } = await import("../../engine/delivery/event-record.ts");
  for await (const event of store.readStream(stream)) return JSON.parse(encodeRecord(event));
  throw new Error(`no event in ${stream}`);
}

async function loadFunctions() {
  return {
    ordering: (await import("../../functions/ordering.ts")).handler,
    getOrder: (await import("../../functions/get-order.ts")).handler,
    listOrders: (await import("../../functions/list-orders.ts")).handler,
    sales: (await import("../../functions/sales-by-month.ts")).handler,
    projectOrders: (await import("../../functions/project-order-summary.ts")).handler,
    projectSales: (await import("../../functions/project-sales-by-month.ts")).handler,
  };
}
