/** What each event of an order changes in the sums of sales-by-month. */
import { describe, expect, it } from "vitest";
import { EventNotUnderstoodError } from "../../engine/event-store/errors.ts";
import { monthAndCurrency, salesByMonth, salesPartition } from "../../projections/sales-by-month.ts";
import {
  cancelled,
  cancelledAfterConfirmation,
  changesFor,
  completed,
  confirmed,
  placed,
  rejected,
} from "./order-events.ts";

const order = { orderId: "10248" };

const sale = (month: string, orders: number, revenue: number, currency = "USD") => {
  const key = { partition: "months", sort: `${month}#${currency}` };
  return [{ key, change: { key, add: { orders, revenue } } }];
};

describe("sales-by-month", () => {
  it("reads orders, and many share a row", () => {
    const { name, version, categories, rows, indexes } = salesByMonth;
    expect({ name, version, categories, rows, indexes }).toStrictEqual({
      name: "sales-by-month",
      version: 1,
      categories: ["order"],
      rows: "shared",
      indexes: undefined,
    });
    expect(salesPartition).toBe("months");
  });

  it("adds an order to its month and currency", () => {
    expect(changesFor(salesByMonth, placed(order))).toStrictEqual(sale("1996-07", 1, 15_120));
    expect(changesFor(salesByMonth, placed({ ...order, amount: 7, currency: "EUR" }))).toStrictEqual(
      sale("1996-07", 1, 7, "EUR"),
    );
  });

  it.each([
    ["cancelled", cancelled(order, "too late")],
    ["cancelled after it was confirmed", cancelledAfterConfirmation(order)],
    ["rejected", rejected(order)],
  ])("takes an order that is %s out of the month it was added to", (_how, event) => {
    expect(changesFor(salesByMonth, event)).toStrictEqual(sale("1996-07", -1, -15_120));
  });

  it("counts an order that is confirmed or completed once, as placed", () => {
    expect(changesFor(salesByMonth, confirmed(order))).toStrictEqual([]);
    expect(changesFor(salesByMonth, completed(order))).toStrictEqual([]);
  });

  it.each([
    ["1996-07-01T01:59:59+02:00", "1996-06"],
    ["1996-06-30T23:59:59.999Z", "1996-06"],
    ["1996-07-01T00:00:00Z", "1996-07"],
    ["1996-12-31T23:00:00-02:00", "1997-01"],
  ])("counts %s in UTC: %s", (orderedAt, month) => {
    expect(changesFor(salesByMonth, placed({ ...order, orderedAt }))).toStrictEqual(sale(month, 1, 15_120));
    expect(changesFor(salesByMonth, cancelled({ ...order, orderedAt }))).toStrictEqual(sale(month, -1, -15_120));
  });

  it("counts an order that was for free", () => {
    expect(changesFor(salesByMonth, placed({ ...order, amount: 0 }))).toStrictEqual(sale("1996-07", 1, 0));
  });

  it("changes nothing for other events of an order", () => {
    expect(changesFor(salesByMonth, { type: "OrderShipped", data: {} })).toStrictEqual([]);
  });

  it("refuses an event that is not what its type says", () => {
    for (const type of ["OrderPlaced", "OrderRejected", "OrderCancelled"]) {
      expect(() => changesFor(salesByMonth, { type, data: { orderId: "10248" } })).toThrow(EventNotUnderstoodError);
    }
  });

  it("tells month and currency from a row's key", () => {
    expect(monthAndCurrency("1996-07#USD")).toStrictEqual({ month: "1996-07", currency: "USD" });
  });
});
