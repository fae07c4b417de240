/**
 * How the state of an aggregate is kept as JSON, so that a long stream need not be folded from its start. The state is what
 * its decider makes of the events: reading back what was written gives a state that decides the same.
 */
export interface StateSnapshot<State> {
  /** JSON, and nothing that JSON would lose. */
  write(state: State): unknown;
  /** Throws when this is not what {@link write} gives: a damaged snapshot is worth nothing. */
  read(json: unknown): State;
}
