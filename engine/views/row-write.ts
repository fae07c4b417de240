/**
 * What a sequence of changes does to one row, as one write. Composing changes is the whole semantics of a view: replay
 * composes onto an empty row and stores the result; live delivery composes a batch and sends it as one update.
 */
import type { OwnedRowChange, RowAttributes, RowValue, SharedRowChange } from "./projection.ts";

export interface RowWrite {
  /** The row starts from nothing: what was there before does not count. */
  readonly replace: boolean;
  readonly set: ReadonlyMap<string, RowValue>;
  /** Sums onto attributes that are already there; empty when `replace` is true, which has them in `set`. */
  readonly add: ReadonlyMap<string, number | bigint>;
  readonly remove: ReadonlySet<string>;
}

/** Changes nothing. */
export const noWrite: RowWrite = { replace: false, set: new Map(), add: new Map(), remove: new Set() };

/** The row before its first change. */
export const emptyRow: RowWrite = { ...noWrite, replace: true };

/** The row that holds exactly these attributes. */
export function rowOf(attributes: RowAttributes): RowWrite {
  return { ...emptyRow, set: new Map(Object.entries(attributes)) };
}

export class RowChangeError extends Error {
  readonly code = "ROW_CHANGE";
  override readonly name = "RowChangeError";
}

/** `write`, then `change`. Throws {@link RowChangeError} for a change that no row can take. */
export function andThen(write: RowWrite, change: OwnedRowChange | Pick<SharedRowChange, "add">): RowWrite {
  if ("delete" in change) return emptyRow;
  const draft = {
    replace: write.replace,
    set: new Map(write.set),
    add: new Map(write.add),
    remove: new Set(write.remove),
  };
  for (const [name, value] of Object.entries("set" in change ? (change.set ?? {}) : {})) {
    checkName(name);
    draft.set.set(name, value);
    draft.add.delete(name);
    draft.remove.delete(name);
  }
  for (const [name, amount] of Object.entries(change.add ?? {})) {
    checkName(name);
    const present = draft.set.get(name);
    if (present !== undefined) draft.set.set(name, sum(name, present, amount));
    else if (draft.replace || draft.remove.delete(name)) draft.set.set(name, sum(name, 0, amount));
    else draft.add.set(name, sum(name, draft.add.get(name) ?? 0, amount));
  }
  for (const name of "remove" in change ? (change.remove ?? []) : []) {
    checkName(name);
    draft.set.delete(name);
    draft.add.delete(name);
    if (!draft.replace) draft.remove.add(name);
  }
  return draft;
}

/** Whether a reader sees the row: a row that was never written, or whose last change deleted it, is not there. */
export function hasAttributes(row: RowWrite): boolean {
  return row.set.size > 0 || row.add.size > 0;
}

function sum(name: string, left: RowValue, right: number | bigint): number | bigint {
  if (typeof left !== "number" && typeof left !== "bigint") {
    throw new RowChangeError(`cannot add to "${name}": it holds ${typeof left}, not a number`);
  }
  if (!isExact(left) || !isExact(right)) {
    throw new RowChangeError(
      `cannot add ${right} to "${name}": sums are of whole numbers, so that order cannot matter`,
    );
  }
  const total = typeof left === "number" && typeof right === "number" ? left + right : undefined;
  return Number.isSafeInteger(total) ? (total ?? 0) : asRead(checkedSize(name, BigInt(left) + BigInt(right)));
}

const isExact = (value: number | bigint): boolean => typeof value === "bigint" || Number.isSafeInteger(value);

/** As a row gives it back: a `number` where that is exact. */
function asRead(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** DynamoDB's numbers have at most 38 digits. */
const beyondAnyNumber = 10n ** 38n;

function checkedSize(name: string, value: bigint): bigint {
  if (value < beyondAnyNumber && -value < beyondAnyNumber) return value;
  throw new RowChangeError(`attribute "${name}": ${value} has more than the 38 digits that a table can hold`);
}

/** Throws {@link RowChangeError} for names and values that no row can hold. */
export function checkChange(change: OwnedRowChange | Pick<SharedRowChange, "add">): void {
  if ("delete" in change) return;
  for (const [name, value] of Object.entries("set" in change ? change.set : {})) {
    checkName(name);
    checkValue(name, value);
  }
  for (const [name, amount] of Object.entries(change.add ?? {})) {
    checkName(name);
    checkValue(name, amount);
  }
  if ("remove" in change) for (const name of change.remove) checkName(name);
}

function checkValue(name: string, value: RowValue): void {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RowChangeError(
      `attribute "${name}": ${value} is no safe integer; give whole numbers, larger ones as bigint`,
    );
  }
  if (typeof value === "bigint") checkedSize(name, value);
  if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) checkValue(name, inner);
}

function checkName(name: string): void {
  if (name === "" || name.startsWith("_") || name === "pk" || name === "sk") {
    throw new RowChangeError(`attribute name "${name}": the engine keeps "pk", "sk" and names that start with "_"`);
  }
}
