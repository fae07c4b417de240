/** Validation of what a client sent by zod schemas, with every wrong field named. */
import type { z } from "zod";
import { HttpProblem, type WrongField } from "./problem.ts";

/** More than these are counted, not listed: an answer must not outgrow the request. */
const mostListed = 100;

/** Returns what the schema makes of `value`; throws a 400 that lists the wrong fields, unknown ones included. */
export function validated<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  part: "body" | "parameters",
): z.output<Schema> {
  const result = schema.safeParse(value, { error: wording });
  if (result.success) return result.data;
  throw invalidRequest(narrowest(result.error.issues).flatMap((issue) => wrongFields(issue, part)));
}

export function invalidRequest(errors: readonly WrongField[]): HttpProblem {
  const listed = errors.slice(0, mostListed);
  const more = errors.length - listed.length;
  const detail = `${errors.length} ${errors.length === 1 ? "field is" : "fields are"} wrong: see errors`;
  const complete = more === 0 ? detail : `${detail} for the first ${mostListed}`;
  return new HttpProblem(400, "INVALID_REQUEST", complete, { errors: listed });
}

/** What a person would say; a schema's own words come before it, and what it does not know keeps zod's. */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return "is missing";
      if (typeof issue.input === "number" && !Number.isFinite(issue.input)) return "must be a finite number";
      return typeWording[issue.expected];
    case "too_big":
      return boundWording(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "too_small":
      return boundWording(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    default:
      return undefined;
  }
}

const typeWording: Readonly<Record<string, string>> = {
  array: "must be a list",
  boolean: "must be true or false",
  int: "must be a whole number",
  number: "must be a number",
  object: "must be an object",
  string: "must be a string",
};

function boundWording(of: string, how: string, bound: number | bigint): string | undefined {
  const isOne = Number(bound) === 1;
  switch (of) {
    case "number":
    case "int":
      return `must be ${how} ${bound.toString()}`;
    case "string":
      return `must have ${how} ${bound.toString()} ${isOne ? "character" : "characters"}`;
    case "array":
      return `must have ${how} ${bound.toString()} ${isOne ? "entry" : "entries"}`;
    default:
      return undefined;
  }
}

/** A number outside the bounds of its schema and of exact integers is wrong twice to zod: the schema's bound is told. */
function narrowest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] {
  const bounded = new Set<string>();
  const told: z.core.$ZodIssue[] = [];
  // The check of exact integers comes first; what is met first from the end is the schema's own bound.
  for (const issue of issues.toReversed()) {
    if (issue.code === "too_big" || issue.code === "too_small") {
      const bound = `${issue.code} ${jsonPointer(issue.path)}`;
      if (bounded.has(bound)) continue;
      bounded.add(bound);
    }
    told.push(issue);
  }
  return told.reverse();
}

function wrongFields(issue: z.core.$ZodIssue, part: "body" | "parameters"): WrongField[] {
  const at = (path: readonly PropertyKey[], message: string): WrongField =>
    part === "body"
      ? { pointer: jsonPointer(path), message }
      : { field: shortened(path.map(String).join(".")), message };
  if (issue.code !== "unrecognized_keys") return [at(issue.path, issue.message)];
  return issue.keys.map((key) => at([...issue.path, key], "is not a known field"));
}

function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${shortened(String(step)).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Names of unknown fields are the client's: they come back recognisable, not at any length. */
function shortened(name: string): string {
  return name.length <= 100 ? name : `${name.slice(0, 100)}…`;
}
