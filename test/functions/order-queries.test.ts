import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { Catalog } from "../../engine/views/catalog.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { createGenerationTable } from "../../engine/views/generation-table.ts";
import { applyEvents } from "../../engine/views/live-writer.ts";
import type { Projection } from "../../engine/views/projection.ts";
import { startOfAll } from "../../engine/event-store/position.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { createFixedTables } from "../../local/system/fixed-tables.ts";
import { orderSummary } from "../../projections/order-summary.ts";
import { salesByMonth } from "../../projections/sales-by-month.ts";
import { answerOf, invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { line, order } from "./orders.ts";
import { tagOf } from "./tag-of.ts";

const tablePrefix = `queries-${randomUUID().slice(0, 8)}-`;

describe("queries over HTTP", () => {
  const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  let server: EventStoreServer;
  let store: EventStore;
  let catalog: Catalog;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
    Object.assign(process.env, {
      EVENTSTORE_CONNECTION_STRING: server.connectionString,
      DYNAMODB_ENDPOINT: inject("dynamodbEndpoint"),
      AWS_REGION: "eu-central-1",
      TABLE_PREFIX: tablePrefix,
      LOG_LEVEL: "silent",
    });
    functions = await loadFunctions();
    catalog = functions.views().catalog;
    await createFixedTables(dynamodb, tablePrefix);
  });

  afterAll(async () => {
    await store.dispose();
    await server.stop();
    dynamodb.destroy();
  });

  const get = (
    path: string,
    query?: Record<string, string>,
    pathParameters?: Record<string, string>,
  ): Promise<TestAnswer> => {
    const handler =
      path === "/orders" ? functions.listOrders : path.startsWith("/orders/") ? functions.getOrder : functions.sales;
    return invoke(handler, {
      method: "GET",
      path,
      ...(query === undefined ? {} : { query }),
      ...(pathParameters === undefined ? {} : { pathParameters }),
    });
  };
  const getOrder = (orderId: string): Promise<TestAnswer> => get(`/orders/${orderId}`, undefined, { orderId });

  const place = async (orderId: string, change: object = {}): Promise<void> => {
    const body = { ...order, orderId, orderedAt: "1996-07-04T00:00:00Z", ...change };
    expect((await invoke(functions.ordering, { route: "POST /orders", body })).status).toBe(201);
  };
  const ask = async (orderId: string, what: string, body: object = {}): Promise<void> => {
    const route = `POST /orders/{orderId}/${what}`;
    expect((await invoke(functions.ordering, { route, pathParameters: { orderId }, body })).status).toBe(200);
  };
  const cancel = (orderId: string, body?: object): Promise<void> => ask(orderId, "cancel", body);

  async function makeLive(projection: Projection, id: string): Promise<void> {
    const table = `${tablePrefix}${projection.name}-${id}`;
    await createGenerationTable(dynamodb, table, projection);
    const entry = await catalog.read(projection.name);
    await catalog.transition(entry, [
      { id, table, version: projection.version, role: "live", from: startOfAll, declaredAt: new Date().toISOString() },
    ]);
  }

  /** What subscriber and projectors do: every event so far is in the rows. */
  async function catchUp(): Promise<void> {
    for (const projection of [orderSummary, salesByMonth]) {
      const { generations } = await catalog.read(projection.name);
      const events: StoredEvent[] = [];
      for await (const event of store.readAll()) if (event.stream.startsWith("order-")) events.push(event);
      for (const generation of generations) {
        const report = await applyEvents({ dynamodb, eventStore: store, projection, generation }, events);
        expect(report.failures).toStrictEqual([]);
      }
    }
  }

  it("answer 503 as long as a view has no live generation", async () => {
    expect(await get("/views/sales-by-month")).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      body: { code: "VIEWS_UNAVAILABLE" },
    });
    await makeLive(orderSummary, "g1");
    await makeLive(salesByMonth, "g1");
    // The reader remembers for a second what was live.
    await expect
      .poll(() => get("/views/sales-by-month"), { timeout: 10_000 })
      .toMatchObject({ status: 200, body: { items: [] } });
  });

  describe("GET /orders/{orderId}", () => {
    it("shows the order, and its revision as the tag", async () => {
      await place("shown");
      await catchUp();
      const { status, headers, body } = await getOrder("shown");
      expect({ status, etag: headers["etag"], body }).toStrictEqual({
        status: 200,
        etag: tagOf(0),
        body: {
          orderId: "shown",
          customerId: "VINET",
          status: "placed",
          orderedAt: "1996-07-04T00:00:00.000Z",
          total: { amount: 15_120, currency: "USD" },
          lines: [{ ...line, total: { amount: 15_120, currency: "USD" } }],
          revision: "0",
        },
      });
    });

    it("shows that it was cancelled, and its tag is good for If-Match", async () => {
      await place("to-cancel");
      await cancel("to-cancel");
      await catchUp();
      const { headers, body } = await getOrder("to-cancel");
      expect(body).toMatchObject({ status: "cancelled", revision: "1" });
      const answer = await invoke(functions.ordering, {
        route: "POST /orders/{orderId}/cancel",
        pathParameters: { orderId: "to-cancel" },
        headers: { "if-match": String(headers["etag"]) },
      });
      expect(answer.status).toBe(200);
    });

    it.each([
      ["confirmed", "confirm", {}, { status: "confirmed", revision: "1" }],
      [
        "rejected",
        "reject",
        { reason: "no credit" },
        { status: "rejected", rejectionReason: "no credit", revision: "1" },
      ],
      ["cancelled", "cancel", { reason: "late" }, { status: "cancelled", cancellationReason: "late", revision: "1" }],
      ["cancelled without a reason", "cancel", {}, { status: "cancelled", revision: "1" }],
    ])("shows an order that was %s", async (how, what, body, expected) => {
      const orderId = `was-${how.replaceAll(" ", "-")}`;
      await place(orderId);
      await catchUp();
      const { body: before } = await getOrder(orderId);
      await ask(orderId, what, body);
      await catchUp();
      expect((await getOrder(orderId)).body).toStrictEqual({ ...(before as object), ...expected });
    });

    it("shows an order that was completed", async () => {
      await place("done");
      await ask("done", "confirm");
      await ask("done", "complete");
      await catchUp();
      expect((await getOrder("done")).body).toMatchObject({ status: "completed", revision: "2" });
    });

    it("is a 404 for an unknown order and a 400 for an impossible id", async () => {
      expect(await getOrder("unknown")).toMatchObject({
        status: 404,
        body: { code: "ORDER_NOT_FOUND", detail: "there is no order unknown" },
      });
      expect(await getOrder("_guard#x")).toMatchObject({ status: 400, body: { errors: [{ field: "orderId" }] } });
    });
  });

  describe("GET /orders", () => {
    const ids = ({ body }: TestAnswer): string[] =>
      (body as { items: { orderId: string }[] }).items.map(({ orderId }) => orderId);
    const cursorOf = ({ body }: TestAnswer): string | undefined => (body as { cursor?: string }).cursor;

    it("lists a customer's orders, newest date first, page by page, none twice and none left out", async () => {
      const dates = ["1996-07-04", "1998-05-06", "1997-01-01", "1997-01-01", "1996-12-31"];
      for (const [at, date] of dates.entries()) {
        await place(`page-${at}`, { customerId: "PAGED", orderedAt: `${date}T00:00:00Z` });
      }
      await catchUp();
      const expected = ["page-1", "page-3", "page-2", "page-4", "page-0"];
      expect(ids(await get("/orders", { customerId: "PAGED" }))).toStrictEqual(expected);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await get("/orders", {
          customerId: "PAGED",
          limit: "2",
          ...(cursor === undefined ? {} : { cursor }),
        });
        expect(page.status).toBe(200);
        seen.push(...ids(page));
        cursor = cursorOf(page);
      } while (cursor !== undefined);
      expect(seen).toStrictEqual(expected);
      expect(ids(await get("/orders", { customerId: "PAGED", order: "asc" }))).toStrictEqual(expected.toReversed());
    });

    it("shows an order as GET /orders/{orderId} does", async () => {
      await place("alike", { customerId: "ALIKE" });
      await catchUp();
      const { body } = await get("/orders", { customerId: "ALIKE" });
      expect(body).toStrictEqual({ items: [(await getOrder("alike")).body] });
    });

    it("is empty for a customer without orders", async () => {
      expect((await get("/orders", { customerId: "NOBODY" })).body).toStrictEqual({ items: [] });
    });

    it.each([
      [{}, "customerId"],
      [{ customerId: "a b" }, "customerId"],
      [{ customerId: "VINET", limit: "0" }, "limit"],
      [{ customerId: "VINET", limit: "101" }, "limit"],
      [{ customerId: "VINET", order: "newest" }, "order"],
      [{ customerId: "VINET", limit: "1e1" }, "limit"],
      [{ customerId: "VINET", limit: "" }, "limit"],
      [{ customerId: "VINET", cursor: "" }, "cursor"],
      [{ customerId: "VINET", cursor: "bm90LWEtY3Vyc29y" }, "cursor"],
      [{ customerId: "VINET", cursor: "x".repeat(2_001) }, "cursor"],
      [{ customerId: "VINET", page: "2" }, "page"],
    ])("refuses %j", async (query, field) => {
      expect(await get("/orders", query)).toMatchObject({ status: 400, body: { errors: [{ field }] } });
    });

    it("refuses a cursor of another customer or sort order, of an edited one, and of a table that is gone", async () => {
      const cursor = cursorOf(await get("/orders", { customerId: "PAGED", limit: "1" })) ?? "";
      const refused = { status: 400, body: { code: "CURSOR_INVALID", errors: [{ field: "cursor" }] } };
      expect(await get("/orders", { customerId: "VINET", cursor })).toMatchObject(refused);
      expect(await get("/orders", { customerId: "PAGED", order: "asc", cursor })).toMatchObject(refused);
      expect(await get("/orders", { customerId: "PAGED", order: "desc", cursor })).toMatchObject({ status: 200 });
      const edited = (change: (text: string) => string): string =>
        Buffer.from(change(Buffer.from(cursor, "base64url").toString())).toString("base64url");
      const renamed = edited((text) => text.replace('"generation":"g1"', '"generation":"g0"'));
      expect(renamed).not.toBe(cursor);
      expect(await get("/orders", { customerId: "PAGED", cursor: renamed })).toMatchObject(refused);
      const truncated = edited((text) => text.replace(/"key":\{.*\}\}/, '"key":{}}'));
      expect(truncated).not.toBe(cursor);
      expect(await get("/orders", { customerId: "PAGED", cursor: truncated })).toMatchObject(refused);
    });
  });

  describe("GET /views/sales-by-month", () => {
    it("tells every digit of a sum that is larger than a number holds exactly", async () => {
      const line = {
        productId: "11",
        quantity: 100_000,
        unitPrice: { amount: 999_999_999, currency: "USD" },
        discountPercent: 0,
      };
      const change = { orderedAt: "2099-01-01T00:00:00Z", lines: Array.from({ length: 90 }, () => line) };
      for (const orderId of ["giant-1", "giant-2", "giant-3"]) await place(orderId, change);
      await catchUp();
      const path = "/views/sales-by-month";
      const sales = async (): Promise<unknown> => (await answerOf(functions.sales, { method: "GET", path })).body;
      const sum = 3n * 90n * 100_000n * 999_999_999n;
      expect(await sales()).toContain(`{"month":"2099-01","orders":3,"revenue":{"amount":${sum},"currency":"USD"}}`);
      for (const orderId of ["giant-1", "giant-2", "giant-3"]) await cancel(orderId);
      await catchUp();
      expect(await sales()).not.toContain("2099-01");
    });

    it("sums orders and revenue by month, ascending, and leaves out a month whose orders are all cancelled", async () => {
      const before = (await get("/views/sales-by-month")).body as { items: { month: string }[] };
      const own = (items: { month: string }[]): object[] => items.filter(({ month }) => month.startsWith("2001"));
      expect(own(before.items)).toStrictEqual([]);
      await place("s1", { orderedAt: "2001-12-31T23:59:59Z" });
      await place("s2", { orderedAt: "2001-02-01T00:00:00Z" });
      await place("s3", { orderedAt: "2001-02-28T00:00:00Z" });
      await place("s4", { orderedAt: "2001-05-01T00:00:00Z" });
      await cancel("s3");
      await cancel("s4");
      await catchUp();
      const { items } = (await get("/views/sales-by-month")).body as { items: { month: string }[] };
      expect(own(items)).toStrictEqual([
        { month: "2001-02", orders: 1, revenue: { amount: 15_120, currency: "USD" } },
        { month: "2001-12", orders: 1, revenue: { amount: 15_120, currency: "USD" } },
      ]);
      expect(items.map(({ month }) => month)).toStrictEqual(items.map(({ month }) => month).toSorted());
    });

    it("takes no parameters", async () => {
      expect(await get("/views/sales-by-month", { month: "1996-07" })).toMatchObject({
        status: 400,
        body: { errors: [{ field: "month" }] },
      });
    });
  });
});

async function loadFunctions() {
  const { views, catalogTable } = await import("../../functions/dynamodb-connection.ts");
  return {
    views,
    catalogTable,
    ordering: (await import("../../functions/ordering.ts")).handler,
    getOrder: (await import("../../functions/get-order.ts")).handler,
    listOrders: (await import("../../functions/list-orders.ts")).handler,
    sales: (await import("../../functions/sales-by-month.ts")).handler,
  };
}
