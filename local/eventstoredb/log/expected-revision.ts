/**
 * The rules by which an append is accepted, recognised as a repeat, or refused. They are EventStoreDB's: see
 * docs/embedded-event-store.md. No I/O: the log answers the questions.
 */
import { tombstoneRevision } from "./event.ts";
import type { IdPlace } from "./recent-event-ids.ts";

/** A revision, or what may stand in its place. Absent streams are expected with "no-stream". */
export type ExpectedRevision = bigint | "no-stream" | "any" | "stream-exists";

export interface StreamFacts {
  /** -1 without events, `tombstoneRevision` after a tombstone. */
  readonly lastRevision: bigint;
  readonly softDeleted: boolean;
  readonly hasMetadata: boolean;
  readonly name: string;
  /** The lately committed event with this id, in whatever stream. */
  recent(id: string): IdPlace | undefined;
  /** The id of the event stored at a revision, truncated or not. */
  storedId(revision: bigint): string | undefined;
}

export type AppendDecision =
  | { readonly kind: "append" }
  /** Every event is there already; `lastRevision` is where the last of them is. */
  | { readonly kind: "repeat"; readonly lastRevision: bigint }
  | { readonly kind: "wrong-expected-revision" }
  | { readonly kind: "stream-deleted" }
  /** A resent batch that holds one id twice: its events cannot be told apart. The real server never answers it. */
  | { readonly kind: "ambiguous-repeat" };

const wrong: AppendDecision = { kind: "wrong-expected-revision" };
const append: AppendDecision = { kind: "append" };

const decideByRecentIds = (facts: StreamFacts, ids: readonly string[]): AppendDecision => {
  let last: bigint | undefined;
  for (const id of ids) {
    const place = facts.recent(id);
    if (place?.stream !== facts.name) return last === undefined ? append : wrong;
    last = place.revision;
  }
  if (last === undefined) return append;
  return new Set(ids).size < ids.length ? { kind: "ambiguous-repeat" } : { kind: "repeat", lastRevision: last };
};

const decideByStoredIds = (facts: StreamFacts, expected: bigint, ids: readonly string[]): AppendDecision => {
  let revision = expected;
  for (const id of ids) {
    revision += 1n;
    if (facts.storedId(revision) === id) continue;
    const recreates = revision === expected + 1n && expected === -1n && facts.softDeleted;
    return recreates ? append : wrong;
  }
  return revision === expected ? wrong : { kind: "repeat", lastRevision: revision };
};

export const decideAppend = (
  facts: StreamFacts,
  expected: ExpectedRevision,
  ids: readonly string[],
): AppendDecision => {
  if (facts.lastRevision === tombstoneRevision) return { kind: "stream-deleted" };
  if (expected === "stream-exists") {
    if (facts.softDeleted) return { kind: "stream-deleted" };
    if (facts.lastRevision < 0n && !facts.hasMetadata) return wrong;
  }
  if (expected === "any" || expected === "stream-exists") return decideByRecentIds(facts, ids);
  const revision = expected === "no-stream" ? -1n : expected;
  if (revision > facts.lastRevision) return wrong;
  return revision < facts.lastRevision ? decideByStoredIds(facts, revision, ids) : append;
};
