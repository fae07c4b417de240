/** How a view can differ from its events: each kind by name, with what was expected and what was found. */
import { formatPosition } from "../event-store/position.ts";
import type { Guard } from "../views/guard.ts";
import type { RowAttributes, RowKey } from "../views/projection.ts";

export type Difference =
  | { readonly kind: "row-missing"; readonly key: RowKey; readonly expected: RowAttributes }
  | { readonly kind: "row-unexpected"; readonly key: RowKey; readonly actual: RowAttributes }
  | {
      readonly kind: "row-differs";
      readonly key: RowKey;
      readonly expected: RowAttributes;
      readonly actual: RowAttributes;
    }
  /** Beyond the last event of its stream: events to come would be taken for duplicates. */
  | { readonly kind: "guard-ahead"; readonly stream: string; readonly expected: Guard; readonly actual: Guard }
  /** At the wrong place of `$all`: a gap would be looked for in the wrong part of the log. */
  | { readonly kind: "guard-position"; readonly stream: string; readonly expected: Guard; readonly actual: Guard }
  /** Before the last event that was there when the check began, or not there at all: events that never arrived, or would be applied twice. */
  | {
      readonly kind: "guard-behind";
      readonly stream: string;
      readonly expected: Guard;
      readonly actual: Guard | undefined;
    }
  /** Before an event that was given up: the stream waits there until it is redriven, or the event discarded. */
  | { readonly kind: "quarantined"; readonly stream: string; readonly revision: bigint; readonly lastError: string }
  /** Of a stream that has no events, or not where its guard lies; `key` is that of the item. */
  | { readonly kind: "guard-orphan"; readonly key: RowKey; readonly stream: string; readonly actual: Guard }
  /** An event that the projection cannot take: its stream is compared up to the event before. */
  | { readonly kind: "event-unreadable"; readonly stream: string; readonly revision: bigint; readonly message: string };

/** The kind of a row's difference, or undefined when there is none; rows without attributes are not there. */
export function rowDifference(
  key: RowKey,
  expected: RowAttributes,
  actual: RowAttributes,
  same: boolean,
): Difference | undefined {
  if (same) return undefined;
  if (Object.keys(actual).length === 0) return { kind: "row-missing", key, expected };
  if (Object.keys(expected).length === 0) return { kind: "row-unexpected", key, actual };
  return { kind: "row-differs", key, expected, actual };
}

/** A guard for a person. */
export const guardText = (guard: Guard | undefined): string =>
  guard === undefined ? "none" : `${guard.revision.toString()} at ${formatPosition(guard.position)}`;

/** One line for a person. */
export function describeDifference(difference: Difference): string {
  switch (difference.kind) {
    case "row-missing":
      return `row ${rowText(difference.key)} is missing: expected ${attributesText(difference.expected)}`;
    case "row-unexpected":
      return `row ${rowText(difference.key)} should not be there: found ${attributesText(difference.actual)}`;
    case "row-differs": {
      const { key, expected, actual } = difference;
      return `row ${rowText(key)} differs: expected ${attributesText(expected)}, found ${attributesText(actual)}`;
    }
    case "guard-ahead":
    case "guard-position":
    case "guard-behind": {
      const { kind, stream, expected, actual } = difference;
      const what = { "guard-ahead": "is ahead", "guard-position": "has a wrong position", "guard-behind": "is behind" };
      return `guard of ${stream} ${what[kind]}: expected ${guardText(expected)}, found ${guardText(actual)}`;
    }
    case "guard-orphan":
      return `guard of ${difference.stream}, which has no events: found ${guardText(difference.actual)}`;
    case "quarantined":
      return `${difference.stream} waits at revision ${difference.revision.toString()}, which is quarantined: ${difference.lastError}`;
    case "event-unreadable":
      return `event ${difference.revision.toString()}@${difference.stream} cannot be applied: ${difference.message}`;
  }
}

export function rowText({ partition, sort }: RowKey): string {
  return `${partition} / ${sort}`;
}

const longest = 500;

/** A row for a person, by name: DynamoDB gives attributes in any order, and two lists are to be compared by eye. */
export function attributesText(attributes: RowAttributes): string {
  const byName = Object.entries(attributes).sort(([left], [right]) => (left < right ? -1 : 1));
  const text = JSON.stringify(jsonValue(Object.fromEntries(byName)));
  return text.length <= longest ? text : `${text.slice(0, longest)}...`;
}

/** For JSON, which has no 64-bit numbers: revisions and positions as text, and whatever else damage has put into a row. */
export function toJson(difference: Difference): Record<string, unknown> {
  return Object.fromEntries(Object.entries(difference).map(([name, part]) => [name, jsonValue(part)]));
}

/** A value of a row, with what JSON has no form for as text. */
export function jsonValue(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (isGuard(value)) return { revision: value.revision.toString(), position: formatPosition(value.position) };
  if (value instanceof Set) return [...value].map(jsonValue);
  if (Array.isArray(value)) return value.map(jsonValue);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, jsonValue(inner)]));
}

function isGuard(value: unknown): value is Guard {
  if (typeof value !== "object" || value === null || !("revision" in value) || !("position" in value)) return false;
  const { position } = value;
  return (
    typeof position === "object" && position !== null && "commit" in position && typeof position.commit === "bigint"
  );
}
