/**
 * Loads an aggregate that has snapshots. The end of the stream is read first, a page of it, and a short stream is loaded with
 * that. Only for a longer one the snapshot is read, and only what follows it is folded.
 *
 * No snapshot changes what is loaded. It must belong to this very stream as it is now: the event that it was made at stands
 * where it stood, and the stream begins where it began. Else the stream is folded from its beginning.
 */
import type { EventStore } from "../event-store/event-store.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { pageEvents, type Reading, type SnapshotPolicy } from "../snapshots/snapshot-policy.ts";
import { readSnapshot } from "../snapshots/snapshot-stream.ts";
import type { IgnoredSnapshot, SnapshotUse } from "../snapshots/snapshot-use.ts";
import { type EventMark, isMarked, type Snapshot } from "../snapshots/snapshot.ts";
import type { Aggregate, AggregateEvent, AggregateRejection } from "./aggregate.ts";
import { foldStored, type Loaded } from "./fold.ts";
import { RecentKeys, rememberedKeys } from "./idempotency.ts";

/** `nothing` is what is loaded of an empty stream. */
export async function loadBySnapshot<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  policy: SnapshotPolicy<State>,
  stream: string,
  nothing: Loaded<State>,
): Promise<Loaded<State>> {
  const page = await eventStore.lastEvents(stream, pageEvents);
  if (page.length < pageEvents || page.at(0)?.revision === 0n) return foldStored(aggregate, nothing, page);
  return loadLong(eventStore, aggregate, policy, stream, nothing, page);
}

/** By the snapshot, if there is one to use; `page` are the last events. */
async function loadLong<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  policy: SnapshotPolicy<State>,
  stream: string,
  nothing: Loaded<State>,
  page: readonly StoredEvent[],
): Promise<Loaded<State>> {
  const foldAll = (snapshot: SnapshotUse): Promise<Loaded<State>> => {
    const start = { ...nothing, reading: { ...nothing.reading, snapshot } };
    return foldStored(aggregate, start, eventStore.readStream(stream));
  };
  const [answer, first] = await Promise.all([
    readSnapshot(eventStore, policy, stream),
    firstRevision(eventStore, stream),
  ]);
  if (answer.snapshot !== "found") return foldAll(answer);
  const { found } = answer;
  const following = from(eventStore, stream, found.madeAt.revision, page);
  const { value: madeAt } = await following.next();
  const verdict = judge(found.madeAt, found.first, madeAt ?? undefined, first);
  if (verdict === "usable") return foldStored(aggregate, restored(found), following);
  await following.return();
  return foldAll({ snapshot: "ignored", why: verdict });
}

/**
 * Whether something made at an event, of a stream that began at `first`, is of the stream which now begins at `firstNow` and
 * has `event` where that one was, or behind it.
 */
export function judge(
  madeAt: EventMark,
  first: bigint | undefined,
  event: StoredEvent | undefined,
  firstNow: bigint | undefined,
): "usable" | IgnoredSnapshot {
  if (event === undefined) return "ahead";
  if (firstNow !== first || event.revision !== madeAt.revision) return "truncated";
  return isMarked(madeAt, event) ? "usable" : "other-history";
}

function restored<State>({ state, keys, madeAt, first }: Snapshot<State>): Loaded<State> {
  const { revision } = madeAt;
  const reading: Reading = { events: 0, milliseconds: 0, snapshot: { snapshot: "used", revision } };
  return { state, revision, keys: new RecentKeys(rememberedKeys, keys), first, last: madeAt, reading };
}

/** The stream from `revision` (included) on: out of `page`, its last events, if they go back so far. */
async function* from(
  eventStore: EventStore,
  stream: string,
  revision: bigint,
  page: readonly StoredEvent[],
): AsyncGenerator<StoredEvent, void> {
  const place = page.findIndex((event) => event.revision === revision);
  yield* place === -1 ? eventStore.readStream(stream, revision) : page.slice(place);
}

export async function firstRevision(eventStore: EventStore, stream: string): Promise<bigint | undefined> {
  const [first] = await collect(eventStore.readStream(stream, 0n, 1n));
  return first?.revision;
}

export async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const collected: StoredEvent[] = [];
  for await (const event of events) collected.push(event);
  return collected;
}
