/** DynamoDB's values as they go over the wire, and what it says of them: what is equal, what is more, what is too large. */
/** What the engine stores; there are no sets and no bytes among it. As the SDK has it, which takes only what may be changed. */
export type Value =
  { S: string } | { N: string } | { BOOL: boolean } | { NULL: boolean } | { M: Record<string, Value> } | { L: Value[] };

export type Item = Readonly<Record<string, Value>>;

/** A request that DynamoDB answers with an error. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** As DynamoDB names it. */
  readonly type: string;
  /** Of a transaction that was cancelled, one for each of its items. */
  readonly reasons: readonly string[] | undefined;

  constructor(type: string, message: string, reasons?: readonly string[]) {
    super(message);
    this.type = type;
    this.reasons = reasons;
  }
}

export const invalid = (message: string): RefusedError => new RefusedError("ValidationException", message);

const mostDigits = 38;
const largestItem = 400 * 1024;

/** Only whole numbers: the engine stores no other, and one that it did would be a mistake. */
export function numberOf(value: Value | undefined): bigint | undefined {
  if (value === undefined || !("N" in value)) return undefined;
  if (!/^-?\d+$/.test(value.N)) throw invalid(`The simulation has whole numbers only, not ${value.N}`);
  return BigInt(value.N);
}

export function numberValue(number: bigint): Value {
  const digits = number.toString().replace(/^-/, "").replace(/0+$/, "");
  if (digits.length <= mostDigits) return { N: number.toString() };
  throw invalid(`Attempting to store more than ${mostDigits} significant digits in a Number`);
}

/** Refuses what no item can hold, and writes numbers in one way. */
export function storable(value: Value): Value {
  if ("N" in value) return numberValue(numberOf(value) ?? 0n);
  if ("M" in value) {
    return { M: Object.fromEntries(Object.entries(value.M).map(([name, inner]) => [name, storable(inner)])) };
  }
  return "L" in value ? { L: value.L.map(storable) } : value;
}

export function checkItemSize(item: Item): void {
  const bytes = Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + sizeOf(value), 0);
  if (bytes > largestItem) throw invalid("Item size has exceeded the maximum allowed size");
}

function sizeOf(value: Value): number {
  if ("S" in value) return Buffer.byteLength(value.S);
  if ("N" in value) return Math.ceil(value.N.length / 2) + 1;
  if ("M" in value) {
    return Object.entries(value.M).reduce((sum, [name, inner]) => sum + Buffer.byteLength(name) + sizeOf(inner) + 1, 3);
  }
  return "L" in value ? value.L.reduce((sum, inner) => sum + sizeOf(inner) + 1, 3) : 1;
}

/** Undefined where the two are of types that are in no order. */
export function compare(left: Value, right: Value): number | undefined {
  const [one, other] = [numberOf(left), numberOf(right)];
  if (one !== undefined && other !== undefined) return one < other ? -1 : one > other ? 1 : 0;
  if ("S" in left && "S" in right) return Buffer.compare(Buffer.from(left.S), Buffer.from(right.S));
  return undefined;
}

export function isEqual(left: Value, right: Value): boolean {
  return compare(left, right) === 0 || JSON.stringify(storable(left)) === JSON.stringify(storable(right));
}
