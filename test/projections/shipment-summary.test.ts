/** What the events of a shipment make of its row in shipment-summary. */
import { describe, expect, it } from "vitest";
import { EventNotUnderstoodError } from "../../engine/event-store/errors.ts";
import { shipmentSummary } from "../../projections/shipment-summary.ts";
import { rowAfter, type StreamEvent } from "./row-of-events.ts";

const ids = { shipmentId: "10248", orderId: "10248", customerId: "VINET" };
const items = [
  { productId: "11", quantity: 12 },
  { productId: "42", quantity: 10 },
];
const freight = { amount: 3_238, currency: "USD" };
const [dispatchedAt, deliveredAt] = ["1996-07-16T00:00:00.000Z", "1996-07-19T00:00:00.000Z"];

const scheduled = { type: "ShipmentScheduled", data: { ...ids, items, currency: "USD" } };
const dispatched = { type: "ShipmentDispatched", data: { ...ids, carrier: "Speedy Express", freight, dispatchedAt } };
const delivered = { type: "ShipmentDelivered", data: { ...ids, deliveredAt } };
const lost = { type: "ShipmentLost", data: { ...ids, reason: "fell into the sea" } };
const cancelled = (cancelledFrom: string) => ({
  type: "ShipmentCancelled",
  data: { ...ids, reason: "the order was cancelled", cancelledFrom },
});

const rowOf = (...events: readonly StreamEvent[]) => rowAfter(shipmentSummary, ids.shipmentId, events);
const key = "10248/shipment";
const newRow = { ...ids, items, status: "scheduled" };
const onTheWay = { ...newRow, status: "dispatched", carrier: "Speedy Express", freight, dispatchedAt };

describe("shipment-summary", () => {
  it("reads shipments, one row each", () => {
    const { name, version, category, rows, indexes } = shipmentSummary;
    expect({ name, version, category, rows, indexes }).toStrictEqual({
      name: "shipment-summary",
      version: 1,
      category: "shipment",
      rows: "one-per-stream",
      indexes: undefined,
    });
  });

  it("shows what is to be sent, with whom it travels and when it arrived", () => {
    expect(rowOf(scheduled)).toStrictEqual({ key, row: newRow });
    expect(rowOf(scheduled, dispatched)).toStrictEqual({ key, row: onTheWay });
    expect(rowOf(scheduled, dispatched, delivered)).toStrictEqual({
      key,
      row: { ...onTheWay, status: "delivered", deliveredAt },
    });
  });

  it("says how a shipment was lost", () => {
    expect(rowOf(scheduled, dispatched, lost)).toStrictEqual({
      key,
      row: { ...onTheWay, status: "lost", reason: "fell into the sea" },
    });
  });

  it("says why a shipment was cancelled, and of one under way with whom it was", () => {
    const end = { status: "cancelled", reason: "the order was cancelled" };
    expect(rowOf(scheduled, cancelled("scheduled"))).toStrictEqual({ key, row: { ...newRow, ...end } });
    expect(rowOf(scheduled, dispatched, cancelled("dispatched"))).toStrictEqual({ key, row: { ...onTheWay, ...end } });
  });

  it("refuses an event that is not what its type says", () => {
    for (const type of Object.keys(shipmentSummary.eventTypes)) {
      expect(() => rowOf({ type, data: { orderId: "1" } })).toThrow(EventNotUnderstoodError);
    }
  });
});
