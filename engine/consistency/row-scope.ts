/** Which rows a check looks at, where it does not look at all of them. */
import { hash } from "node:crypto";
import type { RowKey } from "../views/projection.ts";
import { isNamedBy } from "./row-name.ts";

export interface RowScope {
  /**
   * Whether the row is wanted, `text` naming its item. Asked for every event that touches it, from the first on: who says no
   * once must not say yes later, for then the first events would be missing.
   */
  has(text: string, key: RowKey): boolean;
  /** Whether a guard that is an item of its own is wanted for itself, none unless told; those of streams that touch a wanted row always are. */
  hasGuard?(text: string): boolean;
  /** One of the parts of a check of all rows: guards of streams that touch its rows are read, but judged in the part that has them. */
  readonly isPart?: true;
}

/** The row, or the rows, that a person names. */
export function rowsNamed(asked: string): RowScope {
  return { has: (_, key) => isNamedBy(key, asked) };
}

/** Of rows and guards by chance, as of a hash, so many: each is in exactly one. */
export interface Part {
  readonly index: number;
  readonly of: number;
}

export const wholeView: Part = { index: 0, of: 1 };

/** It in equal pieces, as many as are needed for each to be so many times smaller; two at least. */
export function piecesOf({ index, of }: Part, times: number): readonly Part[] {
  const pieces = 2 ** Math.max(1, Math.ceil(Math.log2(times)));
  return Array.from({ length: pieces }, (_, piece) => ({ index: index + piece * of, of: pieces * of }));
}

export function rowsOfPart({ index, of }: Part): RowScope {
  const has = (text: string): boolean => Number.parseInt(hash("sha256", text).slice(0, 8), 16) % of === index;
  return { has, hasGuard: has, isPart: true };
}
