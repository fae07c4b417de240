/** What became of an aggregate's snapshot in a load. Whatever it says, the load's answer is the same. */
export type SnapshotUse =
  /** Nothing was gained by one: the stream is short, or the aggregate has none. */
  | { readonly snapshot: "not-sought" }
  | { readonly snapshot: "none" }
  | { readonly snapshot: "used"; readonly revision: bigint }
  | { readonly snapshot: "ignored"; readonly why: IgnoredSnapshot };

export type IgnoredSnapshot =
  /** Its stream is tombstoned, or may not be read. */
  | "unreadable"
  /** It is no snapshot, not as it was written, or not what the aggregate can read. */
  | "damaged"
  /** Made by a reducer with another fingerprint. */
  | "stale"
  | "of-another-stream"
  /** The aggregate's stream ends before it: the event store was restored from a backup, or the stream deleted. */
  | "ahead"
  /** At its revision stands another event than the one that it was made at. */
  | "other-history"
  /** The aggregate's stream begins elsewhere than when it was made: it was truncated. */
  | "truncated";
