/** Translation of what the client of EventStoreDB returns and throws into the engine's own terms. */
import {
  AccessDeniedError,
  CancelledError,
  DeadlineExceededError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  type RecordedEvent,
  StreamDeletedError as ClientStreamDeletedError,
  TimeoutError,
  UnavailableError,
} from "@eventstore/db-client";
import { messageOf } from "../errors/message-of.ts";
import {
  AppendTooLargeError,
  EventStoreError,
  EventStoreUnavailableError,
  EventNotUnderstoodError,
  StreamDeletedError,
} from "./errors.ts";
import type { EventMetadata, StoredEvent } from "./stored-event.ts";

export function fromClientEvent(event: RecordedEvent): StoredEvent {
  if (event.position === undefined) {
    throw new EventStoreError("the server gives events without positions: EventStoreDB 22.6 or later is needed");
  }
  return {
    id: event.id,
    stream: event.streamId,
    revision: event.revision,
    position: event.position,
    type: event.type,
    data: event.data,
    metadata: readMetadata(event.metadata),
    recordedAt: event.created,
  };
}

/** Metadata of events that others wrote may be anything; only an object can hold what is looked for, and none is not a damaged one. */
function readMetadata(metadata: unknown): EventMetadata {
  if (metadata === undefined) return {};
  const isBytes = metadata instanceof Uint8Array;
  if (typeof metadata === "object" && metadata !== null && !isBytes && !Array.isArray(metadata)) return metadata;
  return isBytes && metadata.length === 0 ? {} : { unreadable: true };
}

const isOwnError = (error: unknown): boolean =>
  error instanceof EventStoreUnavailableError ||
  error instanceof EventStoreError ||
  error instanceof StreamDeletedError ||
  error instanceof AppendTooLargeError ||
  error instanceof EventNotUnderstoodError;

/** The engine's error for one of the client; `what` completes "<what> failed". */
export function fromClientError(error: unknown, what: string): Error {
  if (isOwnError(error) && error instanceof Error) return error;
  const cause = { cause: error };
  if (error instanceof ClientStreamDeletedError) {
    return new StreamDeletedError(`${what} failed: stream ${error.streamName} is tombstoned`, cause);
  }
  if (error instanceof MaxAppendSizeExceededError) {
    return new AppendTooLargeError(`${what} failed: more than ${error.maxAppendSize} bytes in one append`, cause);
  }
  if (
    error instanceof UnavailableError ||
    error instanceof CancelledError ||
    error instanceof DeadlineExceededError ||
    error instanceof TimeoutError ||
    error instanceof NotLeaderError ||
    isTransportFailure(error)
  ) {
    return new EventStoreUnavailableError(`${what} failed: the event store does not answer; try again`, cause);
  }
  if (error instanceof AccessDeniedError) {
    return new EventStoreError(`${what} failed: access denied; check the connection string's user`, cause);
  }
  return new EventStoreError(`${what} failed: ${messageOf(error)}`, cause);
}

const cancelled = 1;
const deadlineExceeded = 4;
const internal = 13;
const unavailable = 14;

/**
 * What gRPC itself says of a connection that failed, where the client passes it on as it is: from its first look-up of the
 * server's features, and as an internal error when the connection is reset under a call.
 */
function isTransportFailure(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  const { code, message } = error;
  if (code === internal) return message.includes("RST_STREAM");
  return code === unavailable || code === deadlineExceeded || code === cancelled;
}
