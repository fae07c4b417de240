/**
 * Filters of `$all`: by prefixes or by a regular expression, on the stream's name or on the event's type. Case-sensitive,
 * linear in time whatever the expression; each name is judged once and remembered.
 */
import { RE2JS } from "re2js";
import { BoundedMap } from "./bounded-map.ts";
import type { StreamDirectory } from "./stream-directory.ts";

export interface EventFilterDefinition {
  readonly on: "stream" | "event-type";
  /** Used if it is not empty; else the prefixes are. */
  readonly regex: string;
  readonly prefixes: readonly string[];
}

export interface EventFilter {
  matches(streamId: number, typeId: number): boolean;
}

export class UnsupportedRegexError extends Error {
  override readonly name = "UnsupportedRegexError";
  readonly code = "UNSUPPORTED_REGEX";
}

const judgedNames = 20_000;

/** Constructs that backtracking engines have and a linear-time one cannot have. */
const beyondLinearTime: readonly (readonly [RegExp, string])[] = [
  [/\(\?[=!]/, "a look-ahead"],
  [/\(\?<[=!]/, "a look-behind"],
  [/\(\?>/, "an atomic group"],
  [/\\[1-9]/, "a back-reference"],
  [/\\k[<'{]/, "a named back-reference"],
];

const compile = (regex: string): ((name: string) => boolean) => {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(regex);
  } catch (error) {
    const found = beyondLinearTime.find(([pattern]) => pattern.test(regex))?.[1];
    const why = found === undefined ? (error instanceof Error ? error.message : String(error)) : `it has ${found}`;
    throw new UnsupportedRegexError(`The filter's regular expression '${regex}' cannot be used: ${why}.`, {
      cause: error,
    });
  }
  return (name) => compiled.matcher(name).find();
};

/** @throws UnsupportedRegexError for an expression that is malformed or that no linear-time engine can run */
export const createEventFilter = (definition: EventFilterDefinition, directory: StreamDirectory): EventFilter => {
  const accepts =
    definition.regex === ""
      ? (name: string) => definition.prefixes.some((prefix) => name.startsWith(prefix))
      : compile(definition.regex);
  const judged = new BoundedMap<number, boolean>(judgedNames);
  const nameOf =
    definition.on === "stream" ? (id: number) => directory.name(id) : (id: number) => directory.typeName(id);
  const judge = (id: number): boolean => {
    const known = judged.get(id);
    if (known !== undefined) return known;
    const verdict = accepts(nameOf(id));
    judged.set(id, verdict);
    return verdict;
  };
  return { matches: (streamId, typeId) => judge(definition.on === "stream" ? streamId : typeId) };
};
