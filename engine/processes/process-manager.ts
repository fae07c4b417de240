/**
 * A process manager as the engine runs it: an aggregate whose commands are what it is told, and which says, by its state, what
 * it wants to be asked of others. It is data and pure functions but for `send`, which carries a request to another aggregate.
 */
import type { Aggregate, AggregateEvent, AggregateRejection } from "../commands/aggregate.ts";
import type { CommandOrigin } from "../commands/new-events.ts";
import type { CommandOutcome } from "../commands/outcome.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { IdempotencyKey } from "../commands/idempotency.ts";

/** A request whose intent is recorded and whose outcome is not. */
export interface Pending<Request> {
  /** Follows from the event that caused it, so that whoever sends it again asks for the same one effect. */
  readonly key: string;
  /** Id of that event, or the name of what else caused it. */
  readonly cause: string;
  readonly request: Request;
}

/** What a process is told about a request it made. */
export type RequestOutcome =
  | { readonly is: "accepted" }
  | { readonly is: "refused"; readonly code: string; readonly message: string }
  /** By an error that no repetition can mend. */
  | { readonly is: "failed"; readonly code: string; readonly message: string };

/**
 * A key as a process writes it into any stream. Keys of clients are printable ASCII, so none can be that of a process: it could
 * make a process take what it has never heard for known, or stand in the way of a request.
 */
export function processKey(key: string): string {
  return `→ ${key}`;
}

/** What becomes of every request: who asks for it, and under which key. */
export interface Sending {
  readonly origin: CommandOrigin;
  readonly idempotency: IdempotencyKey;
}

export interface ProcessManager<State, Input, Request> {
  /** Stands as the actor in the metadata of every event that it causes. */
  readonly name: string;
  readonly aggregate: Aggregate<State, Input, AggregateEvent, AggregateRejection>;
  /** Which process the event concerns, and what it is told; undefined when it concerns none. Throws EventNotUnderstoodError. */
  readonly inputOf: (event: StoredEvent, at: string) => { readonly id: string; readonly input: Input } | undefined;
  /** The request that is to be sent now. */
  readonly pending: (state: State) => Pending<Request> | undefined;
  /** Why the process does not go on until somebody does something about it; undefined as long as it does. */
  readonly halted: (state: State) => string | undefined;
  readonly outcomeInput: (key: string, outcome: RequestOutcome, at: string) => Input;
  /** Of the request from outside that started the process; everything that it does bears it. */
  readonly correlationId: (state: State) => string | undefined;
  /** The stream that a request is about: what a batch asks of one stream it asks in turn. */
  readonly streamOfRequest: (request: Request) => string;
  /** Throws the errors of the event store. */
  readonly send: (request: Request, sending: Sending) => Promise<CommandOutcome<AggregateRejection>>;
}
