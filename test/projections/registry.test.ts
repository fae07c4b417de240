/** The registry names every view once, and all versions of one. */
import { expect, it } from "vitest";
import { customerAccount } from "../../projections/customer-account.ts";
import { customerSummary } from "../../projections/customer-summary.ts";
import { invoiceSummary } from "../../projections/invoice-summary.ts";
import { orderSummary } from "../../projections/order-summary.ts";
import { orderToCash } from "../../projections/order-to-cash.ts";
import { ordersByCustomer } from "../../projections/orders-by-customer.ts";
import { productSales } from "../../projections/product-sales.ts";
import { projections, UnknownViewError, versionsOf, viewNames } from "../../projections/registry.ts";
import { salesByMonth } from "../../projections/sales-by-month.ts";
import { shipmentSummary } from "../../projections/shipment-summary.ts";
import { shipmentsToDispatch } from "../../projections/shipments-to-dispatch.ts";

const names = [
  "order-summary",
  "sales-by-month",
  "customer-summary",
  "invoice-summary",
  "shipment-summary",
  "shipments-to-dispatch",
  "order-to-cash",
  "customer-account",
  "orders-by-customer",
  "product-sales",
];

it("knows the views and their versions", () => {
  expect(viewNames).toStrictEqual(names);
  // As each file defines it, with what pins its code.
  const defined = [
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
  ];
  expect(names.map(versionsOf).map((versions) => versions.map(({ changes }) => changes))).toStrictEqual(
    defined.map(({ changes }) => [changes]),
  );
  expect(projections.every(({ fingerprints = [] }) => fingerprints.length > 0)).toBe(true);
});

it("has no version of a view twice: a generation could not tell which one writes it", () => {
  const named = projections.map(({ name, version }) => `${name} ${version}`);
  expect(named).toStrictEqual([...new Set(named)]);
});

it("refuses a view that it does not know, and says which there are", () => {
  const error = new UnknownViewError(`there is no view "sales": use one of ${names.join(", ")}`);
  expect(error.code).toBe("UNKNOWN_VIEW");
  expect(() => versionsOf("sales")).toThrow(error);
});
