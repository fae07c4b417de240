/** What each event of an order changes in its row of order-summary. */
import { describe, expect, it } from "vitest";
import { EventNotUnderstoodError } from "../../engine/event-store/errors.ts";
import { orderSummary } from "../../projections/order-summary.ts";
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
const key = { partition: "10248", sort: "order" };

describe("order-summary", () => {
  it("reads orders, one row each, listed by customer", () => {
    const { name, version, category, rows, indexes } = orderSummary;
    expect({ name, version, category, rows, indexes }).toStrictEqual({
      name: "order-summary",
      version: 1,
      category: "order",
      rows: "one-per-stream",
      indexes: [{ name: "by-customer", partition: "customerId", sort: "placement" }],
    });
  });

  it("holds what was ordered once an order is placed", () => {
    expect(changesFor(orderSummary, placed(order))).toStrictEqual([
      {
        key,
        change: {
          set: {
            orderId: "10248",
            customerId: "VINET",
            orderedAt: "1996-07-04T00:00:00.000Z",
            placement: "1996-07-04T00:00:00.000Z#10248",
            status: "placed",
            total: { amount: 15_120, currency: "USD" },
            lines: [
              {
                productId: "11",
                quantity: 12,
                unitPrice: { amount: 1_400, currency: "USD" },
                discountPercent: 10,
                total: { amount: 15_120, currency: "USD" },
              },
            ],
          },
        },
      },
    ]);
  });

  it("lists an order at its instant in UTC, whatever zone the event was written with", () => {
    const zoned = placed({ ...order, orderedAt: "1996-07-04T01:30:00+02:00" });
    expect(changesFor(orderSummary, zoned)).toMatchObject([
      { change: { set: { orderedAt: "1996-07-03T23:30:00.000Z", placement: "1996-07-03T23:30:00.000Z#10248" } } },
    ]);
  });

  it.each([
    ["confirmed", confirmed(order)],
    ["completed", completed(order)],
  ])("changes nothing but the status when the order is %s", (status, event) => {
    expect(changesFor(orderSummary, event)).toStrictEqual([{ key, change: { set: { status } } }]);
  });

  it("says why an order is rejected", () => {
    const change = { set: { status: "rejected", rejectionReason: "no credit" } };
    expect(changesFor(orderSummary, rejected(order, "no credit"))).toStrictEqual([{ key, change }]);
  });

  it.each([
    ["version 1", cancelled],
    ["version 2", cancelledAfterConfirmation],
  ])("says why an order is cancelled when it was said, from %s", (_version, event) => {
    const withReason = { set: { status: "cancelled", cancellationReason: "too late" } };
    expect(changesFor(orderSummary, event(order, "too late"))).toStrictEqual([{ key, change: withReason }]);
    expect(changesFor(orderSummary, event(order))).toStrictEqual([{ key, change: { set: { status: "cancelled" } } }]);
  });

  it("finds the row by the stream's name, dashes included", () => {
    expect(changesFor(orderSummary, cancelled({ orderId: "a-b" }), "order-a-b")).toMatchObject([
      { key: { partition: "a-b", sort: "order" } },
    ]);
  });

  it("changes nothing for other events of an order", () => {
    expect(changesFor(orderSummary, { type: "OrderShipped", data: {} })).toStrictEqual([]);
  });

  it("refuses an event that is not what its type says", () => {
    for (const type of ["OrderPlaced", "OrderConfirmed", "OrderRejected", "OrderCancelled", "OrderCompleted"]) {
      expect(() => changesFor(orderSummary, { type, data: { orderId: "10248" } })).toThrow(EventNotUnderstoodError);
    }
  });
});
