/** A decision's events made ready for the store: validated, with ids and metadata. */
import type { EventTypes } from "../event-store/event-types.ts";
import type { EventMetadata, NewEvent } from "../event-store/stored-event.ts";
import type { AggregateEvent } from "./aggregate.ts";
import type { IdempotencyKey } from "./idempotency.ts";

/** Where a command came from, kept with every event it causes. */
export interface CommandOrigin {
  /** Shared by everything that one request set off. */
  readonly correlationId: string;
  /** Id of the message that asked for the command. */
  readonly causationId?: string;
  readonly actor?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
}

/** A decider produced an event that its own types do not describe: a fault in the code, nothing was appended. */
export class InvalidEventError extends Error {
  readonly code = "INVALID_EVENT";
  override readonly name = "InvalidEventError";
}

export function newEvents(
  types: EventTypes,
  decided: readonly AggregateEvent[],
  idOf: (index: number) => string,
  origin: CommandOrigin,
  idempotency: IdempotencyKey | undefined,
): NewEvent[] {
  const common: EventMetadata = {
    $correlationId: origin.correlationId,
    ...(origin.causationId === undefined ? {} : { $causationId: origin.causationId }),
    ...(origin.actor === undefined ? {} : { actor: origin.actor }),
    ...(origin.traceparent === undefined ? {} : { traceparent: origin.traceparent }),
    ...(idempotency === undefined ? {} : { idempotencyKey: idempotency.key, idempotencyDigest: idempotency.digest }),
  };
  return decided.map(({ type, data }, index) => {
    const definition = Object.hasOwn(types, type) ? types[type] : undefined;
    if (definition === undefined) {
      throw new InvalidEventError(`the decider produced ${type}, which is not among its event types: list it there`);
    }
    return {
      id: idOf(index),
      type,
      data: validated(type, definition.schema, data),
      metadata: { ...common, schemaVersion: definition.version },
    };
  });
}

/** The events with the mark by which they ask for a snapshot of their stream. */
export function withSnapshotDue(events: readonly NewEvent[]): NewEvent[] {
  return events.map((event, index) =>
    index === events.length - 1 ? { ...event, metadata: { ...event.metadata, snapshotDue: true } } : event,
  );
}

function validated(type: string, schema: { parse(data: unknown): unknown }, data: unknown): unknown {
  try {
    return schema.parse(data);
  } catch (cause) {
    throw new InvalidEventError(`the decider produced a ${type} that its schema refuses: correct one of them`, {
      cause,
    });
  }
}
