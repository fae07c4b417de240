import { viewNames } from "../../projections/registry.ts";

/** Rows of two orders as `OrderViews.place` places them: of one customer and one month, without lines. */
const rowsOf = new Map([
  ["order-summary", 2],
  ["sales-by-month", 1],
  ["customer-account", 1],
  ["orders-by-customer", 2],
  ["product-sales", 0],
]);

/** What a check counts of two such orders in each view; nothing in those that read no orders. */
export const twoOrders = viewNames.map((view) => {
  const rows = rowsOf.get(view);
  return rows === undefined ? { view, rows: 0, guards: 0, events: 0 } : { view, rows, guards: 2, events: 2 };
});
