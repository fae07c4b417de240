/**
 * Catch-up subscriptions: history first, then whatever is committed, in order and without a gap. They always read from
 * the log, so a slow consumer costs a page of memory and no more. A subscriber that falls more than 32 events behind
 * while live is catching up again, and is told when it has caught up, as EventStoreDB 24 does.
 */
import type { StoredEvent } from "../log/event.ts";
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

/** `after` is exclusive; -1 starts with the first event. Ends with the signal, or with the stream. */
export async function* subscribeToStream(
  log: EventLog,
  stream: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<readonly SubscriptionItem[], void> {
  let next = after + 1n;
  let live = false;
  while (!signal.aborted) {
    const page = log.streams.forwards(stream, next, pageEvents);
    if (page.kind === "stream-deleted") {
      const tombstone = log.streams.tombstone(stream);
      const end: SubscriptionItem = { kind: "stream-deleted" };
      yield tombstone === undefined ? [end] : [{ kind: "event", event: tombstone }, end];
      return;
    }
    const events = page.kind === "page" ? page.events : [];
    const last = events.at(-1);
    if (last !== undefined) next = last.revision + 1n;
    const isEnd = page.kind === "not-found" || page.next === undefined;
    if (page.kind === "page" && page.next !== undefined && page.next > next) next = page.next;
    if (events.length > liveBuffer) live = false;
    const items = events.map((event): SubscriptionItem => ({ kind: "event", event }));
    if (isEnd && !live) {
      live = true;
      items.push(caughtUp);
    }
    if (items.length > 0) yield items;
    else if (isEnd) await log.commits.next(stream, signal);
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
 * `$all` through a filter, with a checkpoint each time `interval` events have been considered, and one at each end of
 * catching up, so that a restart need not scan again what never matched. Checkpoints only ever increase.
 */
export async function* subscribeToAllFiltered(
  log: EventLog,
  after: bigint,
  filter: EventFilter,
  interval: number,
  signal: AbortSignal,
): AsyncGenerator<readonly SubscriptionItem[], void> {
  let position = after;
  let live = false;
  let considered = 0;
  let lastMatched: bigint | undefined;
  let lastCheckpoint = after;
  const checkpoint = (items: SubscriptionItem[], at: bigint): void => {
    if (at <= lastCheckpoint) return;
    lastCheckpoint = at;
    items.push({ kind: "checkpoint", position: at });
  };
  while (!signal.aborted) {
    const { records, last } = log.all.scanForwards(position, scannedRecords, filter);
    if (records.length > liveBuffer) live = false;
    let items: SubscriptionItem[] = [];
    for (const record of records) {
      position = record.position;
      considered += 1;
      if (record.matches) {
        const event = log.all.event(position);
        if (event !== undefined) items.push({ kind: "event", event });
        lastMatched = position;
      }
      if (considered === interval) {
        considered = 0;
        checkpoint(items, position);
      }
      if (items.length >= pageEvents) {
        yield items;
        items = [];
      }
    }
    if (last !== undefined) position = last;
    if (last === undefined && !live) {
      live = true;
      items.push(caughtUp);
      checkpoint(items, lastMatched ?? position);
    }
    if (items.length > 0) yield items;
    else if (last === undefined) await log.commits.next(undefined, signal);
    else await pause();
  }
}

/** Lets other calls have their turn in a long scan without matches. */
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
