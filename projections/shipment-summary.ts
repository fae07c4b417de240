import { logisticsEventTypes } from "../domain/logistics/events.ts";
import { defineOnePerStreamProjection } from "../engine/views/projection.ts";

/** One row a shipment: which goods of which order, with whom they travel, and how that ended. */
export const shipmentSummary = defineOnePerStreamProjection({
  name: "shipment-summary",
  version: 1,
  category: "shipment",
  eventTypes: logisticsEventTypes,
  rowOf: (shipmentId) => ({ partition: shipmentId, sort: "shipment" }),
  on: {
    ShipmentScheduled: ({ data: { shipmentId, orderId, customerId, items } }) => ({
      set: { shipmentId, orderId, customerId, items: items.map((item) => ({ ...item })), status: "scheduled" },
    }),
    ShipmentDispatched: ({ data: { carrier, freight, dispatchedAt } }) => ({
      set: { status: "dispatched", carrier, freight: { ...freight }, dispatchedAt },
    }),
    ShipmentDelivered: ({ data: { deliveredAt } }) => ({ set: { status: "delivered", deliveredAt } }),
    ShipmentCancelled: ({ data: { reason } }) => ({ set: { status: "cancelled", reason } }),
    ShipmentLost: ({ data: { reason } }) => ({ set: { status: "lost", reason } }),
  },
});
