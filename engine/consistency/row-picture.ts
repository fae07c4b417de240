/**
 * An exact picture of a row that many streams touch, while they go on touching it: the row, the guards of its streams, and
 * the row again. Every write of such a row raises its counter, so with the counter unmoved the guards that were read between
 * are those that the row stands at.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { attributesOfItem, guardItemKey, guardOfItem, type Item, rowItemKey, writesOfItem } from "../views/item.ts";
import type { RowKey } from "../views/projection.ts";
import { type Difference, rowDifference } from "./difference.ts";
import type { History } from "./history.ts";
import { isSameRow } from "./plain-row.ts";
import { getItems, itemText } from "./table-items.ts";

export type PictureOutcome =
  | { readonly outcome: "agrees" }
  | { readonly outcome: "differs"; readonly difference: Difference }
  | { readonly outcome: "undecided"; readonly why: string };

const maximumTries = 20;
const longestPauseMs = 40;

/**
 * Compares one row with its history. A picture that does not agree is judged only after the history was brought up to a tail
 * that is younger than it, and only if no stream of the row has moved since its guard was read: otherwise it is taken again.
 */
export async function pictureOfRow(
  dynamodb: DynamoDBClient,
  table: string,
  history: History,
  key: RowKey,
): Promise<PictureOutcome> {
  const rowKey = rowItemKey(key);
  const text = itemText(rowKey);
  const readRow = async (): Promise<Item | undefined> => (await getItems(dynamodb, table, [rowKey])).get(text);
  /** Guards as read, and the head that their stream had then. A guard that stood at its head moves only when the head does. */
  const guards = new Map<string, bigint>();
  const headOf = (stream: string): bigint => history.streams.get(stream)?.head.revision ?? -1n;

  for (let tries = 0; tries < maximumTries; tries += 1) {
    if (tries > 0) await sleep(Math.random() * longestPauseMs);
    const heads = new Map([...history.streamsOf(text)].map((stream) => [stream, headOf(stream)]));
    const open = [...heads].filter(([stream, head]) => guards.get(stream) !== head).map(([stream]) => stream);
    const before = await readRow();
    const read = await getItems(dynamodb, table, open.map(guardItemKey));
    const after = await readRow();
    for (const stream of open) {
      guards.set(stream, guardOfItem(read.get(itemText(guardItemKey(stream))))?.revision ?? -1n);
    }
    const stoodStill =
      (before === undefined) === (after === undefined) && writesOfItem(before) === writesOfItem(after);
    if (!stoodStill) {
      await history.catchUp();
      continue;
    }

    const actual = after === undefined ? {} : attributesOfItem(after);
    const isBeyondHistory = [...heads.keys()].some((stream) => (guards.get(stream) ?? -1n) > headOf(stream));
    const expected = history.rowAt(text, guards);
    const hasGrown = (): boolean => {
      const streams = history.streamsOf(text);
      return streams.size !== heads.size || [...heads].some(([stream, head]) => headOf(stream) !== head);
    };
    if (expected.outcome === "unknown") return { outcome: "undecided", why: expected.why };
    if (!isBeyondHistory && isSameRow(expected.attributes, actual)) return { outcome: "agrees" };

    await history.catchUp();
    if (hasGrown()) continue;
    const difference = rowDifference(key, expected.attributes, actual, isSameRow(expected.attributes, actual));
    return difference === undefined ? { outcome: "agrees" } : { outcome: "differs", difference };
  }
  return { outcome: "undecided", why: "it was written too often to be read at rest" };
}
