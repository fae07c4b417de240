import type { EventStore } from "../event-store/event-store.ts";
import type { Aggregate, AggregateEvent, AggregateRejection } from "./aggregate.ts";
import { foldStored, type Loaded, nothingLoaded } from "./fold.ts";
import { loadKnown } from "./load-known.ts";

export type { Loaded } from "./fold.ts";

/**
 * Folds the events after `loaded` into it, one at a time as they arrive: `evolve` sees each once, and no more than one is
 * held. The keys of `loaded` go on in the result. Where nothing is loaded and the aggregate has snapshots, a long stream is
 * read from its snapshot on, or from where this process has read it to before (`load-known.ts`), with the same result. Throws the errors of the event store, among them
 * EventNotUnderstoodError for a type or version that this code does not know: deciding on half a history would be a guess.
 */
export async function load<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  stream: string,
  loaded: Loaded<State> = nothingLoaded(aggregate.decider.initialState),
): Promise<Loaded<State>> {
  const startedAt = performance.now();
  const now = await loadMore(eventStore, aggregate, stream, loaded);
  const milliseconds = loaded.reading.milliseconds + performance.now() - startedAt;
  return { ...now, reading: { ...now.reading, milliseconds } };
}

function loadMore<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  stream: string,
  loaded: Loaded<State>,
): Promise<Loaded<State>> {
  const { revision } = loaded;
  if (revision !== "no_stream") return foldStored(aggregate, loaded, eventStore.readStream(stream, revision + 1n));
  const { snapshots } = aggregate;
  if (snapshots === undefined) return foldStored(aggregate, loaded, eventStore.readStream(stream));
  return loadKnown(eventStore, aggregate, snapshots, stream, loaded);
}
