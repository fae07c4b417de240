/**
 * Tests of a decider in the words of its rules, under any test runner:
 *
 *     given(orderDecider, [placed]).when(cancel).then([cancelled]);
 *     given(orderDecider, []).when(cancel).thenRejected("ORDER_NOT_FOUND");
 *     given(orderDecider, [placed, cancelled]).when(cancel).thenNothing();
 *     given(orderDecider, [placed]).when(cancel).thenState((order) => order.status, "cancelled");
 *
 * The comparison is exact: order, types, every field and no other. What fails is an AssertionError whose message tells the
 * whole case: what was given, what was asked, what was expected, what came, and the difference.
 */
import { AssertionError } from "node:assert";
import type { AggregateDecider, AggregateEvent, AggregateRejection } from "../commands/aggregate.ts";
import { decisionKind } from "./decision-kind.ts";
import { exactDifference, inFull, indented } from "./exact-difference.ts";

export interface Given<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection> {
  when(command: Command): When<State, Event, Refusal>;
  /** What `view` shows of the state that the given events leave: the state itself, a part of it, or its snapshot. */
  thenState<Seen>(view: (state: State) => Seen, expected: Seen): void;
}

export interface When<State, Event extends AggregateEvent, Refusal extends AggregateRejection> {
  /** Exactly these events in this order; or exactly this rejection, its message included. */
  then(expected: readonly Event[] | Refusal): void;
  /** A rejection of this code, whatever its message. */
  thenRejected(code: Refusal["rejection"]): void;
  /** No event and no rejection: what was asked for is already so. */
  thenNothing(): void;
  /** What `view` shows of the state after the decided events. A rejection fails: no state follows from it. */
  thenState<Seen>(view: (state: State) => Seen, expected: Seen): void;
}

/** The state that `history` leaves, ready for one command. */
export function given<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  decider: AggregateDecider<State, Command, Event, Refusal>,
  history: readonly Event[],
): Given<State, Command, Event, Refusal> {
  const told = [section("Given", listed(history))];

  const stateAfter = (events: readonly Event[]): State =>
    events.reduce(
      (state, event) =>
        orFailure([...told, section("Event", inFull(event))], "evolve", () => decider.evolve(state, event)),
      decider.initialState,
    );

  const when = (command: Command): When<State, Event, Refusal> => {
    const asked = [...told, section("When", inFull(command))];
    const decide = (): readonly Event[] | Refusal => {
      const state = stateAfter(history);
      return orFailure(asked, "decide", () => decider.decide(state, command));
    };
    const then = (expected: readonly Event[] | Refusal): void => {
      // An object with `then` passes for a promise: to await it, or to return it from a test, calls this with a function.
      if (typeof expected === "function") throw new TypeError("this is no promise: give .then the expected events");
      const decision = decide();
      const difference = decisionKind(decision) === "neither" ? "" : exactDifference(decision, expected);
      if (difference !== undefined) throw failure(asked, answerFor(decision, expected), decision, expected, difference);
    };
    return {
      then,
      thenRejected: (code) => {
        const decision = decide();
        if (isRejection(decision) && decision.rejection === code) return;
        const expected = { rejection: code };
        throw failure(asked, answerFor(decision, expected), decision, expected);
      },
      thenNothing: () => {
        then([]);
      },
      thenState: (view, expected) => {
        const decision = decide();
        if (!isEvents(decision)) throw failure(asked, answerFor(decision, []), decision, expected);
        compareStates(
          [...asked, section("Then", listed(decision))],
          view(stateAfter([...history, ...decision])),
          expected,
        );
      },
    };
  };

  return {
    when,
    thenState: (view, expected) => {
      compareStates(told, view(stateAfter(history)), expected);
    },
  };
}

const isEvents = <Event>(decision: readonly Event[] | AggregateRejection): decision is readonly Event[] =>
  decisionKind(decision) === "events";

const isRejection = <Refusal>(decision: readonly unknown[] | Refusal): decision is Refusal =>
  decisionKind(decision) === "rejection";

/** What came in place of what was expected: the first words of a failure. */
function answerFor(decision: unknown, expected: unknown): string {
  const came = decisionKind(decision);
  const wanted = decisionKind(expected);
  if (came === "neither") return "the answer is neither a list of events nor a rejection";
  if (came === wanted) return came === "events" ? "other events than expected" : "another rejection than expected";
  return came === "events" ? "events where a rejection was expected" : "a rejection where events were expected";
}

function compareStates(told: readonly string[], actual: unknown, expected: unknown): void {
  const difference = exactDifference(actual, expected);
  if (difference !== undefined) throw failure(told, "another state than expected", actual, expected, difference);
}

function failure(
  told: readonly string[],
  what: string,
  actual: unknown,
  expected: unknown,
  difference?: string,
): AssertionError {
  const sections = [...told, section("Expected", inFull(expected)), section("Actual", inFull(actual))];
  if (difference !== undefined) sections.push(section("Difference", difference));
  return new AssertionError({ message: [what, ...sections].join("\n"), actual, expected });
}

/** A decider is total: what it throws is a failure of the case, told like any other. */
function orFailure<Result>(told: readonly string[], part: "decide" | "evolve", run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    const error = new AssertionError({ message: [`${part} threw ${String(cause)}`, ...told].join("\n") });
    error.cause = cause;
    throw error;
  }
}

const section = (title: string, text: string): string => `${title}\n${indented(text)}`;

const listed = (events: readonly unknown[]): string =>
  events.length === 0 ? "no event" : events.map(inFull).join("\n");
