/** What an order adds to the rows of its products. */
import { describe, expect, it } from "vitest";
import { maximumLines } from "../../domain/ordering/commands.ts";
import { attributesOf, changeRow, type PlainRow } from "../../engine/consistency/plain-row.ts";
import { maximumTransactionItems } from "../../engine/views/stream-write.ts";
import { productAndCurrency, productSales } from "../../projections/product-sales.ts";
import {
  cancelled,
  changesFor,
  completed,
  confirmed,
  type OrderEventForTest,
  placed,
  rejected,
} from "./order-events.ts";

const order = { orderId: "10248" };

/** Rows by their sort key. */
function rowsAfter(event: OrderEventForTest): object {
  const rows = new Map<string, PlainRow>();
  for (const { key, change } of changesFor(productSales, event)) {
    expect(key.partition).toBe("products");
    const empty: PlainRow = new Map();
    const row = rows.get(key.sort) ?? empty;
    changeRow(row, change);
    rows.set(key.sort, row);
  }
  return Object.fromEntries([...rows].map(([sort, row]) => [sort, attributesOf(row)]));
}

describe("product-sales", () => {
  it("reads orders, and many share a row", () => {
    const { name, version, categories, rows } = productSales;
    expect({ name, version, categories, rows }).toStrictEqual({
      name: "product-sales",
      version: 1,
      categories: ["order"],
      rows: "shared",
    });
  });

  it("adds each line to its product, less the discount, and counts an order of two lines of one product once", () => {
    const line = { orderedQuantity: 12, orderedRevenue: 15_120, ordersPlaced: 1 };
    expect(rowsAfter(placed({ ...order, products: ["11", "42", "11"] }))).toStrictEqual({
      "11#USD": { orderedQuantity: 24, orderedRevenue: 30_240, ordersPlaced: 1 },
      "42#USD": line,
    });
    expect(rowsAfter(placed({ ...order, amount: 7, currency: "EUR" }))).toStrictEqual({
      "11#EUR": { ...line, orderedRevenue: 7 },
    });
  });

  it.each([
    ["rejected", rejected(order)],
    ["cancelled", cancelled(order)],
    ["confirmed", confirmed(order)],
    ["completed", completed(order)],
  ])("keeps what was ordered, also of an order that is %s", (_, event) => {
    expect(changesFor(productSales, event)).toStrictEqual([]);
  });

  it("takes the longest order there can be, all of different products, in one transaction", () => {
    const products = Array.from({ length: maximumLines }, (_, index) => `p${index}`);
    expect(Object.keys(rowsAfter(placed({ ...order, products }))).length).toBe(maximumLines);
    expect(maximumLines).toBeLessThan(maximumTransactionItems);
  });

  it("tells product and currency from a row's key", () => {
    expect(productAndCurrency("a.b_c~d-1#USD")).toStrictEqual({ productId: "a.b_c~d-1", currency: "USD" });
  });
});
