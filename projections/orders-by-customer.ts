import { type OrderFacts, orderingEventTypes } from "../domain/ordering/events.ts";
import { defineSharedProjection, type RowKey, type SharedRowChange } from "../engine/views/projection.ts";

const owned = ["orderId", "orderedAt", "status", "total"] as const;

/**
 * The orders of each customer by business date, as rows of the table itself and not of an index: a page of it holds every order
 * that has arrived in the view. Other than in `order-summary`, an order's key is made of what its events say and not of its
 * stream's name; so its rows are shared, though each belongs to one order alone.
 */
export const ordersByCustomer = defineSharedProjection({
  name: "orders-by-customer",
  version: 1,
  categories: ["order"],
  owned,
  eventTypes: orderingEventTypes,
  on: {
    OrderPlaced: ({ data }) => [order(data, "placed")],
    OrderConfirmed: ({ data }) => [order(data, "confirmed")],
    OrderRejected: ({ data }) => [order(data, "rejected")],
    OrderCancelled: ({ data }) => [order(data, "cancelled")],
    OrderCompleted: ({ data }) => [order(data, "completed")],
  },
});

type Status = "placed" | "confirmed" | "rejected" | "cancelled" | "completed";

function order(facts: OrderFacts, status: Status): SharedRowChange<(typeof owned)[number]> {
  const { orderId, orderedAt, total } = facts;
  return { key: orderOfCustomerKey(facts), set: { orderId, orderedAt, status, total: { ...total } } };
}

/** Two orders of one customer may bear the same date; the id makes the place in the list unique. */
function orderOfCustomerKey({ customerId, orderedAt, orderId }: OrderFacts): RowKey {
  return { partition: customerId, sort: `${orderedAt}#${orderId}` };
}
