/**
 * What the engine has to know of an aggregate: where its stream lies, how its events read, and how it decides. The decider's
 * shape is stated here structurally, so that a domain writes its deciders without knowing the engine.
 */
import type { EventTypes } from "../event-store/event-types.ts";
import type { SnapshotPolicy } from "../snapshots/snapshot-policy.ts";

export interface AggregateEvent {
  readonly type: string;
  readonly data: unknown;
}

/** Why a command was refused by the domain: a stable code and a message for people. */
export interface AggregateRejection {
  readonly rejection: string;
  readonly message: string;
}

export interface AggregateDecider<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection> {
  readonly initialState: State;
  evolve(state: State, event: Event): State;
  /** No events: the command asked for what is already so. */
  decide(state: State, command: Command): readonly Event[] | Refusal;
}

export interface Aggregate<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection> {
  /** What stands before the `-` in its streams' names. */
  readonly category: string;
  readonly decider: AggregateDecider<State, Command, Event, Refusal>;
  /** Every type that may stand in the stream: a load refuses any other. */
  readonly eventTypes: EventTypes;
  /** Whether and when snapshots of it are taken; without, it is folded from its beginning every time. */
  readonly snapshots?: SnapshotPolicy<State>;
}

/** The stream of the aggregate with this id: `<category>-<id>`. */
export function streamOf(aggregate: { readonly category: string }, id: string): string {
  return `${aggregate.category}-${id}`;
}
