import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addMoney, discountedPrice, MoneyError } from "../../../domain/kernel/money.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("a discounted price", () => {
  it.each([
    [1400, 12, 0, 16800],
    [1, 1, 50, 1],
    [1, 1, 51, 0],
    [5, 1, 10, 5],
    [15, 3, 15, 38],
    [999, 7, 100, 0],
  ])("of %i x %i less %i %% is %i", (price, quantity, discount, total) => {
    expect(discountedPrice(usd(price), quantity, discount)).toStrictEqual(usd(total));
  });

  it("is never more than half a minor unit away from the exact value", () => {
    const amount = fc.integer({ min: 0, max: 1_000_000_000 });
    fc.assert(
      fc.property(
        amount,
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 0, max: 100 }),
        (price, quantity, percent) => {
          const total = BigInt(discountedPrice(usd(price), quantity, percent).amount);
          const twiceTheError = 2n * (total * 100n - BigInt(price) * BigInt(quantity) * BigInt(100 - percent));
          expect(twiceTheError > -100n && twiceTheError <= 100n).toBe(true);
        },
      ),
    );
  });
});

describe("adding money", () => {
  it("refuses two currencies", () => {
    expect(() => addMoney(usd(1), { amount: 1, currency: "EUR" })).toThrow(MoneyError);
  });

  it("refuses a sum that a JSON number cannot hold", () => {
    expect(() => addMoney(usd(Number.MAX_SAFE_INTEGER), usd(1))).toThrow(MoneyError);
  });
});
