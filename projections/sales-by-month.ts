import type { Money } from "../domain/kernel/money.ts";
import { orderingEventTypes } from "../domain/ordering/events.ts";
import { defineSharedProjection, type RowKey, type SharedRowChange } from "../engine/views/projection.ts";

// Being confirmed or completed changes no sum: a type that is not listed is skipped.
const { OrderPlaced, OrderRejected, OrderCancelled } = orderingEventTypes;

/** Orders that stand and their revenue, by month of the business date (UTC) and currency. */
export const salesByMonth = defineSharedProjection({
  name: "sales-by-month",
  version: 1,
  categories: ["order"],
  eventTypes: { OrderPlaced, OrderRejected, OrderCancelled },
  on: {
    OrderPlaced: ({ data }) => [sale(data, 1)],
    OrderRejected: ({ data }) => [sale(data, -1)],
    OrderCancelled: ({ data }) => [sale(data, -1)],
  },
});

/** All months lie in one partition: a view of a few hundred rows that is read whole, in order. */
export const salesPartition = "months";

function sale(order: { readonly orderedAt: string; readonly total: Money }, sign: 1 | -1): SharedRowChange {
  return {
    key: salesKey(order.orderedAt.slice(0, "1996-07".length), order.total.currency),
    add: { orders: sign, revenue: sign * order.total.amount },
  };
}

function salesKey(month: string, currency: string): RowKey {
  return { partition: salesPartition, sort: `${month}#${currency}` };
}

/** What a row's sort key says: the month as `1996-07` and the currency. */
export function monthAndCurrency(sort: string): { month: string; currency: string } {
  const [month = "", currency = ""] = sort.split("#");
  return { month, currency };
}
