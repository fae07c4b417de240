/** The aggregates of this deployment that have snapshots; the subscriber asks for those of their categories. */
import { type SnapshotWriter, snapshotWriters } from "../engine/snapshots/write-snapshot.ts";
import { customerAggregate } from "./customer-aggregate.ts";

export const snapshottedAggregates: readonly SnapshotWriter[] = snapshotWriters(customerAggregate);
