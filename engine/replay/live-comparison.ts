/**
 * Explains how a verified shadow differs from the view that is live. A row that has merely moved since is no difference: such
 * a row is compared anew with the events that the live generation has let in.
 */
import { rowDifference, type Difference } from "../consistency/difference.ts";
import { isSameRow } from "../consistency/plain-row.ts";
import { foundAttributes, itemText, keyOfItem, scanItems } from "../consistency/table-items.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import { keyOfRowItem, rowItemKey, streamOfGuardItem } from "../views/item.ts";
import type { Projection, RowAttributes, RowKey } from "../views/projection.ts";
import type { GuardWait } from "./late-streams.ts";
import { judgeLiveRows } from "./live-rows.ts";
import { differencesListed, type Verification } from "./verification.ts";

export type LiveDifference =
  /**
   * The live row is not what its own events say, or is not there although they had the time to arrive: the replay mends it.
   * `difference` is the live row against its events.
   */
  | { readonly explanation: "damage-in-live"; readonly difference: Difference }
  /** Events were given time and have not arrived in the live row, which is right without them. `difference` as before. */
  | { readonly explanation: "behind-in-live"; readonly difference: Difference }
  /** The generations are made by different versions. `difference` is the live row against the new one. */
  | { readonly explanation: "new-definition"; readonly difference: Difference }
  /** Made by the same version, the generations count events from different offsets on. `difference` as before. */
  | { readonly explanation: "other-offset"; readonly difference: Difference }
  /** The live row was written too often to be read at rest. */
  | { readonly explanation: "undecided"; readonly key: RowKey; readonly why: string };

export interface LiveComparison {
  /** Rows that are the same in both, those included that have only moved on in the live one. */
  readonly same: number;
  readonly damaged: number;
  readonly behind: number;
  readonly changed: number;
  readonly otherOffset: number;
  readonly undecided: number;
  /** The first of those that are not the same. */
  readonly differences: readonly LiveDifference[];
}

export interface LiveComparisonOptions extends Omit<GuardWait, "table"> {
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
  const why =
    shadow.version !== live.version
      ? "new-definition"
      : comparePositions(shadow.from, live.from) !== 0
        ? "other-offset"
        : undefined;
  const found =
    why === undefined
      ? await judgeLiveRows(
          options,
          candidates.map(({ key }) => key),
        )
      : candidates.map((candidate) => asIntended(candidate, why));
  const differences = found.filter((difference) => difference !== undefined);
  const count = (explanation: LiveDifference["explanation"]): number =>
    differences.filter((difference) => difference.explanation === explanation).length;
  return {
    same: same + found.length - differences.length,
    damaged: count("damage-in-live"),
    behind: count("behind-in-live"),
    changed: count("new-definition"),
    otherOffset: count("other-offset"),
    undecided: count("undecided"),
    differences: differences.slice(0, differencesListed),
  };
}

/** Rows that are not the same at first sight: different, or moving. */
async function candidatesOf(
  { dynamodb, live, mayGoOn }: LiveComparisonOptions,
  verification: Verification,
): Promise<{ candidates: Candidate[]; same: number }> {
  const inLive = new Map<string, { readonly key: RowKey; readonly attributes: RowAttributes }>();
  for await (const items of scanItems(dynamodb, live.table)) {
    mayGoOn();
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

function asIntended(
  { key, inShadow, inLive }: Candidate,
  explanation: "new-definition" | "other-offset",
): LiveDifference | undefined {
  const difference = rowDifference(key, inShadow, inLive, false);
  return difference === undefined ? undefined : { explanation, difference };
}
