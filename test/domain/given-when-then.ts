import { expect } from "vitest";
import type { Decider, DomainEvent, Rejection } from "../../domain/kernel/decider.ts";

/**
 * `given(decider, events).when(command).then(events | rejection)`: the state that the events leave, one command, and
 * exactly what it decides: order, types and every field.
 */
export function given<State, Command, Event extends DomainEvent, Refusal extends Rejection>(
  decider: Decider<State, Command, Event, Refusal>,
  history: readonly Event[],
): { when(command: Command): { then(expected: readonly Event[] | Refusal): void } } {
  return {
    when: (command) => ({
      then: (expected) => {
        const state = history.reduce((before, event) => decider.evolve(before, event), decider.initialState);
        expect(decider.decide(state, command)).toStrictEqual(expected);
      },
    }),
  };
}
