/**
 * The event types of a context: for each its current version, the schema of its data and one upcaster per step from an
 * older version. Data is validated when it is written and again when it is read; stored events never change.
 */
import { EventNotUnderstoodError } from "./errors.ts";
import type { StoredEvent } from "./stored-event.ts";

export interface EventType<Data = unknown> {
  readonly version: number;
  /** Returns the data, or throws what is wrong with it. A zod schema is one. */
  readonly schema: { parse(data: unknown): Data };
  /** `upcasters[n]` turns data of version n + 1 into version n + 2; there are `version - 1` of them. */
  readonly upcasters?: readonly ((data: unknown) => unknown)[];
}

export type EventTypes = Readonly<Record<string, EventType>>;

/** The event of a type map as a discriminated union of `{ type, data }`. */
export type EventOf<Types extends EventTypes> = {
  [Type in keyof Types & string]: {
    readonly type: Type;
    readonly data: Types[Type] extends EventType<infer Data> ? Data : never;
  };
}[keyof Types & string];

/** Upcasts and validates a stored event's data. Throws {@link EventNotUnderstoodError}; nothing is guessed. */
export function readEventData(types: EventTypes, event: StoredEvent): unknown {
  const type = Object.hasOwn(types, event.type) ? types[event.type] : undefined;
  if (type === undefined) throw notUnderstood(event, "its type is unknown here; deploy the code that writes it");
  const version = event.metadata.schemaVersion ?? 1;
  if (version > type.version) {
    const known = type.version.toString();
    throw notUnderstood(event, `version ${version.toString()} is newer than ${known}; deploy the code that writes it`);
  }
  let data = event.data;
  for (const upcast of type.upcasters?.slice(version - 1) ?? []) data = upcast(data);
  try {
    return type.schema.parse(data);
  } catch (cause) {
    throw notUnderstood(event, "its data does not match the schema of its type", cause);
  }
}

function notUnderstood(event: StoredEvent, why: string, cause?: unknown): EventNotUnderstoodError {
  const at = `${event.revision.toString()}@${event.stream}`;
  return new EventNotUnderstoodError(`event ${at} of type ${event.type} cannot be read: ${why}`, { cause });
}
