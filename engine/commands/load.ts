import type { EventStore, ExpectedRevision } from "../event-store/event-store.ts";
import { readEventData } from "../event-store/event-types.ts";
import type { NewEvent } from "../event-store/stored-event.ts";
import type { Aggregate, AggregateEvent, AggregateRejection } from "./aggregate.ts";
import { RecentKeys } from "./idempotency.ts";

/** An aggregate folded up to `revision`, with the keys its stream remembers. */
export interface Loaded<State> {
  readonly state: State;
  /** Revision of the last event seen, which is what an append must expect. */
  readonly revision: ExpectedRevision;
  readonly keys: RecentKeys;
}

export function nothingLoaded<State>(initialState: State): Loaded<State> {
  return { state: initialState, revision: "no_stream", keys: new RecentKeys() };
}

/**
 * Folds the events after `loaded` into it, one at a time as they arrive: `evolve` sees each once, and no more than one is
 * held. The keys of `loaded` go on in the result. Throws the errors of the event store, among them
 * EventNotUnderstoodError for a type or version that this code does not know: deciding on half a history would be a guess.
 */
export async function load<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  stream: string,
  loaded: Loaded<State> = nothingLoaded(aggregate.decider.initialState),
): Promise<Loaded<State>> {
  const { keys } = loaded;
  let { state, revision } = loaded;
  for await (const stored of eventStore.readStream(stream, revision === "no_stream" ? 0n : revision + 1n)) {
    // The type's own schema has just accepted the data: that this pair is one of the union is what eventTypes states.
    const event = { type: stored.type, data: readEventData(aggregate.eventTypes, stored) } as Event;
    state = aggregate.decider.evolve(state, event);
    keys.note(stored.metadata, stored.revision);
    revision = stored.revision;
  }
  return { state, revision, keys };
}

/** `loaded` with events that were just appended to it: what a load would now read, without reading it. */
export function foldNew<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  { decider }: Pick<Aggregate<State, Command, Event, Refusal>, "decider">,
  { state, revision, keys }: Loaded<State>,
  appended: readonly NewEvent[],
): Loaded<State> {
  let folded = state;
  let last = revision === "no_stream" ? -1n : revision;
  for (const { type, data, metadata } of appended) {
    // As in a load: the type's own schema has made this data.
    folded = decider.evolve(folded, { type, data } as Event);
    last += 1n;
    keys.note(metadata, last);
  }
  return { state: folded, revision: last < 0n ? "no_stream" : last, keys };
}
