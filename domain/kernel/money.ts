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

export function addMoney(left: Money, right: Money): Money {
  if (left.currency !== right.currency) {
    throw new MoneyError(`cannot add ${right.currency} to ${left.currency}: convert one of them first`);
  }
  return { amount: exact(BigInt(left.amount) + BigInt(right.amount)), currency: left.currency };
}

/**
 * `price` x `quantity` less `discountPercent`, rounded half up to the minor unit.
 * Half up is what the published Northwind totals use; it is applied once per line, never to a sum.
 */
export function discountedPrice(price: Money, quantity: number, discountPercent: number): Money {
  const hundredths = BigInt(price.amount) * BigInt(quantity) * BigInt(100 - discountPercent);
  return { amount: exact((hundredths + 50n) / 100n), currency: price.currency };
}

function exact(amount: bigint): number {
  if (amount > BigInt(Number.MAX_SAFE_INTEGER) || amount < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new MoneyError(`${amount.toString()} minor units do not fit an exact number: split the sum`);
  }
  return Number(amount);
}
