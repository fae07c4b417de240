/**
 * Loads an aggregate that has snapshots. The end of the stream is read first, a page of it, and a short stream is loaded with
 * that. Only for a longer one the snapshot is read, and only what follows it is folded. A snapshot that this process has
 * used before is used again without reading it.
 *
 * No snapshot changes what is loaded. It must belong to this very stream as it is now: the event that it was made at stands
 * where it stood, and the stream begins where it began. Else the stream is folded from its beginning.
 */
import type { EventStore } from "../event-store/event-store.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { knownSnapshots } from "../snapshots/known-snapshots.ts";
import { everyEventsOf, pageEvents, type Reading, type SnapshotPolicy } from "../snapshots/snapshot-policy.ts";
import { readSnapshot } from "../snapshots/snapshot-stream.ts";
import type { IgnoredSnapshot, SnapshotUse } from "../snapshots/snapshot-use.ts";
import { isMarked, type Snapshot } from "../snapshots/snapshot.ts";
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
  const known = await loadByKnown(eventStore, aggregate, policy, stream);
  if (known !== undefined) return known;

  const page = await eventStore.lastEvents(stream, pageEvents);
  if (page.length < pageEvents || page.at(0)?.revision === 0n) return foldStored(aggregate, nothing, page);

  const [answer, first] = await Promise.all([
    readSnapshot(eventStore, policy, stream),
    firstRevision(eventStore, stream),
  ]);
  if (answer.snapshot === "found") {
    const { found, size } = answer;
    const following = from(eventStore, stream, found.madeAt.revision, page);
    const { value: madeAt } = await following.next();
    const verdict = judge(found, madeAt ?? undefined, first);
    if (verdict === "usable") {
      const loaded = await foldStored(aggregate, restored(found), following);
      if (loaded.reading.events < everyEventsOf(policy)) knownSnapshots(eventStore).set(policy, stream, found, size);
      return loaded;
    }
    await following.return();
    return foldAll({ snapshot: "ignored", why: verdict });
  }
  return foldAll(answer);

  function foldAll(snapshot: SnapshotUse): Promise<Loaded<State>> {
    const start = { ...nothing, reading: { ...nothing.reading, snapshot } };
    return foldStored(aggregate, start, eventStore.readStream(stream));
  }
}

/** By the snapshot that was used here before; nothing if there is none, or a newer one should be there, or it has become useless. */
async function loadByKnown<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  policy: SnapshotPolicy<State>,
  stream: string,
): Promise<Loaded<State> | undefined> {
  const known = knownSnapshots(eventStore);
  const snapshot = known.get(policy, stream);
  if (snapshot === undefined) return undefined;
  const every = everyEventsOf(policy);
  const most = every + pageEvents;
  const [[madeAt, ...following], first] = await Promise.all([
    collect(eventStore.readStream(stream, snapshot.madeAt.revision, BigInt(most))),
    firstRevision(eventStore, stream),
  ]);
  const isUsable = following.length < most - 1 && judge(snapshot, madeAt, first) === "usable";
  if (!isUsable || following.length >= every) known.delete(stream);
  return isUsable ? foldStored(aggregate, restored(snapshot), following) : undefined;
}

/** Whether the stream, which has `madeAt` at the snapshot's revision or behind it, is the one that the snapshot was made of. */
function judge(
  snapshot: Snapshot<unknown>,
  madeAt: StoredEvent | undefined,
  first: bigint | undefined,
): "usable" | IgnoredSnapshot {
  if (madeAt === undefined) return "ahead";
  if (first !== snapshot.first || madeAt.revision !== snapshot.madeAt.revision) return "truncated";
  return isMarked(snapshot.madeAt, madeAt) ? "usable" : "other-history";
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

async function firstRevision(eventStore: EventStore, stream: string): Promise<bigint | undefined> {
  const [first] = await collect(eventStore.readStream(stream, 0n, 1n));
  return first?.revision;
}

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const collected: StoredEvent[] = [];
  for await (const event of events) collected.push(event);
  return collected;
}
