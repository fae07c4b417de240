/** What the engine relies on in every decider, one check for each law. A check throws the {@link BrokenLaw}. */
import { inspect } from "node:util";
import type { AggregateEvent } from "../commands/aggregate.ts";
import type { EventTypes } from "../event-store/event-types.ts";
import { decisionKind } from "./decision-kind.ts";
import { exactDifference, inFull } from "./exact-difference.ts";

/** Ends a walk: `message` says which law is broken, `detail` shows how. */
export class BrokenLaw extends Error {
  readonly code = "BROKEN_LAW";
  override readonly name = "BrokenLaw";
  readonly detail: string;

  constructor(message: string, detail = "", cause?: unknown) {
    super(message, { cause });
    this.detail = detail;
  }
}

/** `part` never throws. */
export function called<Result>(part: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new BrokenLaw(`${part} threw ${thrown(cause)}`, "", cause);
  }
}

/** What was thrown, in one line; anything can be thrown, and not all of it can be made a string. */
export function thrown(cause: unknown): string {
  return cause instanceof Error ? String(cause) : inspect(cause, { breakLength: Infinity });
}

/** `part` changes nothing of what it is given; `given` shows it. */
export function untouched<Result>(part: string, given: () => unknown, run: () => Result): Result {
  const before = inspect(given(), { depth: null, maxArrayLength: null, maxStringLength: null });
  const result = called(part, run);
  const after = inspect(given(), { depth: null, maxArrayLength: null, maxStringLength: null });
  if (after !== before) throw new BrokenLaw(`${part} changed what it was given`, exactDifference(after, before));
  return result;
}

/** The same state and command always give the same decision: no clock, no chance, no memory. */
export function checkSameAgain(decision: unknown, again: unknown): void {
  const difference = exactDifference(again, decision);
  if (difference !== undefined) throw new BrokenLaw("decide answered otherwise when it was asked again", difference);
}

/** A decision is a list of events or a rejection. */
export function checkKind(decision: unknown): void {
  if (decisionKind(decision) !== "neither") return;
  throw new BrokenLaw("decide answered neither events nor a rejection", inFull(decision));
}

/** An event is of a listed type, its schema takes it as it is, and JSON keeps it. Returns its data as they are stored. */
export function storedData(types: EventTypes, { type, data }: AggregateEvent): string {
  const definition = Object.hasOwn(types, type) ? types[type] : undefined;
  if (definition === undefined) throw new BrokenLaw(`${type} was decided, which is not among the event types`);
  const parsed = parsedBy(definition.schema, type, data);
  const changed = exactDifference(parsed, data);
  if (changed !== undefined) throw new BrokenLaw(`the schema of ${type} changes what was decided`, changed);
  const { text, read } = throughJson(type, data);
  const lost = exactDifference(read, data);
  if (lost !== undefined) throw new BrokenLaw(`JSON does not keep the data of ${type}`, lost);
  return text;
}

function throughJson(type: string, data: unknown): { readonly text: string; readonly read: unknown } {
  try {
    const text = JSON.stringify(data);
    return { text, read: JSON.parse(text) };
  } catch (cause) {
    throw new BrokenLaw(`JSON does not keep the data of ${type}`, thrown(cause), cause);
  }
}

function parsedBy(schema: { parse(data: unknown): unknown }, type: string, data: unknown): unknown {
  try {
    return schema.parse(data);
  } catch (cause) {
    throw new BrokenLaw(`the schema of ${type} refuses what was decided`, thrown(cause), cause);
  }
}

/** An invariant that does not hold says so by false, or by throwing what it found. */
export function checkInvariant(name: string, holds: () => boolean): void {
  let isKept: unknown;
  try {
    isKept = holds();
  } catch (cause) {
    throw new BrokenLaw(`the invariant "${name}" is broken`, thrown(cause), cause);
  }
  if (isKept === false) throw new BrokenLaw(`the invariant "${name}" is broken`);
  // A promise, for one, would be taken for true.
  if (isKept !== true) throw new BrokenLaw(`the invariant "${name}" answered neither true nor false`, inFull(isKept));
}
