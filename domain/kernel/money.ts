/**
 * Money as an integer count of a currency's minor unit (cents for USD). Arithmetic is exact: it goes through bigint and
 * refuses a result that a JSON number could not hold, instead of losing a cent silently.
 */
export interface Money {
  /** Whole minor units; a safe integer. */
  readonly amount: number;
  /** ISO 4217 alphabetic code. */
  readonly currency: string;
}

export class MoneyError extends Error {
  readonly code = "MONEY_NOT_EXACT";
  override readonly name = "MoneyError";
}

/** Throws {@link MoneyError}, as all of these do, for two currencies and for a result that is not exact. */
export function addMoney(left: Money, right: Money): Money {
  return { amount: exact(BigInt(left.amount) + inCurrencyOf(left, right)), currency: left.currency };
}

/** What is left of `left` after `right` is taken out; below zero when that is more than there was. */
export function subtractMoney(left: Money, right: Money): Money {
  return { amount: exact(BigInt(left.amount) - inCurrencyOf(left, right)), currency: left.currency };
}

/** Whether `left` is more than `right`; equal amounts are not. */
export function isMore(left: Money, right: Money): boolean {
  return BigInt(left.amount) > inCurrencyOf(left, right);
}

export function zeroMoney(currency: string): Money {
  return { amount: 0, currency };
}

/** Same amount in the same currency. Nothing in one currency is not nothing in another. */
export function sameMoney(left: Money, right: Money): boolean {
  return left.currency === right.currency && left.amount === right.amount;
}

/** As people read it in a message, in minor units: `15120 minor units of USD`. */
export function moneyText({ amount, currency }: Money): string {
  return `${amount} minor units of ${currency}`;
}

/**
 * `price` x `quantity` less `discountPercent`, rounded half up to the minor unit.
 * Half up is what the published Northwind totals use; it is applied once per line, never to a sum.
 */
export function discountedPrice(price: Money, quantity: number, discountPercent: number): Money {
  const hundredths = BigInt(price.amount) * BigInt(quantity) * BigInt(100 - discountPercent);
  return { amount: exact((hundredths + 50n) / 100n), currency: price.currency };
}

function inCurrencyOf({ currency }: Money, money: Money): bigint {
  if (money.currency === currency) return BigInt(money.amount);
  throw new MoneyError(`${money.currency} does not go with ${currency}: convert one of them first`);
}

function exact(amount: bigint): number {
  if (amount > BigInt(Number.MAX_SAFE_INTEGER) || amount < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new MoneyError(`${amount.toString()} minor units do not fit an exact number: split the sum`);
  }
  return Number(amount);
}
