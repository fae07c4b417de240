/** The limits of what a command may say, at the limit and one past it. */
import { describe, expect, it } from "vitest";
import { discountedPrice } from "../../../domain/kernel/money.ts";
import {
  amountSchema,
  currencySchema,
  maximumQuantity,
  orderIdSchema,
  priceSchema,
  quantitySchema,
  reasonSchema,
} from "../../../domain/kernel/schemas.ts";
import { maximumLines } from "../../../domain/ordering/commands.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("the schemas of the kernel", () => {
  it.each([
    ["a quantity", quantitySchema, [1, 100_000], [0, 100_001, 1.5, -1, "1", NaN]],
    ["a reason", reasonSchema, ["x", "x".repeat(500)], ["", "   ", "x".repeat(501), undefined]],
    ["a price", priceSchema, [usd(0), usd(1_000_000_000)], [usd(-1), usd(1_000_000_001), usd(0.5), { amount: 1 }]],
    ["an amount", amountSchema, [usd(0), usd(9e15)], [usd(-1), usd(9e15 + 1), { ...usd(1), rate: 1 }]],
    ["a currency", currencySchema, ["USD", "EUR"], ["usd", "XYZ", "", "US"]],
    ["an id", orderIdSchema, ["1", "a-b.c_d~e", "x".repeat(64)], ["", "-a", "a b", "x".repeat(65), "a/b"]],
  ])("take %s at its limits, and nothing past them", (_name, schema, good, bad) => {
    for (const value of good) expect(schema.parse(value)).toStrictEqual(value);
    for (const value of bad) expect(schema.safeParse(value).success, JSON.stringify(value)).toBe(false);
  });

  it("take a reason without the space around it", () => {
    expect(reasonSchema.parse("  out of stock\n")).toBe("out of stock");
  });

  it("take as an amount exactly what the largest order comes to", () => {
    const line = discountedPrice(priceSchema.parse(usd(1_000_000_000)), maximumQuantity, 0);
    const largest = usd(line.amount * maximumLines);
    expect(largest).toStrictEqual(usd(9e15));
    expect(amountSchema.parse(largest)).toStrictEqual(largest);
  });
});
