/**
 * Filters of `$all`: by prefixes or by a regular expression, on the stream's name or on the event's type. Case-sensitive,
 * linear in time whatever the expression; each name is judged once and remembered.
 */
import { RE2JS } from "re2js";
import { BoundedMap } from "./bounded-map.ts";
import { linearTimeRegex } from "./dotnet-regex.ts";
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

/** Characters of an expression, and steps it may take at each character of a name: time and memory keep a bound. */
const longestRegex = 32_768;
const largestProgram = 10_000;
const tooLarge = "its repetitions make it too large";

const unsupported = (regex: string, why: string, cause?: unknown): UnsupportedRegexError => {
  const shown = regex.length > 200 ? `${regex.slice(0, 200)}...` : regex;
  return new UnsupportedRegexError(`The filter's regular expression '${shown}' cannot be used: ${why}.`, { cause });
};

const compile = (regex: string): ((name: string) => boolean) => {
  if (regex.length > longestRegex) throw unsupported(regex, `it has more than ${longestRegex} characters`);
  // Compiling it would take its time first.
  const repetitions = [...regex.matchAll(/\{(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  if (repetitions > largestProgram) throw unsupported(regex, tooLarge);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(linearTimeRegex(regex));
  } catch (error) {
    throw unsupported(regex, error instanceof Error ? error.message.slice(0, 300) : String(error), error);
  }
  if (compiled.programSize() > largestProgram) throw unsupported(regex, tooLarge);
  return (name) => compiled.matcher(name).find();
};

/** By length, so that a name is looked up a few times however many prefixes there are. */
const startsWithAny = (prefixes: readonly string[]): ((name: string) => boolean) => {
  const byLength = new Map<number, Set<string>>();
  for (const prefix of prefixes) {
    const sameLength = byLength.get(prefix.length);
    if (sameLength === undefined) byLength.set(prefix.length, new Set([prefix]));
    else sameLength.add(prefix);
  }
  const lengths = [...byLength];
  return (name) =>
    lengths.some(([length, sameLength]) => length <= name.length && sameLength.has(name.slice(0, length)));
};

/** @throws UnsupportedRegexError for an expression that is malformed or that no linear-time engine can run */
export const createEventFilter = (definition: EventFilterDefinition, directory: StreamDirectory): EventFilter => {
  const accepts = definition.regex === "" ? startsWithAny(definition.prefixes) : compile(definition.regex);
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
