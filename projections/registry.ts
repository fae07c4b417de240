/** The projections of this deployment: every version that a generation may still be written by. */
import { pinned, type Projection } from "../engine/views/projection.ts";
import { customerAccount } from "./customer-account.ts";
import { customerSummary } from "./customer-summary.ts";
import fingerprints from "./fingerprints.json" with { type: "json" };
import { invoiceSummary } from "./invoice-summary.ts";
import { orderSummary } from "./order-summary.ts";
import { orderToCash } from "./order-to-cash.ts";
import { ordersByCustomer } from "./orders-by-customer.ts";
import { productSales } from "./product-sales.ts";
import { salesByMonth } from "./sales-by-month.ts";
import { shipmentSummary } from "./shipment-summary.ts";
import { shipmentsToDispatch } from "./shipments-to-dispatch.ts";

/** Versions of one view stand side by side as long as a generation made by them exists. */
export const projections: readonly Projection[] = pinned(fingerprints, [
  orderSummary,
  salesByMonth,
  customerSummary,
  invoiceSummary,
  shipmentSummary,
  shipmentsToDispatch,
  orderToCash,
  customerAccount,
  ordersByCustomer,
  productSales,
]);

export const viewNames: readonly string[] = [...new Set(projections.map(({ name }) => name))];

export class UnknownViewError extends Error {
  readonly code = "UNKNOWN_VIEW";
  override readonly name = "UnknownViewError";
}

/** The deployed versions of a view, at least one. Throws {@link UnknownViewError}. */
export function versionsOf(view: string): readonly [Projection, ...Projection[]] {
  const [first, ...others] = projections.filter(({ name }) => name === view);
  if (first !== undefined) return [first, ...others];
  throw new UnknownViewError(`there is no view "${view}": use one of ${viewNames.join(", ")}`);
}
