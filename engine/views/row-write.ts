/**
 * What a sequence of changes does to one row, as one write. Composing changes is the whole semantics of a view: replay
 * composes onto an empty row and stores the result; live delivery composes a batch and sends it as one update.
 */
import {
  isKept,
  keptNames,
  type OwnedRowChange,
  type RowAttributes,
  type RowValue,
  type KeyedRowChange,
} from "./projection.ts";

/** What happens to a row, whoever touches it. */
export type RowChange = OwnedRowChange | Omit<KeyedRowChange, "key">;

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
export function andThen(write: RowWrite, change: RowChange): RowWrite {
  if ("delete" in change) return emptyRow;
  const { set = {}, add = {}, remove = [] } = change;
  return composed(write, Object.entries(set), Object.entries(add), remove);
}

function composed(
  write: RowWrite,
  set: Iterable<readonly [string, RowValue]>,
  add: Iterable<readonly [string, number | bigint]>,
  remove: Iterable<string>,
): RowWrite {
  const draft = {
    replace: write.replace,
    set: new Map(write.set),
    add: new Map(write.add),
    remove: new Set(write.remove),
  };
  for (const [name, value] of set) {
    checkName(name);
    draft.set.set(name, value);
    draft.add.delete(name);
    draft.remove.delete(name);
  }
  for (const [name, amount] of add) {
    checkName(name);
    const present = draft.set.get(name);
    if (present !== undefined) draft.set.set(name, sum(name, present, amount));
    else if (draft.replace || draft.remove.delete(name)) draft.set.set(name, sum(name, 0, amount));
    else draft.add.set(name, sum(name, draft.add.get(name) ?? 0, amount));
  }
  for (const name of remove) {
    checkName(name);
    draft.set.delete(name);
    draft.add.delete(name);
    if (!draft.replace) draft.remove.add(name);
  }
  return draft;
}

/**
 * `write`, then `next`, which changes other attributes or was made after it: two streams' writes of one row, or two of one.
 * `next` does not replace the row.
 */
export function andThenWrite(write: RowWrite, { set, add, remove }: RowWrite): RowWrite {
  return composed(write, set, add, remove);
}

/** Whether the change sets or removes: in a shared row only the stream that owns it may. */
export function setsOwned(change: RowChange): boolean {
  if ("delete" in change) return true;
  return Object.keys(change.set ?? {}).length > 0 || (change.remove ?? []).length > 0;
}

/** The owner of a shared row after `stream` has set its attributes. Throws {@link RowChangeError} when it is another's. */
export function checkedOwner(owner: string | undefined, stream: string): string {
  if (owner === undefined || owner === stream) return stream;
  throw new RowChangeError(
    `stream ${stream} sets attributes of a row that stream ${owner} owns: give each row one owner`,
  );
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
export function checkChange(change: RowChange): void {
  if ("delete" in change) return;
  for (const [name, value] of Object.entries(change.set ?? {})) {
    checkName(name);
    checkValue(name, value);
  }
  for (const [name, amount] of Object.entries(change.add ?? {})) {
    checkName(name);
    checkValue(name, amount);
  }
  for (const name of change.remove ?? []) checkName(name);
}

/**
 * Throws {@link RowChangeError} for a change of a shared row that would not commute with those of other streams: one that sets or
 * removes what is not `owned`, or adds to what is.
 */
export function checkOwnership(change: Omit<KeyedRowChange, "key">, owned: readonly string[] = []): void {
  for (const name of [...Object.keys(change.set ?? {}), ...(change.remove ?? [])]) {
    if (owned.includes(name)) continue;
    throw new RowChangeError(`attribute "${name}" is not owned, and streams in no order cannot set it: add, or own it`);
  }
  for (const name of Object.keys(change.add ?? {})) {
    if (!owned.includes(name)) continue;
    throw new RowChangeError(`attribute "${name}" is owned: it is set by one stream, and none can add to it`);
  }
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
  if (isKept(name)) throw new RowChangeError(`attribute name "${name}": ${keptNames}`);
}
