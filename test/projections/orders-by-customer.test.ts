/** Each event of an order puts it where it stands among those of its customer. */
import { expect, it } from "vitest";
import { ordersByCustomer } from "../../projections/orders-by-customer.ts";
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

it("reads orders, and an order's stream owns all of its row", () => {
  const { name, version, categories, owned, rows, indexes } = ordersByCustomer;
  expect({ name, version, categories, owned, rows, indexes }).toStrictEqual({
    name: "orders-by-customer",
    version: 1,
    categories: ["order"],
    owned: ["orderId", "orderedAt", "status", "total"],
    rows: "shared",
    indexes: undefined,
  });
});

it.each([
  ["placed", placed(order)],
  ["confirmed", confirmed(order)],
  ["rejected", rejected(order)],
  ["cancelled", cancelled(order, "too late")],
  ["cancelled", cancelledAfterConfirmation(order)],
  ["completed", completed(order)],
])("an order that is %s is so at its date, and everything else is as before", (status, event) => {
  const [orderId, orderedAt] = ["10248", "1996-07-04T00:00:00.000Z"];
  const key = { partition: "VINET", sort: `${orderedAt}#${orderId}` };
  const set = { orderId, orderedAt, status, total: { amount: 15_120, currency: "USD" } };
  expect(changesFor(ordersByCustomer, event)).toStrictEqual([{ key, change: { key, set } }]);
});

it("orders by instant, whatever zone a date was given in", () => {
  const at = (orderedAt: string) => changesFor(ordersByCustomer, placed({ ...order, orderedAt }))[0]?.key.sort ?? "";
  expect(at("1996-07-04T01:00:00+02:00") < at("1996-07-03T23:30:00Z")).toBe(true);
});
