/**
 * Explains how a verified shadow differs from the view that is live. A row that has merely moved since is no difference: such
 * a row is compared anew with the events that the live generation has let in.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { rowDifference, type Difference } from "../consistency/difference.ts";
import { History } from "../consistency/history.ts";
import { isSameRow } from "../consistency/plain-row.ts";
import { pictureOfRow } from "../consistency/row-picture.ts";
import { foundAttributes, getItems, itemText, keyOfItem, scanItems } from "../consistency/table-items.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import { guardOfItem, keyOfRowItem, rowItemKey, streamOfGuardItem } from "../views/item.ts";
import type { Projection, RowAttributes, RowKey } from "../views/projection.ts";
import { differencesListed, type Verification } from "./verification.ts";

export type LiveDifference =
  /** The live row is not what its own events say: the replay mends it. `difference` is the live row against its events. */
  | { readonly explanation: "damage-in-live"; readonly difference: Difference }
  /** The generations are made by different versions or from different offsets. `difference` is the live row against the new one. */
  | { readonly explanation: "new-definition"; readonly difference: Difference }
  /** The live row was written too often to be read at rest. */
  | { readonly explanation: "undecided"; readonly key: RowKey; readonly why: string };

export interface LiveComparison {
  /** Rows that are the same in both, those included that have only moved on in the live one. */
  readonly same: number;
  readonly damaged: number;
  readonly changed: number;
  readonly undecided: number;
  /** The first of those that are not the same. */
  readonly differences: readonly LiveDifference[];
}

export interface LiveComparisonOptions {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly shadow: Generation;
  readonly live: Generation;
}

interface Candidate {
  readonly key: RowKey;
  readonly inShadow: RowAttributes;
  readonly inLive: RowAttributes;
}

export async function compareWithLive(
  options: LiveComparisonOptions,
  verification: Verification,
): Promise<LiveComparison> {
  const { shadow, live } = options;
  const { candidates, same } = await candidatesOf(options, verification);
  const isSameDefinition = shadow.version === live.version && comparePositions(shadow.from, live.from) === 0;
  const found = isSameDefinition ? await judge(options, candidates) : candidates.map(asNewDefinition);
  const differences = found.filter((difference) => difference !== undefined);
  const count = (explanation: LiveDifference["explanation"]): number =>
    differences.filter((difference) => difference.explanation === explanation).length;
  return {
    same: same + found.length - differences.length,
    damaged: count("damage-in-live"),
    changed: count("new-definition"),
    undecided: count("undecided"),
    differences: differences.slice(0, differencesListed),
  };
}

/** Rows that are not the same at first sight: different, or moving. */
async function candidatesOf(
  { dynamodb, live }: LiveComparisonOptions,
  verification: Verification,
): Promise<{ candidates: Candidate[]; same: number }> {
  const inLive = new Map<string, { readonly key: RowKey; readonly attributes: RowAttributes }>();
  for await (const items of scanItems(dynamodb, live.table)) {
    for (const item of items) {
      if (streamOfGuardItem(item) !== undefined) continue;
      const attributes = foundAttributes(item);
      if (Object.keys(attributes).length === 0) continue;
      inLive.set(itemText(keyOfItem(item)), { key: keyOfRowItem(item), attributes });
    }
  }
  const candidates: Candidate[] = [];
  let same = 0;
  for (const { key, attributes } of verification.rows()) {
    const text = itemText(rowItemKey(key));
    const actual = inLive.get(text)?.attributes ?? {};
    inLive.delete(text);
    if (isSameRow(attributes, actual)) same += 1;
    else candidates.push({ key, inShadow: attributes, inLive: actual });
  }
  for (const { key, attributes } of inLive.values()) candidates.push({ key, inShadow: {}, inLive: attributes });
  return { candidates, same };
}

function asNewDefinition({ key, inShadow, inLive }: Candidate): LiveDifference | undefined {
  const difference = rowDifference(key, inShadow, inLive, false);
  return difference === undefined ? undefined : { explanation: "new-definition", difference };
}

/** Compares the live rows themselves with the events, as far as these have arrived there. */
async function judge(
  options: LiveComparisonOptions,
  candidates: readonly Candidate[],
): Promise<(LiveDifference | undefined)[]> {
  if (candidates.length === 0) return [];
  const { dynamodb, eventStore, projection, live } = options;
  const only = new Set(candidates.map(({ key }) => itemText(rowItemKey(key))));
  const history = new History({ eventStore, projection, generation: live, floorOf: () => -1n, only });
  await history.catchUp();
  const judged: (LiveDifference | undefined)[] = [];
  for (const { key } of candidates) {
    judged.push(
      projection.rows === "shared"
        ? await judgeShared(dynamodb, live.table, history, key)
        : await judgeOwned(dynamodb, live.table, history, key),
    );
  }
  return judged;
}

async function judgeShared(
  dynamodb: DynamoDBClient,
  table: string,
  history: History,
  key: RowKey,
): Promise<LiveDifference | undefined> {
  const picture = await pictureOfRow(dynamodb, table, history, key);
  if (picture.outcome === "agrees") return undefined;
  return picture.outcome === "undecided"
    ? { explanation: "undecided", key, why: picture.why }
    : { explanation: "damage-in-live", difference: picture.difference };
}

/** The item of a row with its guard in it is a picture by itself; without it, the row has not arrived yet or is lost. */
async function judgeOwned(
  dynamodb: DynamoDBClient,
  table: string,
  history: History,
  key: RowKey,
): Promise<LiveDifference | undefined> {
  const text = itemText(rowItemKey(key));
  const item = (await getItems(dynamodb, table, [rowItemKey(key)])).get(text);
  await history.catchUp();
  const guard = guardOfItem(item)?.revision ?? -1n;
  const guards = new Map([...history.streamsOf(text)].map((stream) => [stream, guard]));
  const expected = history.rowAt(text, guards);
  if (expected.outcome === "unknown") return { explanation: "undecided", key, why: expected.why };
  const actual = foundAttributes(item);
  const difference = rowDifference(key, expected.attributes, actual, isSameRow(expected.attributes, actual));
  return difference === undefined ? undefined : { explanation: "damage-in-live", difference };
}
