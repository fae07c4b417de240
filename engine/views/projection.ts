/**
 * A projection is data: which streams and event types it reads, and for each type a pure function from the event to row
 * changes. Live delivery and replay interpret the same changes, so a view rebuilt is the view that was kept.
 *
 * Two kinds, told apart by who touches a row, because that decides what is safe to say about it:
 * - `one-per-stream`: a row belongs to one stream and its key is a function of the stream's name. Its events arrive in
 *   order, so any change is legal. The guard sits in the row: one update an event.
 * - `shared`: many streams touch a row and arrive in any order, so only changes that commute are legal: sums, which any
 *   stream may add to, and attributes that one stream of the row sets and no other touches, which must be named as `owned`.
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

/** A change of a row that many streams touch. The stream that sets or removes owns the row's `owned` attributes from then on. */
export interface KeyedRowChange {
  readonly key: RowKey;
  readonly set?: RowAttributes;
  readonly add?: Readonly<Record<string, number | bigint>>;
  readonly remove?: readonly string[];
}

/** A {@link KeyedRowChange} as handlers give it: what is not owned can only be added to, and what is owned not at all. */
export type SharedRowChange<Owned extends string = never> = [Owned] extends [never]
  ? Pick<KeyedRowChange, "key"> & Required<Pick<KeyedRowChange, "add">>
  : {
      readonly key: RowKey;
      readonly set?: { readonly [Name in Owned]?: RowValue };
      readonly add?: Readonly<Record<string, number | bigint>> & { readonly [Name in Owned]?: never };
      readonly remove?: readonly Owned[];
    };

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
  /** The types it reads, with their schemas and upcasters. */
  readonly eventTypes: EventTypes;
  readonly indexes?: readonly ViewIndex[];
  /**
   * Of the code, made from its sources: the first is what it is, the others what it was when it gave the same rows. Absent
   * where nothing pins it. Not part of a definition: the registry of a deployment adds it.
   */
  readonly fingerprints?: readonly string[];
  /** Whether somebody decided that this event changes nothing here: not part of a definition, but of what is known at run time. */
  readonly isDiscarded?: (event: { readonly stream: string; readonly revision: bigint }) => boolean;
}

export interface OnePerStreamProjection extends ProjectionBase {
  readonly rows: "one-per-stream";
  /** The stream category it reads: streams named `<category>-<id>`. Revisions of unlisted types move the guard. */
  readonly category: string;
  /** Key of the row of the stream with this id (the stream's name without its category). */
  readonly rowOf: (id: string) => RowKey;
  readonly changes: (event: ProjectedEvent) => OwnedRowChange;
}

export interface SharedProjection extends ProjectionBase {
  readonly rows: "shared";
  /** The stream categories it reads; an event type has one meaning in all of them. */
  readonly categories: readonly [string, ...string[]];
  /** Attributes that one stream of each row sets; nobody adds to them. */
  readonly owned?: readonly string[];
  readonly changes: (event: ProjectedEvent) => readonly KeyedRowChange[];
}

export type Projection = OnePerStreamProjection | SharedProjection;

type Handlers<Types extends EventTypes, Change> = {
  readonly [Type in keyof Types & string]: (
    event: ProjectedEvent<Extract<EventOf<Types>, { type: Type }>["data"]>,
  ) => Change;
};

type Definition<Kind extends Projection, Types extends EventTypes, Change> = Omit<
  Kind,
  "rows" | "eventTypes" | "changes" | "isDiscarded" | "fingerprints"
> & {
  readonly eventTypes: Types;
  /** One handler per listed event type. */
  readonly on: Handlers<Types, Change>;
};

/** Defines a view with one row per stream. Throws {@link ProjectionDefinitionError} when the definition cannot work. */
export function defineOnePerStreamProjection<const Types extends EventTypes>(
  definition: Definition<OnePerStreamProjection, Types, OwnedRowChange>,
): OnePerStreamProjection {
  const { on, ...rest } = definition;
  check(rest, [rest.category]);
  return { ...rest, rows: "one-per-stream", changes: dispatch(on) };
}

/** Defines a view whose rows many streams touch. Throws {@link ProjectionDefinitionError} as above. */
export function defineSharedProjection<const Types extends EventTypes, const Owned extends string = never>(
  definition: Definition<Omit<SharedProjection, "owned">, Types, readonly SharedRowChange<Owned>[]> & {
    readonly owned?: readonly Owned[];
  },
): SharedProjection {
  const { on, ...rest } = definition;
  check(rest, rest.categories);
  for (const name of rest.owned ?? []) {
    if (!isKept(name)) continue;
    throw new ProjectionDefinitionError(`projection ${rest.name}: "${name}" cannot be owned: ${keptNames}`);
  }
  // The owned names are told one by one only to those who write handlers; what is given is a change like any other.
  const handlers = on as Handlers<Types, readonly KeyedRowChange[]>;
  return { ...rest, rows: "shared", changes: dispatch(handlers) };
}

/** By view, then by version; as {@link ProjectionBase.fingerprints}. */
type Fingerprints = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** The projections with what pins them; one that the fingerprints do not know is not pinned. */
export function pinned(fingerprints: Fingerprints, projections: readonly Projection[]): readonly Projection[] {
  return projections.map((projection) => {
    const known = fingerprints[projection.name]?.[projection.version.toString()];
    return known === undefined ? projection : { ...projection, fingerprints: known };
  });
}

export class ProjectionDefinitionError extends Error {
  readonly code = "PROJECTION_DEFINITION";
  override readonly name = "ProjectionDefinitionError";
}

const namePattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Whether the engine keeps an attribute's name to itself. */
export function isKept(name: string): boolean {
  return name === "" || name.startsWith("_") || name === "pk" || name === "sk";
}

export const keptNames = `the engine keeps "pk", "sk" and names that start with "_"`;

function check({ name, version, indexes = [] }: ProjectionBase, categories: readonly string[]): void {
  if (!namePattern.test(name) || name.length > 64) {
    throw new ProjectionDefinitionError(`projection name "${name}": use at most 64 of a-z, 0-9, words joined by "-"`);
  }
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new ProjectionDefinitionError(`projection ${name}: version is a whole number from 1, not ${version}`);
  }
  for (const category of categories) {
    if (category !== "" && !category.includes("-")) continue;
    throw new ProjectionDefinitionError(
      `projection ${name}: category "${category}" must be what stands before the "-"`,
    );
  }
  if (new Set(categories).size !== categories.length || categories.length === 0) {
    throw new ProjectionDefinitionError(`projection ${name}: name each category once, at least one`);
  }
  for (const index of indexes) {
    if (index.partition.startsWith("_") || index.sort.startsWith("_")) {
      throw new ProjectionDefinitionError(
        `projection ${name}: index ${index.name} is on a name the engine keeps ("_")`,
      );
    }
  }
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

export function categoriesOf(projection: Projection): readonly [string, ...string[]] {
  return projection.rows === "shared" ? projection.categories : [projection.category];
}

/** What the names of the streams that any of the projections reads begin with. */
export function prefixesOf([first, ...others]: readonly [Projection, ...Projection[]]): [string, ...string[]] {
  const [category, ...more] = categoriesOf(first);
  const categories = new Set([...more, ...others.flatMap(categoriesOf)]);
  categories.delete(category);
  return [`${category}-`, ...[...categories].map((name) => `${name}-`)];
}

/** Whether a stream is of a category that the projection reads. */
export function readsStream(projection: Projection, stream: string): boolean {
  const end = stream.indexOf("-");
  return end > 0 && categoriesOf(projection).includes(stream.slice(0, end));
}

/** The id in a stream's name: what stands behind the category. */
export function idOfStream({ category }: OnePerStreamProjection, stream: string): string {
  return stream.slice(category.length + 1);
}
