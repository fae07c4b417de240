/** The aggregates of this deployment that have snapshots; the subscriber asks for those of their categories. */
import type { SnapshotWriter } from "../engine/snapshots/write-snapshot.ts";

export const snapshottedAggregates: readonly SnapshotWriter[] = [];
