/**
 * Carries out a command: load, decide, append with the expected revision. On a conflict it reads what came in between,
 * decides again and tries again, a bounded number of times. One command with a key has one effect, however often and
 * wherever it is sent.
 */
import type { AppendOutcome, EventStore, ExpectedRevision } from "../event-store/event-store.ts";
import { EventStoreUnavailableError } from "../event-store/errors.ts";
import type { NewEvent } from "../event-store/stored-event.ts";
import { isSnapshotDue } from "../snapshots/snapshot-policy.ts";
import { type Aggregate, type AggregateEvent, type AggregateRejection, streamOf } from "./aggregate.ts";
import { foldNew, type Loaded } from "./fold.ts";
import { eventIds, type IdempotencyKey, stoodFor } from "./idempotency.ts";
import { load } from "./load.ts";
import { type CommandOrigin, newEvents, withSnapshotDue } from "./new-events.ts";
import type { CommandOutcome } from "./outcome.ts";
import { isMet, type Precondition } from "./precondition.ts";
import { defaultRetryPolicy, type RetryPolicy, standBack } from "./retry-policy.ts";

export interface CommandRequest<Command> {
  /** Id of the aggregate: its stream is `<category>-<id>`. */
  readonly id: string;
  readonly command: Command;
  readonly origin: CommandOrigin;
  readonly idempotency?: IdempotencyKey;
  readonly precondition?: Precondition;
}

/**
 * Throws the event store's errors. After EventStoreUnavailableError it is unknown whether the command took effect: sent
 * again with the same key it still has one effect.
 */
export async function handleCommand<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  request: CommandRequest<Command>,
  policy: RetryPolicy = defaultRetryPolicy,
): Promise<CommandOutcome<Refusal>> {
  const loaded = await load(eventStore, aggregate, streamOf(aggregate, request.id));
  return (await handleLoaded(eventStore, aggregate, request, loaded, policy)).outcome;
}

/** What became of a command, and the aggregate as it is known afterwards. */
export interface Handled<State, Refusal extends AggregateRejection> {
  readonly outcome: CommandOutcome<Refusal>;
  /** With the events of this command and those that conflicts made it read; others may have appended since. */
  readonly loaded: Loaded<State>;
}

/** {@link handleCommand} for one who has loaded the aggregate before: several commands in a row need one read. */
export async function handleLoaded<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  eventStore: EventStore,
  aggregate: Aggregate<State, Command, Event, Refusal>,
  request: CommandRequest<Command>,
  known: Loaded<State>,
  policy: RetryPolicy = defaultRetryPolicy,
): Promise<Handled<State, Refusal>> {
  const stream = streamOf(aggregate, request.id);
  const idOf = eventIds(stream, request.idempotency);
  let loaded = known;
  for (let attempt = 1; ; attempt += 1) {
    const step = decideOn(loaded, aggregate, request);
    if (step.outcome !== "append") return { outcome: step, loaded };

    const { origin, idempotency } = request;
    const decided = newEvents(aggregate.eventTypes, step.events, idOf, origin, idempotency);
    const { snapshots } = aggregate;
    const isDue = snapshots !== undefined && isSnapshotDue(snapshots, loaded.reading, decided.length);
    const events = isDue ? withSnapshotDue(decided) : decided;
    const appended = await appendSurely(eventStore, stream, loaded.revision, events, policy);
    if (appended.outcome === "appended") {
      const { revision } = appended;
      return {
        outcome: { outcome: "accepted", effect: "changed", revision },
        loaded: foldNew(aggregate, loaded, events, revision),
      };
    }

    if (attempt >= policy.attempts) return { outcome: { ...appended, attempts: attempt }, loaded };
    await standBack(policy, attempt);
    loaded = behindTruncation(await load(eventStore, aggregate, stream, loaded), appended.actual);
  }
}

/**
 * A stream of which every event is truncated looks as if it was not there, and goes on behind what nobody sees any more:
 * `actual` is where the store says that it is.
 */
function behindTruncation<State>(loaded: Loaded<State>, actual: ExpectedRevision): Loaded<State> {
  return loaded.revision === "no_stream" ? { ...loaded, revision: actual } : loaded;
}

type Step<Event, Refusal extends AggregateRejection> =
  CommandOutcome<Refusal> | { readonly outcome: "append"; readonly events: readonly Event[] };

/** What the loaded state says to the command. The key comes first: a resend carries the `If-Match` of the first time. */
function decideOn<State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
  { state, revision, keys }: Loaded<State>,
  { decider }: Aggregate<State, Command, Event, Refusal>,
  { command, idempotency, precondition }: CommandRequest<Command>,
): Step<Event, Refusal> {
  if (idempotency !== undefined) {
    const before = keys.find(idempotency.key);
    if (before !== undefined && !stoodFor(before, idempotency.digest)) return { outcome: "key-reused" };
    if (before !== undefined) return { outcome: "accepted", effect: "repeated", revision: before.revision };
  }

  const unmet = precondition !== undefined && !isMet(precondition, revision);
  if (unmet && revision !== "no_stream") return { outcome: "precondition-failed", actual: revision };

  const decision = decider.decide(state, command);
  if (isRejection(decision)) return { outcome: "rejected", rejection: decision };
  // Only now for a missing stream: that there is no such thing says more than that it is not at some revision (RFC 9110, 13.2.1).
  if (unmet) return { outcome: "precondition-failed", actual: revision };
  if (decision.length > 0) return { outcome: "append", events: decision };
  return { outcome: "accepted", effect: "unchanged", revision };
}

function isRejection<Refusal extends AggregateRejection>(decision: readonly unknown[] | Refusal): decision is Refusal {
  return !Array.isArray(decision);
}

/** As long as after so many conflicts: what was lost may still be under way, but a caller is waiting. */
const triesBehindALostAnswer = 3;

/**
 * An append whose answer was lost is sent once more: the store compares ids at the expected revision, so a first append
 * that did arrive makes the second a success with the first one's revision, even if others have appended since; and one
 * that is still under way cannot be doubled, because the stream has left the revision it expects. Once, because a caller
 * is waiting, who can repeat the request himself.
 */
async function appendSurely(
  eventStore: EventStore,
  stream: string,
  expected: ExpectedRevision,
  events: readonly NewEvent[],
  policy: RetryPolicy,
): Promise<AppendOutcome> {
  try {
    return await eventStore.append(stream, expected, events);
  } catch (lost) {
    if (!(lost instanceof EventStoreUnavailableError)) throw lost;
    await standBack(policy, triesBehindALostAnswer);
    try {
      return await eventStore.append(stream, expected, events);
    } catch (cause) {
      // Whatever went wrong this time, what became of the first append is still unknown.
      throw new EventStoreUnavailableError(`the append to ${stream} was sent twice and not answered: try again`, {
        cause,
      });
    }
  }
}
