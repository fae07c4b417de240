/** What a replay works with, and the figures it works by. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { EventStore } from "../event-store/event-store.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import type { Catalog } from "../views/catalog.ts";
import { readerCacheMs } from "../views/view-reader.ts";

export interface ReplayContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly catalog: Catalog;
  readonly quarantine: Quarantine;
  /** Who works, as the catalog remembers it: a person at a machine, or a function. */
  readonly by?: string;
  /** Name of the catalog's table, which also keeps the progress of replays. */
  readonly catalogTable: string;
  /** What the names of generation tables begin with, its last dash included. */
  readonly tablePrefix: string;
  readonly settings?: Partial<ReplaySettings>;
}

export interface ReplaySettings {
  /** How long a worker may write without renewing its lease. It renews three times in that time. */
  readonly leaseMs: number;
  /** How far the clocks of two workers may be apart. */
  readonly clockSkewMs: number;
  /** How long after a request was given up it may still take effect. Longer than the request time-out of the client. */
  readonly lateWriteMs: number;
  /** How long after a swap a reader may go on with the generation it knows; a table is removed after twice that. */
  readonly readerCacheMs: number;
  /** How long an event may take to arrive in the live view before a row without it counts as damaged or behind. */
  readonly waitForGuardsMs: number;
  /** Events folded in one go. */
  readonly eventsAtOnce: number;
  /** Events, and milliseconds, between two checkpoints, whichever come first: what a crash loses at most. */
  readonly eventsPerCheckpoint: number;
  readonly checkpointEveryMs: number;
  /** Rows that are kept in memory of one generation; several in a pass share twice as many. */
  readonly rowsInMemory: number;
  /** Changed rows of those that wait for further changes before they are written; the least recently changed goes first. */
  readonly rowsHeldBack: number;
  /** Batches of 25 rows in flight. */
  readonly batchesAtOnce: number;
  /** How long live delivery may take to apply what came in, before the replay gives way to it. */
  readonly giveWayAfterMs: number;
  /** How long it gives way at a stretch: what is behind for longer stands still for another reason. */
  readonly giveWayForMs: number;
  /** How many times as long as it worked a replay that gives way rests. */
  readonly restPerWork: number;
  /** Events that may be left between a verified generation and the tail when it joins. */
  readonly eventsLeftAtJoin: number;
}

export const defaultReplaySettings: ReplaySettings = {
  leaseMs: 15_000,
  clockSkewMs: 1_000,
  lateWriteMs: 10_000,
  readerCacheMs,
  waitForGuardsMs: 10_000,
  eventsAtOnce: 256,
  // At a checkpoint nothing is read until all is written, and rows are written that change again.
  eventsPerCheckpoint: 100_000,
  checkpointEveryMs: 15_000,
  rowsInMemory: 8_000,
  rowsHeldBack: 2_000,
  // More were no quicker by much, and took more from live delivery.
  batchesAtOnce: 2,
  giveWayAfterMs: 500,
  giveWayForMs: 300_000,
  restPerWork: 4,
  eventsLeftAtJoin: 500,
};

export function settingsOf({ settings }: Pick<ReplayContext, "settings">): ReplaySettings {
  return { ...defaultReplaySettings, ...settings };
}

/** Of so many generations in one pass, the settings of each. With few rows in memory what is let go is read and written again. */
export function shareOf(settings: ReplaySettings, together: number): ReplaySettings {
  if (together === 1) return settings;
  const rowsInMemory = Math.max(1, Math.floor((2 * settings.rowsInMemory) / together));
  return { ...settings, rowsInMemory, rowsHeldBack: Math.min(settings.rowsHeldBack, Math.floor(rowsInMemory / 4)) };
}
