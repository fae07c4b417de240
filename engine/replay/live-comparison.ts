/**
 * Explains how a verified shadow differs from the view that is live. A row that has merely moved since is no difference: such
 * a row is compared anew with the events that the live generation has let in.
 */
import { rowDifference, type Difference } from "../consistency/difference.ts";
import { isSameRow } from "../consistency/plain-row.ts";
import { Spill } from "../consistency/spill.ts";
import { itemText, scanItems } from "../consistency/table-items.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import { isNamed } from "../views/dynamodb.ts";
import { rowItemKey } from "../views/item.ts";
import type { Projection, RowKey } from "../views/projection.ts";
import type { GuardWait } from "./late-streams.ts";
import { judgeLiveRows } from "./live-rows.ts";
import { differencesListed, type RowBeside, type Verification } from "./verification.ts";

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
  /** The live table, where there is none of that name: then every row counts as damaged, and none is listed. */
  readonly missingTable?: string;
}

export interface LiveComparisonOptions extends Omit<GuardWait, "table"> {
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly shadow: Generation;
  readonly live: Generation;
}

export async function compareWithLive(
  options: LiveComparisonOptions,
  verification: Verification,
): Promise<LiveComparison> {
  try {
    return await compare(options, verification);
  } catch (error) {
    // A replay is the way out of that: it must not end because there is nothing to compare with.
    if (!isNamed(error, "ResourceNotFoundException")) throw error;
    const { rows } = verification.counts();
    return { ...new Tally().comparison(), damaged: rows, missingTable: options.live.table };
  }
}

async function compare(options: LiveComparisonOptions, verification: Verification): Promise<LiveComparison> {
  const { dynamodb, live, mayGoOn } = options;
  const intention = intentionOf(options);
  const tally = new Tally();
  using spill = new Spill();
  /** Rows that are not the same at first sight: different, or moving. */
  const candidates = spill.map<RowKey>();
  for await (const rows of verification.rowsBeside(scanItems(dynamodb, live.table))) {
    mayGoOn();
    for (const row of rows) {
      if (isSameRow(row.expected, row.actual)) tally.add(undefined);
      else if (intention !== undefined) tally.add(asIntended(row, intention));
      else candidates.set(itemText(rowItemKey(row.key)), row.key);
    }
  }
  for await (const difference of judgeLiveRows(options, candidates)) tally.add(difference);
  return tally.comparison();
}

type Intention = "new-definition" | "other-offset";

/** Why the generations may differ without anything being wrong. */
function intentionOf({ shadow, live }: LiveComparisonOptions): Intention | undefined {
  if (shadow.version !== live.version) return "new-definition";
  return comparePositions(shadow.from, live.from) === 0 ? undefined : "other-offset";
}

function asIntended({ key, expected, actual }: RowBeside, explanation: Intention): LiveDifference | undefined {
  const difference = rowDifference(key, expected, actual, false);
  return difference === undefined ? undefined : { explanation, difference };
}

/** Counts all rows, and keeps the first of those that are not the same. */
class Tally {
  readonly #differences: LiveDifference[] = [];
  readonly #counts = {
    same: 0,
    "damage-in-live": 0,
    "behind-in-live": 0,
    "new-definition": 0,
    "other-offset": 0,
    undecided: 0,
  };

  add(difference: LiveDifference | undefined): void {
    this.#counts[difference?.explanation ?? "same"] += 1;
    if (difference !== undefined && this.#differences.length < differencesListed) this.#differences.push(difference);
  }

  comparison(): LiveComparison {
    return {
      same: this.#counts.same,
      damaged: this.#counts["damage-in-live"],
      behind: this.#counts["behind-in-live"],
      changed: this.#counts["new-definition"],
      otherOffset: this.#counts["other-offset"],
      undecided: this.#counts.undecided,
      differences: this.#differences,
    };
  }
}
