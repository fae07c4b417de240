/** What a view must hold: the plain fold of the events, by none of the code that writes views. */
import { rowText } from "../consistency/difference.ts";
import { attributesOf, changeRow, isSameRow, type PlainRow } from "../consistency/plain-row.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Projection, RowAttributes, RowValue } from "../views/projection.ts";
import { changesOf } from "../views/stream-write.ts";

/** Rows by partition and sort key; those that no reader sees are left out. */
export type PlainRows = Readonly<Record<string, RowAttributes>>;

/** In the order in which the events are given. */
export function plainRows(projection: Projection, events: readonly StoredEvent[]): PlainRows {
  const rows = new Map<string, PlainRow>();
  for (const event of events) {
    for (const { key, change } of changesOf(projection, event)) {
      const name = rowText(key);
      const row = rows.get(name) ?? new Map<string, RowValue>();
      changeRow(row, change);
      rows.set(name, row);
    }
  }
  const seen = [...rows].filter(([, row]) => row.size > 0).map(([name, row]) => [name, attributesOf(row)] as const);
  return Object.fromEntries(seen);
}

/** Whether a table that holds `actual` holds just what it must. */
export function areSameRows(expected: PlainRows, actual: PlainRows): boolean {
  const names = Object.keys(expected);
  const isSame = (name: string): boolean => {
    const [wanted, there] = [expected[name], actual[name]];
    return wanted !== undefined && there !== undefined && isSameRow(wanted, there);
  };
  return names.length === Object.keys(actual).length && names.every(isSame);
}
