/** What can go wrong with the event store, told apart by what the caller can do about it. */

/** No answer, or none in time: the outcome of a write is unknown, and repeating it with the same event ids is safe. */
export class EventStoreUnavailableError extends Error {
  readonly code = "EVENT_STORE_UNAVAILABLE";
  override readonly name = "EventStoreUnavailableError";
}

/** The stream is tombstoned: it can never be read or appended to again. */
export class StreamDeletedError extends Error {
  readonly code = "STREAM_DELETED";
  override readonly name = "StreamDeletedError";
}

/** The events of one append exceed what the server takes at once (1 MiB by default). */
export class AppendTooLargeError extends Error {
  readonly code = "APPEND_TOO_LARGE";
  override readonly name = "AppendTooLargeError";
}

/** A stored event that this code cannot read: unknown type, newer version, or data against its schema. */
export class EventNotUnderstoodError extends Error {
  readonly code = "EVENT_NOT_UNDERSTOOD";
  override readonly name = "EventNotUnderstoodError";
}

/** The event store refused or failed in a way that repeating will not mend. */
export class EventStoreError extends Error {
  readonly code = "EVENT_STORE_ERROR";
  override readonly name = "EventStoreError";
}
