/**
 * A projection is data: which streams and event types it reads, and for each type a pure function from the event to row
 * changes. Live delivery and replay interpret the same changes, so a view rebuilt is the view that was kept.
 *
 * Two kinds, told apart by who touches a row, because that decides what is safe to say about it:
 * - `one-per-stream`: a row belongs to one stream and its key is a function of the stream's name. Its events arrive in
 *   order, so any change is legal. The guard sits in the row: one update an event.
 * - `shared`: many streams touch a row and arrive in any order, so only changes that commute are legal: sums. Whatever
 *   else a reader needs of such a row belongs in its key.
 */
import type { EventOf, EventTypes } from "../event-store/event-types.ts";
import type { Position } from "../event-store/position.ts";
import { wellFormed } from "./well-formed.ts";

/**
 * A value of a row: what JSON can say. Numbers are whole, so that sums are exact in every order: `number` as far as that is
 * exact, and `bigint` beyond, as a row is read.
 */
export type RowValue =
  string | number | bigint | boolean | null | readonly RowValue[] | { readonly [name: string]: RowValue };

export type RowAttributes = Readonly<Record<string, RowValue>>;

/** `partition` groups rows that are queried together; `sort` orders them. Neither may be empty. */
export interface RowKey {
  readonly partition: string;
  readonly sort: string;
}

/** A change of a row that one stream owns. `delete` goes alone. */
export type OwnedRowChange =
  | {
      readonly set?: RowAttributes;
      readonly add?: Readonly<Record<string, number | bigint>>;
      readonly remove?: readonly string[];
    }
  | { readonly delete: true };

/** A change of a row that many streams touch: sums only, because sums commute. */
export interface SharedRowChange {
  readonly key: RowKey;
  readonly add: Readonly<Record<string, number | bigint>>;
}

/** An event as a projection sees it: upcast and validated. */
export interface ProjectedEvent<Data = unknown> {
  readonly type: string;
  readonly data: Data;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: Position;
}

/** A secondary index over the rows: its rows are those that have both attributes, in the order of `sort`. */
export interface ViewIndex {
  readonly name: string;
  readonly partition: string;
  readonly sort: string;
}

interface ProjectionBase {
  /** Lower-case words joined by `-`; part of table and group names. */
  readonly name: string;
  /** Raised when the rows that the same events give change. */
  readonly version: number;
  /** The stream category it reads: streams named `<category>-<id>`. Revisions of unlisted types move the guard. */
  readonly category: string;
  /** The types it reads, with their schemas and upcasters. */
  readonly eventTypes: EventTypes;
  readonly indexes?: readonly ViewIndex[];
}

export interface OnePerStreamProjection extends ProjectionBase {
  readonly rows: "one-per-stream";
  /** Key of the row of the stream with this id (the stream's name without its category). */
  readonly rowOf: (id: string) => RowKey;
  readonly changes: (event: ProjectedEvent) => OwnedRowChange;
}

export interface SharedProjection extends ProjectionBase {
  readonly rows: "shared";
  readonly changes: (event: ProjectedEvent) => readonly SharedRowChange[];
}

export type Projection = OnePerStreamProjection | SharedProjection;

type Handlers<Types extends EventTypes, Change> = {
  readonly [Type in keyof Types & string]: (
    event: ProjectedEvent<Extract<EventOf<Types>, { type: Type }>["data"]>,
  ) => Change;
};

type Definition<Kind extends Projection, Types extends EventTypes> = Omit<Kind, "rows" | "eventTypes" | "changes"> & {
  readonly eventTypes: Types;
  /** One handler per listed event type. */
  readonly on: Handlers<Types, ReturnType<Kind["changes"]>>;
};

/** Defines a view with one row per stream. Throws {@link ProjectionDefinitionError} when the definition cannot work. */
export function defineOnePerStreamProjection<const Types extends EventTypes>(
  definition: Definition<OnePerStreamProjection, Types>,
): OnePerStreamProjection {
  const { on, ...rest } = checked(definition);
  return { ...rest, rows: "one-per-stream", changes: dispatch(on) };
}

/** Defines a view whose rows sum over many streams. Throws {@link ProjectionDefinitionError} as above. */
export function defineSharedProjection<const Types extends EventTypes>(
  definition: Definition<SharedProjection, Types>,
): SharedProjection {
  const { on, ...rest } = checked(definition);
  return { ...rest, rows: "shared", changes: dispatch(on) };
}

export class ProjectionDefinitionError extends Error {
  readonly code = "PROJECTION_DEFINITION";
  override readonly name = "ProjectionDefinitionError";
}

const namePattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

function checked<
  Definition extends { name: string; version: number; category: string; indexes?: readonly ViewIndex[] },
>(definition: Definition): Definition {
  const { name, version, category, indexes = [] } = definition;
  if (!namePattern.test(name) || name.length > 64) {
    throw new ProjectionDefinitionError(`projection name "${name}": use at most 64 of a-z, 0-9, words joined by "-"`);
  }
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new ProjectionDefinitionError(`projection ${name}: version is a whole number from 1, not ${version}`);
  }
  if (category === "" || category.includes("-")) {
    throw new ProjectionDefinitionError(
      `projection ${name}: category "${category}" must be what stands before the "-"`,
    );
  }
  for (const index of indexes) {
    if (index.partition.startsWith("_") || index.sort.startsWith("_")) {
      throw new ProjectionDefinitionError(
        `projection ${name}: index ${index.name} is on a name the engine keeps ("_")`,
      );
    }
  }
  return definition;
}

function dispatch<Types extends EventTypes, Change>(on: Handlers<Types, Change>): (event: ProjectedEvent) => Change {
  return (event) => {
    // The engine hands over only listed types, with data that the type's own schema has just returned: the pairing of
    // handler and data that the definition's type states holds, and only the index by a runtime string loses it.
    const handler = on[event.type] as ((event: ProjectedEvent) => Change) | undefined;
    if (handler === undefined) throw new ProjectionDefinitionError(`no handler for listed event type ${event.type}`);
    return wellFormed(handler(event));
  };
}

export function isListed(projection: Projection, type: string): boolean {
  return Object.hasOwn(projection.eventTypes, type);
}

/** Whether a stream is of the category that the projection reads. */
export function readsStream(projection: Projection, stream: string): boolean {
  return stream.startsWith(`${projection.category}-`);
}

/** The id in a stream's name: what stands behind the category. */
export function idOfStream(projection: Projection, stream: string): string {
  return stream.slice(projection.category.length + 1);
}
