/**
 * Compares rows of the live view itself with the events, once these had the time to arrive there: a row that has only moved on
 * is right, one that is on its way is told from one that is lost.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { rowDifference } from "../consistency/difference.ts";
import { History } from "../consistency/history.ts";
import { isSameRow } from "../consistency/plain-row.ts";
import { pictureOfRow } from "../consistency/row-picture.ts";
import { Spill, type SpilledMap } from "../consistency/spill.ts";
import { foundAttributes, getItems, itemText } from "../consistency/table-items.ts";
import { guardItemKey, guardOfItem, type Item, rowItemKey } from "../views/item.ts";
import type { RowKey } from "../views/projection.ts";
import { type Late, lateStreams } from "./late-streams.ts";
import type { LiveComparisonOptions, LiveDifference } from "./live-comparison.ts";

/** What is wrong with each of these live rows, by item text; undefined where nothing is. The log is read once for all of them. */
export async function* judgeLiveRows(
  options: LiveComparisonOptions,
  rows: SpilledMap<RowKey>,
): AsyncGenerator<LiveDifference | undefined, void> {
  if (rows.size === 0) return;
  const { dynamodb, eventStore, projection, live, mayGoOn } = options;
  using history = new History({
    eventStore,
    projection,
    generation: live,
    floorOf: () => -1n,
    only: rows,
    onEvents: mayGoOn,
  });
  await history.catchUp();
  using spill = new Spill();
  const late = await lateStreams({ ...options, table: live.table }, history, rows, spill.map());
  const scope = { dynamodb, table: live.table, history, late };
  for (const page of rows.pages()) {
    const keys = page.map(([, key]) => key);
    if (projection.rows === "one-per-stream") {
      mayGoOn();
      yield* await judgeOwned(scope, keys);
      continue;
    }
    for (const key of keys) {
      mayGoOn();
      yield await judgeShared(scope, key);
    }
  }
}

interface JudgeScope {
  readonly dynamodb: DynamoDBClient;
  readonly table: string;
  readonly history: History;
  /** Streams whose guards were waited for in vain. */
  readonly late: Late;
}

async function judgeShared(scope: JudgeScope, key: RowKey): Promise<LiveDifference | undefined> {
  const { dynamodb, table, history, late } = scope;
  const picture = await pictureOfRow(dynamodb, table, history, key);
  if (picture.outcome === "undecided") return { explanation: "undecided", key, why: picture.why };
  if (picture.outcome === "differs") return { explanation: "damage-in-live", difference: picture.difference };
  const rowKey = rowItemKey(key);
  const streams = history.streamsOf(itemText(rowKey)).filter((stream) => late.get(stream) !== undefined);
  if (streams.length === 0) return undefined;
  // In this order: a guard that is still behind was so when the row was read.
  const item = (await getItems(dynamodb, table, [rowKey])).get(itemText(rowKey));
  const guardItems = await getItems(dynamodb, table, streams.map(guardItemKey));
  const guards = new Map(
    streams.map((stream) => [stream, guardOfItem(guardItems.get(itemText(guardItemKey(stream))))?.revision ?? -1n]),
  );
  return lateRow(scope, key, item, guards);
}

/** The item of a row with its guard in it is a picture by itself. */
async function judgeOwned(scope: JudgeScope, keys: readonly RowKey[]): Promise<(LiveDifference | undefined)[]> {
  const { dynamodb, table, history } = scope;
  const items = await getItems(dynamodb, table, keys.map(rowItemKey));
  await history.catchUp();
  return keys.map((key) => {
    const text = itemText(rowItemKey(key));
    const item = items.get(text);
    const guard = guardOfItem(item)?.revision ?? -1n;
    const guards = new Map([...history.streamsOf(text)].map((stream) => [stream, guard]));
    const expected = history.rowAt(text, guards);
    if (expected.outcome === "unknown") return { explanation: "undecided", key, why: expected.why };
    const actual = foundAttributes(item);
    const difference = rowDifference(key, expected.attributes, actual, isSameRow(expected.attributes, actual));
    return difference === undefined ? lateRow(scope, key, item, guards) : { explanation: "damage-in-live", difference };
  });
}

/**
 * What to say of a row that is right as far as its guards go, when some of these were waited for in vain: one of which
 * nothing at all is there was lost, and its guards with it. Expected is what it holds when all has arrived.
 */
function lateRow(
  { history, late }: JudgeScope,
  key: RowKey,
  item: Item | undefined,
  guards: ReadonlyMap<string, bigint>,
): LiveDifference | undefined {
  if ([...guards].every(([stream, guard]) => guard >= (late.get(stream)?.revision ?? -1n))) return undefined;
  const text = itemText(rowItemKey(key));
  const heads = new Map(
    [...history.streamsOf(text)].map((stream) => [stream, history.streams.get(stream)?.applicable?.revision ?? -1n]),
  );
  const expected = history.rowAt(text, heads);
  if (expected.outcome === "unknown") return { explanation: "undecided", key, why: expected.why };
  const actual = foundAttributes(item);
  const difference = rowDifference(key, expected.attributes, actual, isSameRow(expected.attributes, actual));
  if (difference === undefined) return undefined;
  return { explanation: item === undefined ? "damage-in-live" : "behind-in-live", difference };
}
