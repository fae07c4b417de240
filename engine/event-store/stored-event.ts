import type { Position } from "./position.ts";

/** What an event carries beside its data. Names with `$` are EventStoreDB's own. */
export interface EventMetadata {
  readonly $correlationId?: string;
  readonly $causationId?: string;
  /** Version of the event type's schema that the data was written with; absent means 1. */
  readonly schemaVersion?: number;
  /** Who asked for it. */
  readonly actor?: string;
  /** W3C trace context of the request. */
  readonly traceparent?: string;
  readonly idempotencyKey?: string;
  /** SHA-256 of the command as sent, hex; tells a resend from another command under the same key. */
  readonly idempotencyDigest?: string;
  /** What stands there is no JSON object: nothing is known of the event, its version included. */
  readonly unreadable?: true;
  /** Its stream has grown so long that a snapshot should be taken. */
  readonly snapshotDue?: true;
}

/** An event as the store holds it: the data is not yet upcast or validated. */
export interface StoredEvent {
  /** UUID, unique over all streams. */
  readonly id: string;
  readonly stream: string;
  /** Counts from 0; a truncated stream starts higher. */
  readonly revision: bigint;
  readonly position: Position;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: EventMetadata;
  readonly recordedAt: Date;
}

/**
 * Whether it only says that its stream is deleted for good. It bears the stream's name and the highest revision there is, and
 * is no event of the stream.
 */
export function isTombstone({ type }: Pick<StoredEvent, "type">): boolean {
  return type === "$streamDeleted";
}

/** An event on its way into the store. */
export interface NewEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: EventMetadata;
}
