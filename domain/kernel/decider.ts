/**
 * The contract every aggregate is written against: a decider (Chassaing). Pure, total and synchronous, so that the same
 * state and command always give the same decision, in a Lambda, in a test and in a debugger.
 */

/** A fact of the domain. `type` is the event type as stored; `data` must survive JSON unchanged. */
export interface DomainEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/** Why a command was refused. `code` is stable and part of the API; `message` is for people. */
export interface Rejection<Code extends string = string> {
  readonly rejection: Code;
  readonly message: string;
}

/** No events means that the command asked for what is already so: a success that changes nothing. */
export type Decision<Event, Refusal> = readonly Event[] | Refusal;

export interface Decider<State, Command, Event extends DomainEvent, Refusal extends Rejection> {
  readonly initialState: State;
  evolve(state: State, event: Event): State;
  /** Never throws: what is against a rule is a rejection. */
  decide(state: State, command: Command): Decision<Event, Refusal>;
}

export function isRejection<Event, Refusal extends Rejection>(decision: Decision<Event, Refusal>): decision is Refusal {
  return !Array.isArray(decision);
}
