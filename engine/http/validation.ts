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
  const result = schema.safeParse(value, { error: absence });
  if (result.success) return result.data;
  throw invalidRequest(result.error.issues.flatMap((issue) => wrongFields(issue, part)));
}

export function invalidRequest(errors: readonly WrongField[]): HttpProblem {
  const listed = errors.slice(0, mostListed);
  const more = errors.length - listed.length;
  const detail = `${errors.length} ${errors.length === 1 ? "field is" : "fields are"} wrong: see errors`;
  const complete = more === 0 ? detail : `${detail} for the first ${mostListed}`;
  return new HttpProblem(400, "INVALID_REQUEST", complete, { errors: listed });
}

/** "expected string, received undefined" is not what a client calls a missing field; all else keeps its words. */
function absence(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_type" && issue.input === undefined ? "is missing" : undefined;
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
