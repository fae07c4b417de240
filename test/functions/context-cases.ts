/** What a context is asked in the tests of its routes, as data. Wherever `@id` stands, a test puts an id of its own. */

/** A route and a body; without one, none is sent. */
export type Request = readonly [route: string, body?: object];

/** A request that is accepted and changes something. */
export interface AcceptedCase {
  readonly given: readonly Request[];
  readonly request: Request;
  /** The one event that follows, as stored. */
  readonly stored: { readonly type: string; readonly data: object };
  /** What the answer tells besides id and revision. */
  readonly told?: object;
  /** Bodies that are refused, each with pointers to all that is wrong. */
  readonly wrong?: readonly (readonly [body: object, ...pointers: string[]])[];
}

/** A request that asks for what is so already. */
export interface RepeatedCase {
  readonly given: readonly Request[];
  readonly request: Request;
  readonly told?: object;
}

export interface RefusedCase {
  readonly given: readonly Request[];
  readonly request: Request;
  readonly refusal: readonly [status: number, code: string];
}

export interface ContextCases {
  readonly context: "ordering" | "customers" | "billing" | "logistics";
  readonly category: string;
  readonly collection: string;
  readonly idName: string;
  readonly notFound: string;
  /** Routes on which all fields of the body are optional. */
  readonly mayBeEmpty: readonly string[];
  readonly accepted: readonly AcceptedCase[];
  readonly repeated: readonly RepeatedCase[];
  readonly refused: readonly RefusedCase[];
}

export function withId<Part>(part: Part, id: string): Part {
  // Data of JSON's own kinds, which comes back as what it was.
  return JSON.parse(JSON.stringify(part).replaceAll("@id", id)) as Part;
}

/** What needs no reason gets one all the same. */
export const reason = { reason: "as agreed" };
