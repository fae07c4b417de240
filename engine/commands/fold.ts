/** An aggregate as a fold of its events, and how events are folded into it. */
import type { ExpectedRevision } from "../event-store/event-store.ts";
import { readEventData } from "../event-store/event-types.ts";
import type { NewEvent, StoredEvent } from "../event-store/stored-event.ts";
import type { Reading } from "../snapshots/snapshot-policy.ts";
import { type EventMark, markOf } from "../snapshots/snapshot.ts";
import type { Aggregate, AggregateEvent, AggregateRejection } from "./aggregate.ts";
import { RecentKeys } from "./idempotency.ts";

/** An aggregate folded up to `revision`, with the keys its stream remembers. */
export interface Loaded<State> {
  readonly state: State;
  /** Revision of the last event seen, which is what an append must expect. */
  readonly revision: ExpectedRevision;
  readonly keys: RecentKeys;
  /** Revision of the first event that the state is made of; above 0 where the stream was truncated. */
  readonly first?: bigint;
  /** The last event seen; absent if it was appended and never read. */
  readonly last?: EventMark;
  /** What it took to get there; tells whether a snapshot is due. */
  readonly reading: Reading;
}

export function nothingLoaded<State>(initialState: State): Loaded<State> {
  const reading: Reading = { events: 0, milliseconds: 0, snapshot: { snapshot: "not-sought" } };
  return { state: initialState, revision: "no_stream", keys: new RecentKeys(), reading };
}

/**
 * `loaded` with the events that follow it in the store, each folded before the next is asked for. The keys of `loaded` go on
 * in the result. Throws EventNotUnderstoodError.
 */
export async function foldStored<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  { decider, eventTypes }: Pick<Aggregate<State, Command, Event, Refusal>, "decider" | "eventTypes">,
  loaded: Loaded<State>,
  events: AsyncIterable<StoredEvent> | Iterable<StoredEvent>,
): Promise<Loaded<State>> {
  const { keys, reading } = loaded;
  let { state, first } = loaded;
  let last: StoredEvent | undefined;
  let count = reading.events;
  for await (const stored of events) {
    // The type's own schema has just accepted the data: that this pair is one of the union is what eventTypes states.
    const event = { type: stored.type, data: readEventData(eventTypes, stored) } as Event;
    state = decider.evolve(state, event);
    keys.note(stored.metadata, stored.revision);
    first ??= stored.revision;
    last = stored;
    count += 1;
  }
  if (last === undefined || first === undefined) return loaded;
  const { revision } = last;
  return { state, revision, keys, first, last: markOf(last), reading: { ...reading, events: count } };
}

/**
 * `loaded` with events that were just appended to it, the last of them at `end`: what a load would now read, without reading
 * it. Where a stream that was deleted began anew, they do not begin at 0.
 */
export function foldNew<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  { decider }: Pick<Aggregate<State, Command, Event, Refusal>, "decider">,
  loaded: Loaded<State>,
  appended: readonly NewEvent[],
  end: bigint,
): Loaded<State> {
  const { keys } = loaded;
  let { state, first } = loaded;
  for (const [index, { type, data, metadata }] of appended.entries()) {
    // As in a load: the type's own schema has made this data.
    state = decider.evolve(state, { type, data } as Event);
    const revision = end - BigInt(appended.length - 1 - index);
    first ??= revision;
    keys.note(metadata, revision);
  }
  const { events, snapshot } = loaded.reading;
  // That a load was slow, or a snapshot useless, was told with these events: the next ones need not tell it again.
  const reading: Reading = {
    events: events + appended.length,
    milliseconds: 0,
    snapshot: snapshot.snapshot === "ignored" ? { snapshot: "not-sought" } : snapshot,
  };
  return { state, revision: end, keys, ...(first === undefined ? {} : { first }), reading };
}
