/**
 * Catch-up subscriptions: history first, then whatever is committed, in order and without a gap. They always read from
 * the log, so a slow consumer costs a page of memory and no more. A subscriber that falls more than 32 events behind
 * while live is catching up again, and is told when it has caught up, as EventStoreDB 24 does.
 */
import { HistoryCounter, LiveCounter, type CheckpointInterval } from "./checkpoint-interval.ts";
import { tombstoneRevision, type StoredEvent } from "../log/event.ts";
import type { ScannedRecord } from "../log/all-reader.ts";
import type { EventFilter } from "../log/event-filter.ts";
import type { EventLog } from "../log/event-log.ts";

export type SubscriptionItem =
  | { readonly kind: "event"; readonly event: StoredEvent }
  | { readonly kind: "caught-up" }
  | { readonly kind: "checkpoint"; readonly position: bigint }
  /** The stream was tombstoned: the subscription ends. */
  | { readonly kind: "stream-deleted" };

/** What the real server buffers for a live subscriber. */
const liveBuffer = 32;
const pageEvents = 256;
const scannedRecords = 2048;

const caughtUp: SubscriptionItem = { kind: "caught-up" };

/**
 * `after` is exclusive; -1 starts with the first event. Ends with the signal, or with the stream. Catching up obeys
 * retention; live, everything that is appended is sent, as the real server does from the moment of the append.
 */
export async function* subscribeToStream(
  log: EventLog,
  stream: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<readonly SubscriptionItem[], void> {
  let next = after + 1n;
  let live = after >= log.lastRevision(stream);
  if (live) yield [caughtUp];
  while (!signal.aborted) {
    if (live) {
      const last = log.lastRevision(stream);
      if (last !== tombstoneRevision && last - next >= liveBuffer) {
        live = false;
        continue;
      }
      const events = log.streams.written(stream, next, liveBuffer);
      const newest = events.at(-1)?.revision;
      if (newest === undefined) {
        await log.commits.next(stream, signal);
        continue;
      }
      next = newest + 1n;
      const items = events.map((event): SubscriptionItem => ({ kind: "event", event }));
      yield items;
      if (newest < tombstoneRevision) continue;
      yield [{ kind: "stream-deleted" }];
      return;
    }
    const page = log.streams.forwards(stream, next, pageEvents);
    if (page.kind === "stream-deleted") {
      yield [{ kind: "stream-deleted" }];
      return;
    }
    const items = page.kind === "page" ? page.events.map((event): SubscriptionItem => ({ kind: "event", event })) : [];
    if (page.kind === "page" && page.next !== undefined) next = page.next;
    else {
      // Not to what was read last: what retention hides at the end is history, too.
      const end = log.lastRevision(stream) + 1n;
      if (end > next) next = end;
      live = true;
      items.push(caughtUp);
    }
    if (items.length > 0) yield items;
  }
}

/** `$all` without a filter. `after` is exclusive; -1 starts with the first event. */
export async function* subscribeToAll(
  log: EventLog,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<readonly SubscriptionItem[], void> {
  let position = after;
  let live = false;
  while (!signal.aborted) {
    const page = log.all.forwards(position, pageEvents);
    if (page.last !== undefined) position = page.last;
    if (page.events.length > liveBuffer) live = false;
    const items = page.events.map((event): SubscriptionItem => ({ kind: "event", event }));
    if (page.last === undefined && !live) {
      live = true;
      items.push(caughtUp);
    }
    if (items.length > 0) yield items;
    else if (page.last === undefined) await log.commits.next(undefined, signal);
  }
}

/**
 * `$all` through a filter, with checkpoints, so that a restart need not scan again what never matched: at their interval,
 * and one before the subscriber is told that it has caught up. In history they stand at the last event that matched, as
 * EventStoreDB 24.6 puts them; where none has matched yet, at the last one considered. They only ever increase.
 */
export async function* subscribeToAllFiltered(
  log: EventLog,
  after: bigint,
  filter: EventFilter,
  interval: CheckpointInterval,
  signal: AbortSignal,
): AsyncGenerator<readonly SubscriptionItem[], void> {
  let position = after;
  // Nothing to catch up with: the subscriber is live at once, and has nothing to go on from.
  let live = after >= log.all.lastPosition();
  let history = new HistoryCounter(interval, after >= 0n);
  const liveCounter = new LiveCounter(interval);
  let lastMatched: bigint | undefined;
  let lastCheckpoint = after;
  const checkpoint = (items: SubscriptionItem[], at: bigint): void => {
    if (at <= lastCheckpoint) return;
    lastCheckpoint = at;
    items.push({ kind: "checkpoint", position: at });
  };
  if (live) yield [caughtUp];
  while (!signal.aborted) {
    const { records, last } = log.all.scanForwards(position, scannedRecords, filter);
    if (live && isTooMuch(records, liveCounter)) {
      live = false;
      history = new HistoryCounter(interval, true);
    }
    let items: SubscriptionItem[] = [];
    for (const record of records) {
      position = record.position;
      if (record.matches) {
        const event = log.all.event(position);
        if (event !== undefined) items.push({ kind: "event", event });
        lastMatched = position;
      }
      if (live) {
        if (liveCounter.consider()) checkpoint(items, position);
      } else if (history.consider(record.matches)) checkpoint(items, lastMatched ?? position);
      if (items.length >= pageEvents) {
        yield items;
        items = [];
      }
    }
    if (last !== undefined) position = last;
    if (last === undefined && !live) {
      live = true;
      checkpoint(items, lastMatched ?? position);
      items.push(caughtUp);
    }
    if (items.length > 0) yield items;
    else if (last === undefined) await log.commits.next(undefined, signal);
    else await pause();
  }
}

/** Whether a live subscriber's buffer would have run over: it holds what matches and the checkpoints. */
const isTooMuch = (records: readonly ScannedRecord[], counter: LiveCounter): boolean => {
  if (records.length <= liveBuffer) return false;
  const matched = records.reduce((count, record) => count + (record.matches ? 1 : 0), 0);
  return matched + counter.due(records.length) > liveBuffer;
};

/** Lets other calls have their turn in a long scan without matches. */
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
