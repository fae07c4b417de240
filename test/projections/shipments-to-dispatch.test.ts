/** A shipment stands in the work list from its scheduling until it leaves or is cancelled, in its turn. */
import { expect, it } from "vitest";
import { shipmentsToDispatch } from "../../projections/shipments-to-dispatch.ts";
import { rowAfter, type StreamEvent } from "./row-of-events.ts";

const ids = { shipmentId: "10248", orderId: "10248", customerId: "VINET" };
const items = [{ productId: "11", quantity: 12 }];
const usd = (amount: number) => ({ amount, currency: "USD" });

const scheduled = { type: "ShipmentScheduled", data: { ...ids, items, currency: "USD" } };
const dispatched = {
  type: "ShipmentDispatched",
  data: { ...ids, carrier: "Speedy Express", freight: usd(10), dispatchedAt: "1996-07-16T00:00:00.000Z" },
};
const cancelled = { type: "ShipmentCancelled", data: { ...ids, reason: "out of stock", cancelledFrom: "scheduled" } };
const delivered = { type: "ShipmentDelivered", data: { ...ids, deliveredAt: "1996-07-19T00:00:00.000Z" } };

const rowsOf = (...events: readonly StreamEvent[]) => rowAfter(shipmentsToDispatch, ids.shipmentId, events);

it("appears when it is scheduled, with its place in the log as text that is ordered like the number", () => {
  expect(rowsOf(scheduled)).toStrictEqual({
    key: "10248/shipment",
    row: { ...ids, items, queue: "to-dispatch", place: "0".repeat(20) },
  });
});

it.each([
  ["it is dispatched", [dispatched]],
  ["it is dispatched and delivered", [dispatched, delivered]],
  ["it is cancelled", [cancelled]],
])("disappears when %s", (_, events) => {
  expect(rowsOf(scheduled, ...events).row).toStrictEqual({});
});
