/** What commands of several contexts are made of: few ids and small amounts, so that they meet, and the largest there are. */
import fc from "fast-check";

export interface PlainMoney {
  readonly amount: number;
  readonly currency: string;
}

/** Mostly in the currency of the aggregate. */
const currencies = fc.constantFrom("USD", "USD", "USD", "USD", "EUR");

/** From `least` on, to `most` at times. */
export const amounts = (least: number, most: number): fc.Arbitrary<PlainMoney> =>
  fc.record({
    amount: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: least, max: 20 }) },
      { weight: 1, arbitrary: fc.constant(most) },
    ),
    currency: currencies,
  });

export const usd = (amount: number): PlainMoney => ({ amount, currency: "USD" });

export const orderIds = fc.constantFrom("o1", "o2", "o3", "o4");

export const reasons = fc.constantFrom("r", "another reason");

export const instants = fc.constantFrom("1996-07-04T00:00:00.000Z", "9998-12-31T23:59:59.999Z");

/** JSON, there and back: what a store does with whatever it keeps. */
export function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
