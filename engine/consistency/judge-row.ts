/** One row of a generation against the events, without looking at any other. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { EventStore } from "../event-store/event-store.ts";
import type { Generation } from "../views/catalog.ts";
import { guardOfItem, rowItemKey } from "../views/item.ts";
import type { Projection, RowKey } from "../views/projection.ts";
import { rowDifference } from "./difference.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { History } from "./history.ts";
import { isSameRow } from "./plain-row.ts";
import { pictureOfRow, type PictureOutcome } from "./row-picture.ts";
import { foundAttributes, getItems, itemText, readRevisions } from "./table-items.ts";

export interface RowScope {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table" | "from">;
}

/** Reads the log once, and keeps what touches the row. Events that have not arrived yet are no difference. */
export async function judgeRow(scope: RowScope, key: RowKey): Promise<PictureOutcome> {
  const { dynamodb, eventStore, projection, generation } = scope;
  const itemKey = rowItemKey(key);
  const text = itemText(itemKey);
  using history = new History({ eventStore, projection, generation, floorOf: () => -1n, only: new Set([text]) });
  if (projection.rows === "shared") {
    await history.catchUp();
    const picture = await pictureOfRow(dynamodb, generation.table, history, key);
    if (picture.outcome !== "differs") return picture;
    const keys = new Map(history.doubtfulOf(text).map((stream) => [stream, guardKeyOf(projection, stream)]));
    const guards = await readRevisions(dynamodb, generation.table, keys);
    const why = history.whyDoubtful(text, (stream) => guards.get(stream) ?? -1n);
    return why === undefined ? picture : { outcome: "undecided", why: `it differs, but ${why}` };
  }
  // The guard sits in the row, so one read is a picture; the events that it counts lie before a tail that is taken afterwards.
  const item = (await getItems(dynamodb, generation.table, [itemKey])).get(text);
  await history.catchUp();
  const guard = guardOfItem(item)?.revision ?? -1n;
  const expected = history.rowAt(text, new Map(history.streamsOf(text).map((stream) => [stream, guard])));
  if (expected.outcome === "unknown") return { outcome: "undecided", why: expected.why };
  const actual = foundAttributes(item);
  const difference = rowDifference(key, expected.attributes, actual, isSameRow(expected.attributes, actual));
  if (difference === undefined) return { outcome: "agrees" };
  const why = history.whyDoubtful(text, () => guard);
  return why === undefined
    ? { outcome: "differs", difference }
    : { outcome: "undecided", why: `it differs, but ${why}` };
}
