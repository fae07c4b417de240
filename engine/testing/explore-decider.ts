/**
 * Property tests of a decider: many random sequences of commands from the initial state on. Whatever they do,
 * - decide and evolve never throw, change nothing of what they are given, and decide answers the same when asked again;
 * - every decided event is of a listed type, as its schema takes it, and survives JSON;
 * - the stored history, folded event by event, gives the state that the decisions led to;
 * - the invariants hold in every state that a command can meet.
 *
 * A failure names what is broken, the fewest commands that show it, and the seed that repeats it as TIDEMARK_SEED.
 */
import fc from "fast-check";
import type { AggregateEvent, AggregateRejection } from "../commands/aggregate.ts";
import { checkEventTypes } from "../event-store/event-types.ts";
import { type CommandChoice, isEvents, type Step, walk, type Walk, type WatchedDecider } from "./decider-walk.ts";
import { inFull, indented } from "./exact-difference.ts";
import { checkRuns, newSeed } from "./runs.ts";

export interface Exploration<
  State,
  Command extends object,
  Event extends AggregateEvent,
  Refusal extends AggregateRejection,
> extends WatchedDecider<State, Command, Event, Refusal> {
  /** The next command, or a choice of one by the state that was reached. */
  readonly commands: fc.Arbitrary<Command | CommandChoice<State, Command, Event>>;
  /** How many sequences, one at least; 500 by default. */
  readonly runs?: number;
  /** Of one sequence; 20 by default. */
  readonly maximumCommands?: number;
  /** Default: TIDEMARK_SEED, or another one each time. */
  readonly seed?: number;
}

/** How often each outcome was met, so that a test can say that its commands lead everywhere. */
export interface Explored {
  readonly seed: number;
  /** Events by type. */
  readonly decided: Readonly<Record<string, number>>;
  /** Rejections by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Commands that asked for what was already so. */
  readonly unchanged: number;
}

/** A decider breaks a law. `cause` is what was thrown, where something was. */
export class DeciderFaultError extends Error {
  readonly code = "DECIDER_FAULT";
  override readonly name = "DeciderFaultError";
}

/** Throws {@link DeciderFaultError} at the first sequence that breaks a law, or that cannot be explored at all. */
export function exploreDecider<
  State,
  Command extends object,
  Event extends AggregateEvent,
  Refusal extends AggregateRejection,
>(exploration: Exploration<State, Command, Event, Refusal>): Explored {
  const { eventTypes, commands, runs = 500, maximumCommands = 20, seed = newSeed() } = exploration;
  checkEventTypes(eventTypes);
  checkRuns(runs);
  const [decided, refused] = [new Map<string, number>(), new Map<string, number>()];
  let unchanged = 0;
  const broken: Required<Walk<State, Command, Event, Refusal>>[] = [];

  const note = ({ decision = [] }: Step<Command, Event, Refusal>): void => {
    if (!isEvents(decision)) count(refused, decision.rejection);
    else if (decision.length === 0) unchanged += 1;
    else for (const { type } of decision) count(decided, type);
  };

  const sequences = fc.array(commands, { maxLength: maximumCommands, size: "max" });
  const property = fc.property(sequences, (sequence) => {
    const walked = walk(exploration, sequence);
    if (walked.broken !== undefined) broken.push({ ...walked, broken: walked.broken });
    else walked.steps.forEach(note);
    return walked.broken === undefined;
  });
  fc.check(property, { seed, numRuns: runs });
  // The last one that broke a law is the one that could not be shrunk any further.
  const fewest = broken.at(-1);
  if (fewest !== undefined) throw faultOf(fewest, seed);
  return { seed, decided: Object.fromEntries(decided), refused: Object.fromEntries(refused), unchanged };
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function faultOf<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  { steps, state, broken }: Required<Walk<State, Command, Event, Refusal>>,
  seed: number,
): DeciderFaultError {
  const told = steps.map(({ command, decision }, at) => {
    const answer = decision === undefined ? "" : `\n${indented(inFull(decision))}`;
    return `${at + 1}. ${inFull(command)}${answer}`;
  });
  const message = [
    broken.message,
    ...(broken.detail === "" ? [] : [indented(broken.detail)]),
    "Commands, the fewest that show it, with what was decided",
    indented(told.length === 0 ? "none: the initial state" : told.join("\n")),
    "State that was reached",
    indented(inFull(state)),
    `Seed: repeat with TIDEMARK_SEED=${seed}`,
  ];
  return new DeciderFaultError(message.join("\n"), { cause: broken.cause });
}
