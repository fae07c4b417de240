/**
 * Which aggregates have snapshots, and when one is due: data on the aggregate. Without a policy an aggregate is folded from
 * its stream's beginning every time.
 */
import type { IgnoredSnapshot, SnapshotUse } from "./snapshot-use.ts";

export interface SnapshotPolicy<State> extends SnapshotSchedule {
  /**
   * Changes with everything that the fold depends on. A snapshot that bears another is ignored, so that changed code never
   * decides on what other code has folded.
   */
  readonly fingerprint: string;
  readonly format: SnapshotFormat<State>;
}

export interface SnapshotSchedule {
  /** A snapshot is due each time that so many events have come since the last one; 100 unless given. */
  readonly everyEvents?: number;
  /** It is due as well when reading more than a page of events took longer than this, in milliseconds; 200 unless given. */
  readonly slowLoadMs?: number;
}

/** How a state is kept as JSON. */
export interface SnapshotFormat<State> {
  write(state: State): unknown;
  /** Throws when this is not what `write` gives. */
  read(json: unknown): State;
}

/**
 * Events that a load reads before it asks for a snapshot: a stream that is not longer costs no second read, and a snapshot
 * could spare it nothing.
 */
export const pageEvents = 32;

export function everyEventsOf({ everyEvents = 100 }: SnapshotSchedule): number {
  return everyEvents;
}

/** What a load had to do. */
export interface Reading {
  /** Events folded one by one: since the snapshot, or all there are. */
  readonly events: number;
  /** Time that reading them took. */
  readonly milliseconds: number;
  readonly snapshot: SnapshotUse;
}

/**
 * Whether the command that appends `appended` events after such a reading asks for a snapshot. It asks once in every
 * `everyEvents` events and not with each command from then on: a state that no snapshot can hold would otherwise be read as
 * a whole with each. It asks at once when there is a snapshot that is of no use, and another one would be.
 */
export function isSnapshotDue(schedule: SnapshotSchedule, reading: Reading, appended: number): boolean {
  const { events, milliseconds, snapshot } = reading;
  const every = everyEventsOf(schedule);
  if (Math.floor((events + appended) / every) > Math.floor(events / every)) return true;
  if (snapshot.snapshot === "ignored" && !isLasting[snapshot.why]) return true;
  return events > pageEvents && milliseconds > (schedule.slowLoadMs ?? 200);
}

/** Whether the next snapshot would be ignored as well: nobody may read it, or the stream is one that keeps being truncated. */
const isLasting: Readonly<Record<IgnoredSnapshot, boolean>> = {
  unreadable: true,
  truncated: true,
  damaged: false,
  stale: false,
  "of-another-stream": false,
  ahead: false,
  "other-history": false,
};

/** Whether a snapshot now would spare loads enough to be written, however it came to be asked for. */
export function isWorthWriting(schedule: SnapshotSchedule, { events }: Reading): boolean {
  return events >= Math.min(everyEventsOf(schedule), pageEvents);
}
