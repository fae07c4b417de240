/**
 * Rows and guards as DynamoDB items. A generation's table holds both: a row under its own key, a guard that does not sit
 * in a row under `_guard#<stream>`. Names that start with `_` are the engine's.
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { type Position } from "../event-store/position.ts";
import type { Guard } from "./guard.ts";
import type { RowAttributes, RowKey, RowValue } from "./projection.ts";
import type { RowWrite } from "./row-write.ts";

export type Item = Record<string, AttributeValue>;
export type ItemKey = { readonly pk: AttributeValue; readonly sk: AttributeValue };

const guardPrefix = "_guard#";
const guardSort = "_guard";

export function rowItemKey(key: RowKey): ItemKey {
  return { pk: { S: key.partition }, sk: { S: key.sort } };
}

export function guardItemKey(stream: string): ItemKey {
  return { pk: { S: guardPrefix + stream }, sk: { S: guardSort } };
}

/** The stream whose guard an item is, or undefined for a row. */
export function streamOfGuardItem(item: Item): string | undefined {
  const partition = item["pk"]?.S;
  return partition?.startsWith(guardPrefix) === true ? partition.slice(guardPrefix.length) : undefined;
}

export function keyOfRowItem(item: Item): RowKey {
  return { partition: item["pk"]?.S ?? "", sort: item["sk"]?.S ?? "" };
}

export const guardNames = { revision: "_revision", commit: "_commit", prepare: "_prepare" } as const;

/** Beside a guard: the revision that its stream waits at, because the event there was given up. */
export const quarantinedName = "_quarantined";

/** The revision that a stream is marked to wait at; a guard that has come to it has left the mark behind. */
export function quarantinedOfItem(item: Item | undefined): bigint | undefined {
  const revision = item?.[quarantinedName]?.N;
  return revision === undefined ? undefined : BigInt(revision);
}

/** Counts the writes of a shared row, so that a reader can tell that it stood still. */
export const writesName = "_writes";

/** The stream that sets the owned attributes of a shared row. */
export const ownerName = "_owner";

export function ownerOfItem(item: Item | undefined): string | undefined {
  return item?.[ownerName]?.S;
}

/** Where a row of a back-fill is folded to: an event at or below it is in the row already. */
export const foldedNames = { commit: "_foldedCommit", prepare: "_foldedPrepare" } as const;

export function guardAttributes({ revision, position }: Guard): Item {
  return {
    [guardNames.revision]: { N: revision.toString() },
    [guardNames.commit]: { N: position.commit.toString() },
    [guardNames.prepare]: { N: position.prepare.toString() },
  };
}

export function guardOfItem(item: Item | undefined): Guard | undefined {
  const revision = item?.[guardNames.revision]?.N;
  const position = positionOfItem(item, guardNames);
  return revision === undefined || position === undefined ? undefined : { revision: BigInt(revision), position };
}

export function foldedAttributes(position: Position): Item {
  return {
    [foldedNames.commit]: { N: position.commit.toString() },
    [foldedNames.prepare]: { N: position.prepare.toString() },
  };
}

export function foldedOfItem(item: Item | undefined): Position | undefined {
  return positionOfItem(item, foldedNames);
}

function positionOfItem(item: Item | undefined, names: { commit: string; prepare: string }): Position | undefined {
  const commit = item?.[names.commit]?.N;
  const prepare = item?.[names.prepare]?.N;
  return commit === undefined || prepare === undefined
    ? undefined
    : { commit: BigInt(commit), prepare: BigInt(prepare) };
}

export function writesOfItem(item: Item | undefined): bigint {
  return BigInt(item?.[writesName]?.N ?? "0");
}

export function marshallValue(value: RowValue): AttributeValue {
  return marshall({ value }).value ?? { NULL: true };
}

/** The attributes of a row that is held whole. */
export function marshallRow(row: RowWrite): Item {
  return marshall(Object.fromEntries(row.set));
}

/** What a reader sees of a row's item: everything but keys and the engine's own names. */
export function attributesOfItem(item: Item): RowAttributes {
  const seen = Object.entries(item).filter(([name]) => name !== "pk" && name !== "sk" && !name.startsWith("_"));
  // unmarshall returns what marshall took: the row values that andThen accepted.
  return unmarshall(Object.fromEntries(seen)) as RowAttributes;
}
