/**
 * An exact picture of a row that many streams touch, while they go on touching it: the row, the guards of its streams, and
 * the row again. Every write of such a row raises its counter, so with the counter unmoved the guards that were read between
 * are those that the row stands at.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { guardItemKey, type Item, rowItemKey, writesOfItem } from "../views/item.ts";
import type { RowKey } from "../views/projection.ts";
import { type Difference, rowDifference } from "./difference.ts";
import type { History } from "./history.ts";
import { isSameRow } from "./plain-row.ts";
import { foundAttributes, getItems, itemText, readRevisions } from "./table-items.ts";

export type PictureOutcome =
  | { readonly outcome: "agrees" }
  | { readonly outcome: "differs"; readonly difference: Difference }
  | { readonly outcome: "undecided"; readonly why: string };

const maximumTries = 50;
const longestPauseMs = 40;

/**
 * Compares one row with its history. Sound because guards only rise:
 * - A stream whose guard once stood at its head needs no second look: it can have risen only by events after that head.
 * - A picture that does not agree is judged only after the history was brought up to a tail that is younger than it, so that
 *   every event which the row can count is known. Of events that the picture's guards say nothing about (new streams, and
 *   those not looked at twice), a guard that is still below them now was below them then; where one has let them in by now,
 *   nobody can say since when, and another picture is taken.
 *
 * `seen` tells a guard that a stream has once stood at; the floor of its history unless given.
 */
export async function pictureOfRow(
  dynamodb: DynamoDBClient,
  table: string,
  history: History,
  key: RowKey,
  seen: (stream: string) => bigint = (stream) => history.floorOf(stream),
): Promise<PictureOutcome> {
  const rowKey = rowItemKey(key);
  const text = itemText(rowKey);
  const readRow = async (): Promise<Item | undefined> => (await getItems(dynamodb, table, [rowKey])).get(text);
  const readGuards = (streams: readonly string[]): Promise<Map<string, bigint>> =>
    readRevisions(dynamodb, table, new Map(streams.map((stream) => [stream, guardItemKey(stream)])));
  const guards = new Map<string, bigint>();

  for (let tries = 0; tries < maximumTries; tries += 1) {
    if (tries > 0) {
      await sleep(Math.random() * longestPauseMs);
      // Right before the picture and not before the pause: on a row in steady use the picture would always be ahead of it.
      await history.catchUp();
    }
    const closed = new Map<string, bigint>();
    const open: string[] = [];
    for (const stream of history.streamsOf(text)) {
      const guard = guards.get(stream) ?? seen(stream);
      guards.set(stream, guard);
      if (guard === history.headOf(stream)) closed.set(stream, guard);
      else open.push(stream);
    }
    const before = await readRow();
    for (const [stream, guard] of await readGuards(open)) guards.set(stream, guard);
    const after = open.length === 0 ? before : await readRow();
    if ((before === undefined) !== (after === undefined) || writesOfItem(before) !== writesOfItem(after)) continue;

    const actual = foundAttributes(after);
    const isWithinHistory = open.every((stream) => (guards.get(stream) ?? -1n) <= history.headOf(stream));
    const soFar = history.rowAt(text, guards);
    if (soFar.outcome === "unknown") return { outcome: "undecided", why: soFar.why };
    if (isWithinHistory && isSameRow(soFar.attributes, actual)) return { outcome: "agrees" };

    await history.catchUp();
    // The guards of open streams are exact whatever has come since.
    const looked = new Map(closed);
    for (const stream of open) looked.set(stream, history.headOf(stream));
    const unseen = history.touchesAfter(text, looked);
    const now = await readGuards([...unseen.keys()]);
    if ([...unseen].some(([stream, revision]) => (now.get(stream) ?? -1n) >= revision)) continue;
    const expected = history.rowAt(text, guards);
    if (expected.outcome === "unknown") return { outcome: "undecided", why: expected.why };
    const same = isSameRow(expected.attributes, actual);
    const difference = rowDifference(key, expected.attributes, actual, same);
    return difference === undefined ? { outcome: "agrees" } : { outcome: "differs", difference };
  }
  return { outcome: "undecided", why: "it was written too often to be read at rest" };
}
