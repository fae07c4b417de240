import { logisticsEventTypes } from "../domain/logistics/events.ts";
import { defineOnePerStreamProjection } from "../engine/views/projection.ts";

/**
 * The work list of the warehouse, in one partition, which takes about a thousand changes a second on DynamoDB. A shipment comes
 * in the order in which it was scheduled, by its place in the log: the event has no date of its own.
 */
export const queueList = { name: "by-queue", partition: "queue", sort: "place" } as const;

/** The one queue there is. */
export const toDispatch = "to-dispatch";

const { ShipmentScheduled, ShipmentDispatched, ShipmentCancelled } = logisticsEventTypes;

/** One row a shipment that is scheduled and not dispatched: it appears, and disappears when it leaves or is cancelled. */
export const shipmentsToDispatch = defineOnePerStreamProjection({
  name: "shipments-to-dispatch",
  version: 1,
  category: "shipment",
  // A shipment that is delivered or lost was dispatched before.
  eventTypes: { ShipmentScheduled, ShipmentDispatched, ShipmentCancelled },
  rowOf: (shipmentId) => ({ partition: shipmentId, sort: "shipment" }),
  indexes: [queueList],
  on: {
    ShipmentScheduled: ({ data: { shipmentId, orderId, customerId, items }, position }) => ({
      set: {
        shipmentId,
        orderId,
        customerId,
        items: items.map((item) => ({ ...item })),
        queue: toDispatch,
        // A 64-bit number has at most 20 digits; as text it is ordered like the number.
        place: position.commit.toString().padStart(20, "0"),
      },
    }),
    ShipmentDispatched: () => ({ delete: true }),
    ShipmentCancelled: () => ({ delete: true }),
  },
});
