/**
 * One pass of the back-fill: reads `$all` from the checkpoint to a tail, folds it in memory and writes each changed row once.
 *
 * No other writer exists yet, so the writes carry no condition; the lease keeps it so. Guards are rows like any other. An
 * event before the generation's offset changes no row but moves its stream's guard, as it does in live delivery: that is
 * why the pass reads the whole log whatever the offset is.
 */
import { setImmediate as turn } from "node:timers/promises";
import { comparePositions, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import { type ItemKey, rowItemKey } from "../views/item.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import type { RowChange } from "../views/row-write.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { changesOf } from "../views/stream-write.ts";
import { roundsOfAll } from "../consistency/rounds-of-all.ts";
import { itemText } from "../consistency/table-items.ts";
import { ReplayEventError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import type { ReplayContext, ReplaySettings } from "./replay-context.ts";
import { WriteBackCache } from "./write-back-cache.ts";

export interface BackFillOptions extends Pick<ReplayContext, "dynamodb" | "eventStore"> {
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table" | "from">;
  readonly lease: Lease;
  readonly settings: ReplaySettings;
  /** Looked at between two rounds of events: throws when the work is to stop. */
  readonly onEvents: (events: number, at: Position) => void;
}

export interface BackFillReport {
  /** Events read, of all streams. */
  readonly events: number;
  /** Events of the projection's streams. */
  readonly relevant: number;
  /** Puts of rows and guards. */
  readonly written: number;
}

/** What one event does to one item. */
interface Touch {
  readonly key: ItemKey;
  readonly changes: RowChange[];
  readonly carriesGuard: boolean;
  /** Whether the table may hold something of it that counts. */
  readonly mustBeRead: boolean;
}

/**
 * Brings the shadow from the checkpoint to `target`, included. Throws {@link ReplayEventError} for an event that the
 * projection cannot take.
 */
export async function backFill(options: BackFillOptions, target: Position): Promise<BackFillReport> {
  const { dynamodb, eventStore, generation, lease, settings } = options;
  const tableIsEmpty = lease.isFirst && lease.checkpoint === undefined;
  const cache = new WriteBackCache({ dynamodb, table: generation.table, lease, settings, tableIsEmpty });
  let events = 0;
  let relevant = 0;
  let atCheckpoint = 0;
  try {
    for await (const round of roundsOfAll(eventStore, lease.checkpoint, target, settings.eventsAtOnce)) {
      const touched = round
        .filter((event) => readsStream(options.projection, event.stream) && !isTombstone(event))
        .map((event) => ({ event, touches: touchesOf(options, event, tableIsEmpty) }));
      await cache.load(keysToRead(touched));
      for (const { event, touches } of touched) {
        for (const { key, changes, carriesGuard } of touches) {
          const item = cache.item(key);
          if (foldedBy(item, event, changes, carriesGuard)) cache.changed(item);
        }
      }
      await cache.makeRoom();
      events += round.length;
      relevant += touched.length;
      const last = round.at(-1)?.position ?? target;
      options.onEvents(events, last);
      if (events - atCheckpoint >= settings.eventsPerCheckpoint) {
        await cache.flush();
        await lease.saveCheckpoint(last);
        atCheckpoint = events;
      }
      // Lets the lease be renewed, and answers be heard, when all that is read is in memory already.
      await turn();
    }
    await cache.flush();
    await lease.saveCheckpoint(target);
  } finally {
    await cache.settle();
  }
  return { events, relevant, written: cache.written };
}

function foldedBy(
  item: ReturnType<WriteBackCache["item"]>,
  event: StoredEvent,
  changes: readonly RowChange[],
  carriesGuard: boolean,
): boolean {
  try {
    return item.fold(event, changes, carriesGuard);
  } catch (error) {
    throw eventError(event, error);
  }
}

function touchesOf({ projection, generation }: BackFillOptions, event: StoredEvent, tableWasEmpty: boolean): Touch[] {
  let changes: ReturnType<typeof changesOf> = [];
  let guardKey: ItemKey;
  try {
    guardKey = guardKeyOf(projection, event.stream);
    if (comparePositions(event.position, generation.from) >= 0) changes = changesOf(projection, event);
  } catch (error) {
    throw eventError(event, error);
  }
  if (projection.rows === "one-per-stream") {
    const mustBeRead = !(tableWasEmpty && event.revision === 0n);
    return [{ key: guardKey, changes: changes.map(({ change }) => change), carriesGuard: true, mustBeRead }];
  }
  const touches = new Map<string, Touch>();
  for (const { key: row, change } of changes) {
    const key = rowItemKey(row);
    const text = itemText(key);
    const touch = touches.get(text);
    if (touch !== undefined) touch.changes.push(change);
    else touches.set(text, { key, changes: [change], carriesGuard: false, mustBeRead: true });
  }
  // A guard that is an item of its own need not be read: the stream's next event says all that it holds.
  const guard: Touch = { key: guardKey, changes: [], carriesGuard: true, mustBeRead: false };
  return [...touches.values(), guard];
}

function* keysToRead(touched: readonly { readonly touches: readonly Touch[] }[]): Generator<ItemKey, void> {
  for (const { touches } of touched) for (const { key, mustBeRead } of touches) if (mustBeRead) yield key;
}

function eventError(event: StoredEvent, cause: unknown): ReplayEventError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const at = `${event.revision.toString()}@${event.stream}`;
  return new ReplayEventError(`event ${at} cannot be applied, and a view without it would be short: ${message}`, {
    cause,
  });
}
