/**
 * Loads an aggregate that has snapshots in a process that may have loaded it before: then only what came since is read, and
 * at the same time whether the stream is still the one that was loaded.
 */
import type { EventStore } from "../event-store/event-store.ts";
import { everyEventsOf, pageEvents, type SnapshotPolicy } from "../snapshots/snapshot-policy.ts";
import type { Aggregate, AggregateEvent, AggregateRejection } from "./aggregate.ts";
import { foldStored, type Loaded } from "./fold.ts";
import { knownStates } from "./known-states.ts";
import { collect, firstRevision, judge, loadBySnapshot } from "./load-by-snapshot.ts";

/** `nothing` is what is loaded of an empty stream. */
export async function loadKnown<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  policy: SnapshotPolicy<State>,
  stream: string,
  nothing: Loaded<State>,
): Promise<Loaded<State>> {
  const states = knownStates(eventStore);
  const loaded =
    (await loadSince(eventStore, aggregate, policy, stream, states.get(policy, stream))) ??
    (await loadBySnapshot(eventStore, aggregate, policy, stream, nothing));
  states.set(policy, stream, loaded);
  return loaded;
}

/** Undefined if nothing is known, or it lies far behind, or is not of this stream as it is now. */
async function loadSince<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  policy: SnapshotPolicy<State>,
  stream: string,
  known: Loaded<State> | undefined,
): Promise<Loaded<State> | undefined> {
  if (known?.last === undefined) return undefined;
  // With more events since there is a snapshot that spares reading them.
  const most = everyEventsOf(policy) + pageEvents;
  const [[madeAt, ...following], first] = await Promise.all([
    collect(eventStore.readStream(stream, known.last.revision, BigInt(most))),
    firstRevision(eventStore, stream),
  ]);
  const isUsable = following.length < most - 1 && judge(known.last, known.first, madeAt, first) === "usable";
  return isUsable ? foldStored(aggregate, known, following) : undefined;
}
