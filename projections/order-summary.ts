import { orderingEventTypes } from "../domain/ordering/events.ts";
import { defineOnePerStreamProjection } from "../engine/views/projection.ts";

/** One row an order: what it is, what it costs, whether it still stands. Listed by customer, newest business date first. */
export const orderSummary = defineOnePerStreamProjection({
  name: "order-summary",
  version: 1,
  category: "order",
  eventTypes: orderingEventTypes,
  rowOf: (orderId) => ({ partition: orderId, sort: "order" }),
  indexes: [{ name: "by-customer", partition: "customerId", sort: "placement" }],
  on: {
    OrderPlaced: ({ data: { orderId, customerId, orderedAt, lines, total } }) => ({
      set: {
        orderId,
        customerId,
        orderedAt,
        // Two orders of one customer may bear the same date; the id makes the place in the list unique.
        placement: `${orderedAt}#${orderId}`,
        status: "placed",
        total: { ...total },
        lines: lines.map((line) => ({ ...line, unitPrice: { ...line.unitPrice }, total: { ...line.total } })),
      },
    }),
    OrderConfirmed: () => ({ set: { status: "confirmed" } }),
    OrderRejected: ({ data: { reason } }) => ({ set: { status: "rejected", rejectionReason: reason } }),
    OrderCancelled: ({ data: { reason } }) => ({
      set: { status: "cancelled", ...(reason === undefined ? {} : { cancellationReason: reason }) },
    }),
    OrderCompleted: () => ({ set: { status: "completed" } }),
  },
});
