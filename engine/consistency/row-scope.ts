/** Which rows a check looks at, where it does not look at all of them. */
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
}

/** The row, or the rows, that a person names. */
export function rowsNamed(asked: string): RowScope {
  return { has: (_, key) => isNamedBy(key, asked) };
}
