/**
 * The event types of a context: for each its current version, the schema of its data and one upcaster per step from an
 * older version. Data is validated when it is written and again when it is read; stored events never change.
 */
import { inspect } from "node:util";
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

/** An event type whose definition cannot work. A fault in the code: nothing that is stored can mend it. */
export class EventTypeDefinitionError extends Error {
  readonly code = "EVENT_TYPE_DEFINITION";
  override readonly name = "EventTypeDefinitionError";
}

/** Throws {@link EventTypeDefinitionError} for the first type whose versions and upcasters do not go together. */
export function checkEventTypes(types: EventTypes): void {
  for (const [name, type] of Object.entries(types)) {
    const fault = faultOf(type);
    if (fault !== undefined) throw new EventTypeDefinitionError(`event type ${name} ${fault}`);
  }
}

/** Upcasts and validates a stored event's data. Throws {@link EventNotUnderstoodError}; nothing is guessed. */
export function readEventData(types: EventTypes, event: StoredEvent): unknown {
  const type = Object.hasOwn(types, event.type) ? types[event.type] : undefined;
  if (type === undefined) throw notUnderstood(event, "its type is unknown here; deploy the code that writes it");
  const fault = faultOf(type);
  if (fault !== undefined) throw notUnderstood(event, `its type ${fault}`);
  const version = versionOf(event);
  if (version > type.version) {
    const known = type.version.toString();
    throw notUnderstood(event, `version ${version.toString()} is newer than ${known}; deploy the code that writes it`);
  }
  const data = upcast(type, version, event);
  try {
    return type.schema.parse(data);
  } catch (cause) {
    throw notUnderstood(event, "its data does not match the schema of its type", cause);
  }
}

/** A step too few would hand old data to a schema that may take it by chance, and one too many would never run. */
function faultOf({ version, upcasters = [] }: EventType): string | undefined {
  if (!isVersion(version)) return `has version ${version}: it is a whole number from 1`;
  if (upcasters.length === version - 1) return undefined;
  const needed = `${version - 1}, one from each older version to the next`;
  return `is at version ${version} with ${upcasters.length} upcasters: it needs ${needed}`;
}

/** Metadata of events that others wrote may hold anything under the name. */
function versionOf(event: StoredEvent): number {
  if (event.metadata.unreadable === true) {
    throw notUnderstood(event, "its metadata are no JSON object and tell no schemaVersion; correct its writer");
  }
  const version: unknown = event.metadata.schemaVersion;
  if (version === undefined) return 1;
  if (typeof version === "number" && isVersion(version)) return version;
  throw notUnderstood(event, `its schemaVersion ${inspect(version)} is not a whole number from 1; correct its writer`);
}

const isVersion = (version: number): boolean => Number.isSafeInteger(version) && version >= 1;

function upcast(type: EventType, from: number, event: StoredEvent): unknown {
  let data = event.data;
  for (const [index, step] of (type.upcasters ?? []).entries()) {
    const version = index + 1;
    if (version < from) continue;
    try {
      data = step(data);
    } catch (cause) {
      throw notUnderstood(event, `its upcaster from version ${version} to ${version + 1} failed`, cause);
    }
  }
  return data;
}

function notUnderstood(event: StoredEvent, why: string, cause?: unknown): EventNotUnderstoodError {
  const at = `${event.revision.toString()}@${event.stream}`;
  return new EventNotUnderstoodError(`event ${at} of type ${event.type} cannot be read: ${why}`, { cause });
}
