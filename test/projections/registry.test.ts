/** The registry names every view once, and all versions of one. */
import { expect, it } from "vitest";
import { orderSummary } from "../../projections/order-summary.ts";
import { projections, UnknownViewError, versionsOf, viewNames } from "../../projections/registry.ts";
import { salesByMonth } from "../../projections/sales-by-month.ts";

it("knows the views and their versions", () => {
  expect(viewNames).toStrictEqual(["order-summary", "sales-by-month"]);
  expect(versionsOf("order-summary")).toStrictEqual([orderSummary]);
  expect(versionsOf("sales-by-month")).toStrictEqual([salesByMonth]);
});

it("has no version of a view twice: a generation could not tell which one writes it", () => {
  const named = projections.map(({ name, version }) => `${name} ${version}`);
  expect(named).toStrictEqual([...new Set(named)]);
});

it("refuses a view that it does not know, and says which there are", () => {
  const error = new UnknownViewError('there is no view "sales": use one of order-summary, sales-by-month');
  expect(error.code).toBe("UNKNOWN_VIEW");
  expect(() => versionsOf("sales")).toThrow(error);
});
