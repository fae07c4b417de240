import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addMoney,
  discountedPrice,
  isMore,
  moneyText,
  MoneyError,
  sameMoney,
  subtractMoney,
  zeroMoney,
} from "../../../domain/kernel/money.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });
const eur = (amount: number) => ({ amount, currency: "EUR" });

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

describe("adding and subtracting money", () => {
  it("is exact up to the largest amount that a JSON number can hold, and down to the smallest", () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(addMoney(usd(most - 1), usd(1))).toStrictEqual(usd(most));
    expect(subtractMoney(usd(1 - most), usd(1))).toStrictEqual(usd(-most));
    expect(subtractMoney(usd(5), usd(7))).toStrictEqual(usd(-2));
    expect(subtractMoney(usd(7), usd(7))).toStrictEqual(zeroMoney("USD"));
  });

  it("refuses two currencies, even of nothing", () => {
    const error = new MoneyError("EUR does not go with USD: convert one of them first");
    expect(error.code).toBe("MONEY_NOT_EXACT");
    expect(() => addMoney(usd(1), eur(1))).toThrow(error);
    expect(() => subtractMoney(usd(1), eur(0))).toThrow(error);
    expect(() => isMore(usd(1), eur(0))).toThrow(error);
  });

  it("refuses a result that a JSON number cannot hold", () => {
    const error = new MoneyError("9007199254740992 minor units do not fit an exact number: split the sum");
    expect(() => addMoney(usd(Number.MAX_SAFE_INTEGER), usd(1))).toThrow(error);
    expect(() => subtractMoney(usd(Number.MAX_SAFE_INTEGER), usd(-1))).toThrow(error);
    expect(() => subtractMoney(usd(Number.MIN_SAFE_INTEGER), usd(1))).toThrow(MoneyError);
  });
});

describe("comparing money", () => {
  it("finds more only where there is more", () => {
    expect([isMore(usd(2), usd(1)), isMore(usd(1), usd(1)), isMore(usd(0), usd(1))]).toStrictEqual([
      true,
      false,
      false,
    ]);
  });

  it("finds the same only in the same currency", () => {
    expect(sameMoney(usd(1), usd(1))).toBe(true);
    expect(sameMoney(usd(1), usd(2))).toBe(false);
    expect(sameMoney(usd(0), eur(0))).toBe(false);
  });

  it("is told in minor units, which need no table of currencies", () => {
    expect(moneyText(usd(15_120))).toBe("15120 minor units of USD");
  });
});
