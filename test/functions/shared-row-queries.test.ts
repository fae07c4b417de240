/** Queries of a customer's account and orders, and of what was ordered of each product, over HTTP on real servers. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { z } from "zod";
import { cancelled, confirmed, type OrderForTest, placed, rejected } from "../projections/order-events.ts";
import { answerOf, invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { OrderViews } from "./order-views.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("queries of rows that many streams touch", () => {
  let views: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    functions = await loadFunctions();
  });

  afterAll(() => views.stop());

  const place = (order: OrderForTest): Promise<void> => views.append(`order-${order.orderId}`, [placed(order)]);

  describe("GET /customers/{customerId}/account", () => {
    const get = (customerId: string): Promise<TestAnswer> =>
      invoke(functions.account, { route: "GET /customers/{customerId}/account", pathParameters: { customerId } });

    const registered = (customerId: string) => ({
      type: "CustomerRegistered",
      data: { customerId, name: "Vins et alcools", creditLimit: usd(500) },
    });
    const account = (customerId: string) => ({
      customerId,
      name: "Vins et alcools",
      status: "active",
      creditLimit: usd(500),
      reserved: usd(0),
    });

    it("shows the customer's credit beside what is open in each currency, and a currency no more when nothing is", async () => {
      const customerId = "VINET";
      await place({ orderId: "a1", customerId, amount: 100 });
      await place({ orderId: "a2", customerId, amount: 20 });
      await place({ orderId: "a3", customerId, amount: 7, currency: "EUR" });
      await views.append("customer-VINET", [registered(customerId)]);
      const [goods, freight, total] = [usd(90), usd(10), usd(100)];
      const [issuedAt, dueAt] = ["1996-07-16T00:00:00.000Z", "1996-08-15T00:00:00.000Z"];
      const invoice = { invoiceId: "a1", orderId: "a1", customerId };
      await views.append("invoice-a1", [
        { type: "InvoiceIssued", data: { ...invoice, goods, freight, total, issuedAt, dueAt } },
        {
          type: "PaymentRecorded",
          data: { ...invoice, paymentId: "p", amount: usd(30), receivedAt: dueAt, open: usd(70) },
        },
      ]);
      await views.deliver();
      const { status, body } = await get(customerId);
      const ofEuro = { currency: "EUR", openOrders: 1, openOrdersTotal: { amount: 7, currency: "EUR" } };
      const ofDollar = { currency: "USD", openOrders: 2, openOrdersTotal: usd(120), receivables: usd(70) };
      expect({ status, body }).toStrictEqual({
        status: 200,
        body: {
          ...account(customerId),
          open: [{ ...ofEuro, receivables: { amount: 0, currency: "EUR" } }, ofDollar],
        },
      });
      await views.append("order-a3", [rejected({ orderId: "a3", customerId, amount: 7, currency: "EUR" })], 0n);
      await views.append("order-a2", [cancelled({ orderId: "a2", customerId, amount: 20 })], 0n);
      await views.deliver();
      expect((await get(customerId)).body).toStrictEqual({
        ...account(customerId),
        open: [{ ...ofDollar, openOrders: 1, openOrdersTotal: usd(100) }],
      });
    });

    it("tells every digit of a sum that is larger than a number holds exactly", async () => {
      await views.append("customer-GIANT", [registered("GIANT")]);
      for (const orderId of ["g1", "g2"]) {
        await place({ orderId, customerId: "GIANT", amount: Number.MAX_SAFE_INTEGER });
      }
      await views.deliver();
      const route = "GET /customers/{customerId}/account";
      const { body } = await answerOf(functions.account, { route, pathParameters: { customerId: "GIANT" } });
      expect(body).toContain('"openOrdersTotal":{"amount":18014398509481982,"currency":"USD"}');
    });

    it("is a 404 for a customer of whom only orders are known, and a 400 for an impossible id", async () => {
      await place({ orderId: "stray", customerId: "NOBODY" });
      await views.deliver();
      expect(await get("NOBODY")).toMatchObject({
        status: 404,
        body: { code: "CUSTOMER_NOT_FOUND", detail: "there is no customer NOBODY" },
      });
      expect(await get("NONE")).toMatchObject({ status: 404, body: { code: "CUSTOMER_NOT_FOUND" } });
      expect(await get("_guard#x")).toMatchObject({ status: 400, body: { errors: [{ field: "customerId" }] } });
    });
  });

  const pageSchema = z.object({ items: z.array(z.record(z.string(), z.unknown())), cursor: z.string().optional() });

  /** All pages, two rows each. */
  async function paged(
    list: (query: Record<string, string>) => Promise<TestAnswer>,
  ): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    let cursor: string | undefined;
    do {
      const page = pageSchema.parse((await list({ limit: "2", ...(cursor === undefined ? {} : { cursor }) })).body);
      expect(page.items.length).toBeLessThanOrEqual(2);
      items.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return items;
  }

  describe("GET /customers/{customerId}/orders", () => {
    const list = (customerId: string, query?: Record<string, string>): Promise<TestAnswer> =>
      invoke(functions.orders, {
        route: "GET /customers/{customerId}/orders",
        pathParameters: { customerId },
        ...(query === undefined ? {} : { query }),
      });

    it("lists a customer's orders as they stand, newest date first or last, page by page", async () => {
      const customerId = "PAGED";
      const dates = ["1996-07-04", "1998-05-06", "1997-01-01", "1997-01-01", "1996-12-31"];
      const orders = dates.map((date, index) => ({
        orderId: `o${index}`,
        customerId,
        orderedAt: `${date}T00:00:00.000Z`,
        amount: 100 + index,
      }));
      for (const order of orders) await place(order);
      await place({ orderId: "other", customerId: "OTHER" });
      await views.append("order-o1", orders.slice(1, 2).map(confirmed), 0n);
      await views.deliver();
      const shown = orders.map(({ orderId, orderedAt, amount }) => ({
        orderId,
        status: orderId === "o1" ? "confirmed" : "placed",
        orderedAt,
        total: usd(amount),
      }));
      const expected = [1, 3, 2, 4, 0].map((index) => shown[index]);
      expect(await paged((query) => list(customerId, query))).toStrictEqual(expected);
      expect(await paged((query) => list(customerId, { ...query, order: "asc" }))).toStrictEqual(expected.toReversed());
      expect((await list(customerId)).body).toStrictEqual({ items: expected });
    });

    it("is empty for a customer without orders", async () => {
      expect((await list("NEVER")).body).toStrictEqual({ items: [] });
    });

    it("refuses what it does not know, and a cursor of another customer", async () => {
      expect(await list("PAGED", { status: "placed" })).toMatchObject({
        status: 400,
        body: { errors: [{ field: "status" }] },
      });
      expect(await list("PAGED", { order: "newest" })).toMatchObject({
        status: 400,
        body: { errors: [{ field: "order", message: "must be asc or desc" }] },
      });
      const cursor = pageSchema.parse((await list("PAGED", { limit: "1" })).body).cursor ?? "";
      expect(await list("PAGED", { cursor })).toMatchObject({ status: 200 });
      expect(await list("OTHER", { cursor })).toMatchObject({ status: 400, body: { code: "CURSOR_INVALID" } });
    });
  });

  describe("GET /views/product-sales", () => {
    const list = (query: Record<string, string>): Promise<TestAnswer> =>
      invoke(functions.products, { method: "GET", path: "/views/product-sales", query });

    it("lists what was ordered by product and currency, page by page, also of an order that was cancelled", async () => {
      await place({ orderId: "p1", amount: 10, products: ["p-7", "p-8", "p-7"] });
      await place({ orderId: "p2", amount: 5, products: ["p-8"] });
      await place({ orderId: "p3", amount: 3, products: ["p-8"], currency: "EUR" });
      await views.append("order-p2", [cancelled({ orderId: "p2", amount: 5 })], 0n);
      await views.deliver();
      const eur = { amount: 3, currency: "EUR" };
      const found = (await paged(list)).filter(({ productId }) => String(productId).startsWith("p-"));
      expect(found).toStrictEqual([
        { productId: "p-7", ordersPlaced: 1, orderedQuantity: 24, orderedRevenue: usd(20) },
        { productId: "p-8", ordersPlaced: 1, orderedQuantity: 12, orderedRevenue: eur },
        { productId: "p-8", ordersPlaced: 2, orderedQuantity: 24, orderedRevenue: usd(15) },
      ]);
    });

    it("refuses a limit that is none", async () => {
      expect(await list({ limit: "0" })).toMatchObject({ status: 400, body: { errors: [{ field: "limit" }] } });
    });
  });
});

async function loadFunctions() {
  return {
    account: (await import("../../functions/get-customer-account.ts")).handler,
    orders: (await import("../../functions/list-customer-orders.ts")).handler,
    products: (await import("../../functions/product-sales.ts")).handler,
  };
}
