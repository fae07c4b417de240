/**
 * Tells a process something and carries out all that it then wants: the intent is in its stream before a request is sent, the
 * outcome after. Killed anywhere in between, the next one who tells it anything, the same thing again included, sends what is
 * unfinished under the same key, so that it has its effect once.
 *
 * It returns when the process wants nothing more: only then may the event that caused it be acknowledged.
 */
import { type AggregateRejection, streamOf } from "../commands/aggregate.ts";
import { handleLoaded } from "../commands/handle-command.ts";
import { commandDigest } from "../commands/idempotency.ts";
import { load, type Loaded } from "../commands/load.ts";
import type { CommandOrigin } from "../commands/new-events.ts";
import type { CommandOutcome } from "../commands/outcome.ts";
import type { Precondition } from "../commands/precondition.ts";
import type { EventStore } from "../event-store/event-store.ts";
import type { Logger } from "../http/logger.ts";
import { type Pending, processKey, type ProcessManager, type RequestOutcome } from "./process-manager.ts";

export interface ProcessContext {
  readonly eventStore: EventStore;
  readonly log: Logger;
}

/** What a process is told, and by whom. */
export interface Told<Input> {
  readonly id: string;
  readonly input: Input;
  /** Names what is told, once and for all: told again, it changes nothing. A client's own, or a {@link processKey}. */
  readonly key: string;
  /** Of what was told, where one key may come with different things; without it the key alone counts. */
  readonly digest?: string;
  readonly origin: CommandOrigin;
  readonly precondition?: Precondition;
}

/** Others kept changing a stream during every try: trying again later is safe. */
export class ProcessBusyError extends Error {
  readonly code = "PROCESS_BUSY";
  override readonly name = "ProcessBusyError";
}

/** A fault of the process manager: its decider does not take the outcome of its own request. */
export class ProcessStuckError extends Error {
  readonly code = "PROCESS_STUCK";
  override readonly name = "ProcessStuckError";
}

/**
 * Returns how the process took what it was told; a rejection is an outcome. Throws the event store's errors and
 * {@link ProcessBusyError}: then it is to be told again; and {@link ProcessStuckError}.
 */
export async function advance<State, Input, Request>(
  context: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  told: Told<Input>,
): Promise<CommandOutcome<AggregateRejection>> {
  const { aggregate } = manager;
  const loaded = await load(context.eventStore, aggregate, streamOf(aggregate, told.id));
  const taken = await tell(context, manager, loaded, told);
  await finish(context, manager, taken.loaded, told);
  return taken.outcome;
}

/** Sends what is pending until nothing is. */
async function finish<State, Input, Request>(
  context: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  taken: Loaded<State>,
  { id, origin }: Told<Input>,
): Promise<void> {
  let loaded = taken;
  for (let pending = manager.pending(loaded.state); pending !== undefined; pending = manager.pending(loaded.state)) {
    const { key, cause } = pending;
    const because = { ...originOf(manager, loaded, origin), causationId: cause };
    const outcome = await ask(context, manager, pending, because);
    context.log.debug({ process: streamOf(manager.aggregate, id), key, outcome: outcome.is }, "request answered");
    const input = manager.outcomeInput(key, outcome, new Date().toISOString());
    const answer = { id, input, key: processKey(`${key}:${outcome.is}`), origin: because };
    ({ loaded } = await tell(context, manager, loaded, answer));
    if (manager.pending(loaded.state)?.key === key) {
      throw new ProcessStuckError(
        `${streamOf(manager.aggregate, id)} was told how ${key} ended, and still waits for it`,
      );
    }
    const reason = manager.halted(loaded.state);
    // An alarm looks for these words: nobody else sees it, since to the event that was told all went well.
    if (reason !== undefined) context.log.error({ process: streamOf(manager.aggregate, id), reason }, "process halted");
  }
}

async function tell<State, Input, Request>(
  { eventStore }: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  loaded: Loaded<State>,
  { id, input, key, digest = commandDigest(manager.name, key), origin, precondition }: Told<Input>,
): Promise<{ outcome: CommandOutcome<AggregateRejection>; loaded: Loaded<State> }> {
  const request = {
    id,
    command: input,
    origin: originOf(manager, loaded, origin),
    idempotency: { key, digest },
    ...(precondition === undefined ? {} : { precondition }),
  };
  const handled = await handleLoaded(eventStore, manager.aggregate, request, loaded);
  if (handled.outcome.outcome === "conflict") {
    throw new ProcessBusyError(`${streamOf(manager.aggregate, id)} is changed by others all the time: tell it again`);
  }
  return handled;
}

/** Of the process once it has started, so that all it does can be followed from the request that started it. */
function originOf<State, Input, Request>(
  manager: ProcessManager<State, Input, Request>,
  { state }: Loaded<State>,
  origin: CommandOrigin,
): CommandOrigin {
  return { ...origin, actor: manager.name, correlationId: manager.correlationId(state) ?? origin.correlationId };
}

async function ask<State, Input, Request>(
  { log }: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  { key, request }: Pending<Request>,
  origin: CommandOrigin,
): Promise<RequestOutcome> {
  const idempotency = { key: processKey(key), digest: commandDigest(manager.name, JSON.stringify(request)) };
  try {
    return outcomeOf(await manager.send(request, { origin, idempotency }), key);
  } catch (error) {
    const code = codeOf(error);
    const message = lastingFailures.get(code);
    if (code === undefined || message === undefined) throw error;
    // Whoever asks for the process sees the outcome; what is wrong inside is for whoever reads the log.
    log.error({ process: manager.name, key, err: error }, "request failed for good");
    return { is: "failed", code, message };
  }
}

function outcomeOf(outcome: CommandOutcome<AggregateRejection>, key: string): RequestOutcome {
  switch (outcome.outcome) {
    case "accepted":
      return { is: "accepted" };
    case "rejected": {
      const { rejection: code, message } = outcome.rejection;
      return { is: "refused", code, message };
    }
    case "key-reused":
      return { is: "failed", code: "IDEMPOTENCY_KEY_REUSED", message: `the key ${key} was used for something else` };
    case "precondition-failed":
      return { is: "failed", code: "PRECONDITION_FAILED", message: "a request of a process requires no revision" };
    case "conflict":
      throw new ProcessBusyError(`request ${key} met changes by others at each of ${outcome.attempts} tries`);
  }
}

/** By code: about the stream or the request itself, not about the store. It would fail in the same way for ever. */
const lastingFailures: ReadonlyMap<string | undefined, string> = new Map([
  ["EVENT_NOT_UNDERSTOOD", "its history holds an event that this version cannot read: see the log"],
  ["STREAM_DELETED", "what it concerns was deleted for good"],
  ["APPEND_TOO_LARGE", "it leads to more data than one write can take"],
  ["INVALID_EVENT", "what was decided does not pass its own schema, a fault in the code: see the log"],
]);

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
