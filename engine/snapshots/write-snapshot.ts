/**
 * Takes the snapshot of a stream, off the path of any request. May be done any number of times and by several at once: what
 * decides is the revision that the snapshot stream had before the aggregate was loaded, so nobody puts an older snapshot in
 * the place of a newer one.
 */
import type { Aggregate, AggregateEvent, AggregateRejection } from "../commands/aggregate.ts";
import { nothingLoaded } from "../commands/fold.ts";
import { loadBySnapshot } from "../commands/load-by-snapshot.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { isWorthWriting } from "./snapshot-policy.ts";
import { appendSnapshot, lastSnapshotRevision } from "./snapshot-stream.ts";
import type { SnapshotUse } from "./snapshot-use.ts";

export type SnapshotOutcome =
  /** `before`: what became of the one whose place it takes. */
  | { readonly outcome: "written"; readonly revision: bigint; readonly before: SnapshotUse }
  /** There is one that spares enough, or the stream is too short for one. */
  | { readonly outcome: "not-needed" }
  /** Somebody else has written one meanwhile. */
  | { readonly outcome: "overtaken" };

/** An aggregate's snapshots, whatever the types of its states and events are. */
export interface SnapshotWriter {
  readonly category: string;
  /** Throws the errors of the event store, and what the aggregate's own code throws. */
  write(eventStore: EventStore, stream: string): Promise<SnapshotOutcome>;
}

/** Nothing for an aggregate that has no snapshots. */
export function snapshotWriters<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  aggregate: Aggregate<State, Command, Event, Refusal>,
): readonly SnapshotWriter[] {
  const { category, snapshots } = aggregate;
  if (snapshots === undefined) return [];
  const write = async (eventStore: EventStore, stream: string): Promise<SnapshotOutcome> => {
    const expected = await lastSnapshotRevision(eventStore, stream);
    // From the store alone: how much has come since the snapshot in it is the question.
    const nothing = nothingLoaded(aggregate.decider.initialState);
    const loaded = await loadBySnapshot(eventStore, aggregate, snapshots, stream, nothing);
    const { state, keys, first, last, reading } = loaded;
    if (first === undefined || last === undefined || !isWorthWriting(snapshots, reading)) {
      return { outcome: "not-needed" };
    }
    const snapshot = { state, keys: keys.pack(), madeAt: last, first };
    const { outcome } = await appendSnapshot(eventStore, snapshots, stream, expected, snapshot);
    if (outcome === "conflict") return { outcome: "overtaken" };
    return { outcome: "written", revision: last.revision, before: reading.snapshot };
  };
  return [{ category, write }];
}
