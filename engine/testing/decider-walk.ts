/**
 * One sequence of commands through a decider, watched: what the engine relies on is checked at every step, and the first
 * law that is broken ends the walk.
 */
import type { AggregateDecider, AggregateEvent, AggregateRejection } from "../commands/aggregate.ts";
import type { EventTypes } from "../event-store/event-types.ts";
import {
  BrokenLaw,
  called,
  checkInvariant,
  checkKind,
  checkSameAgain,
  storedData,
  thrown,
  untouched,
} from "./decider-laws.ts";
import { exactDifference } from "./exact-difference.ts";

/** Chooses a command by what was reached, for example the payment of just what is open; undefined when none fits there. */
export type CommandChoice<State, Command, Event> = (state: State, history: readonly Event[]) => Command | undefined;

export interface WatchedDecider<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection> {
  readonly decider: AggregateDecider<State, Command, Event, Refusal>;
  readonly eventTypes: EventTypes;
  /** What has to hold in every state that a command can meet, by the name that a failure gives it; false breaks it. */
  readonly invariants?: Readonly<Record<string, (state: State, history: readonly Event[]) => boolean>>;
  /** What of a state is compared, for a state that holds more than its value: its snapshot, for instance. */
  readonly view?: (state: State) => unknown;
}

export interface Step<Command, Event, Refusal> {
  readonly command: Command;
  /** Absent when decide did not come to one. */
  readonly decision?: readonly Event[] | Refusal;
}

export interface Walk<State, Command, Event, Refusal> {
  readonly steps: readonly Step<Command, Event, Refusal>[];
  /** Where it ended. */
  readonly state: State;
  readonly broken?: BrokenLaw;
}

export function walk<State, Command extends object, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  watched: WatchedDecider<State, Command, Event, Refusal>,
  commands: readonly (Command | CommandChoice<State, Command, Event>)[],
): Walk<State, Command, Event, Refusal> {
  const { decider, eventTypes, invariants = {}, view = (state: State): unknown => state } = watched;
  const steps: Step<Command, Event, Refusal>[] = [];
  const history: Event[] = [];
  const stored: { readonly type: string; readonly data: string }[] = [];
  let state = decider.initialState;

  type Choice = CommandChoice<State, Command, Event>;
  const isChoice = (next: Command | Choice): next is Choice => typeof next === "function";

  const checkInvariants = (): void => {
    for (const [name, holds] of Object.entries(invariants)) checkInvariant(name, () => holds(state, history));
  };

  const evolved = (before: State, event: Event): State => {
    const after = untouched(
      "evolve",
      () => [view(before), event],
      () => decider.evolve(before, event),
    );
    if (after === undefined) throw new BrokenLaw(`evolve answered undefined to ${event.type}`);
    return after;
  };

  const take = (command: Command): void => {
    steps.push({ command });
    const given = (): unknown => [view(state), command];
    const decision = untouched("decide", given, () => decider.decide(state, command));
    steps.splice(-1, 1, { command, decision });
    checkKind(decision);
    checkSameAgain(
      decision,
      called("decide, asked again,", () => decider.decide(state, command)),
    );
    if (!isEvents(decision)) return;
    for (const event of decision) {
      stored.push({ type: event.type, data: storedData(eventTypes, event) });
      state = evolved(state, event);
      history.push(event);
    }
    // A decision's events are one append: no command meets a state between two of them.
    checkInvariants();
  };

  /** Another process reads the history from the store and has to come to the same state. */
  const checkFold = (): void => {
    // The type's schema has taken these data before they were written.
    const read = stored.map(
      ({ type, data }) => ({ type, data: eventTypes[type]?.schema.parse(JSON.parse(data)) }) as Event,
    );
    const difference = exactDifference(view(read.reduce(evolved, decider.initialState)), view(state));
    if (difference !== undefined) throw new BrokenLaw("the stored history folds to another state", difference);
  };

  try {
    checkInvariants();
    for (const next of commands) {
      const command = isChoice(next) ? called("the choice of a command", () => next(state, history)) : next;
      // A sequence is walked many times while it is shrunk: each time with commands that no walk before has touched.
      if (command !== undefined) take(structuredClone(command));
    }
    checkFold();
    return { steps, state };
  } catch (error) {
    if (error instanceof BrokenLaw) return { steps, state, broken: error };
    // What cannot be explored is not sound: a view that throws, a command that cannot be copied, an event that is none.
    return { steps, state, broken: new BrokenLaw(`the exploration failed: ${thrown(error)}`, "", error) };
  }
}

export const isEvents = <Event>(decision: readonly Event[] | AggregateRejection): decision is readonly Event[] =>
  Array.isArray(decision);
