/**
 * Exact comparison of what was expected with what came, and the difference in words. Types count: a `Date` is not its text,
 * `1n` is not `1`, a field that is `undefined` is not a missing one. The order of an object's fields does not count.
 */
import assert from "node:assert";
import { inspect } from "node:util";

/** What differs, line by line (`+` actual, `-` expected); undefined when nothing does. */
export function exactDifference(actual: unknown, expected: unknown): string | undefined {
  try {
    assert.deepStrictEqual(actual, expected);
    return undefined;
  } catch (error) {
    if (error instanceof assert.AssertionError) return error.message.trimEnd();
    throw error;
  }
}

/** A value in full, whatever its size: nothing is cut off, since what differs may stand at the end. */
export function inFull(value: unknown): string {
  return inspect(value, { depth: null, maxArrayLength: null, maxStringLength: null, breakLength: 100 });
}

/** `text` with every line moved in. */
export function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
