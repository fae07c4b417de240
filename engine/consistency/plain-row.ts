/**
 * What changes do to a row, said a second time and more simply than in `row-write.ts`: what verifies and checks a view must
 * not share the code that made it, or a mistake there would prove itself right.
 */
import { isDeepStrictEqual } from "node:util";
import type { RowAttributes, RowValue } from "../views/projection.ts";
import type { RowChange } from "../views/row-write.ts";

/** The attributes of a row; a row without any is not there for a reader. */
export type PlainRow = Map<string, RowValue>;

export function changeRow(row: PlainRow, change: RowChange): void {
  if ("delete" in change) {
    row.clear();
    return;
  }
  for (const [name, value] of Object.entries(change.set ?? {})) row.set(name, value);
  for (const [name, amount] of Object.entries(change.add ?? {})) {
    const before = row.get(name) ?? 0;
    if (typeof before !== "number" && typeof before !== "bigint") {
      throw new TypeError(`"${name}" holds no number to add to`);
    }
    // Also turns -0, which DynamoDB cannot hold, into 0.
    row.set(name, asStored(BigInt(before) + BigInt(amount)));
  }
  for (const name of change.remove ?? []) row.delete(name);
}

export function attributesOf(row: PlainRow | undefined): RowAttributes {
  return Object.fromEntries(row ?? []);
}

/** Exact, nested values included; the order of attributes does not count. */
export function isSameRow(expected: RowAttributes, actual: RowAttributes): boolean {
  return isDeepStrictEqual(asStored(expected), actual);
}

/** Numbers as a table gives them back: none is -0, and those that are exact as a `number` are one. */
function asStored(value: RowValue): RowValue {
  if (typeof value === "number") return value + 0;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(asStored);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asStored(inner)]));
}
