/**
 * Stream metadata: which part of a stream readers may see. EventStoreDB reads a metadata event whole or not at all: it
 * must be JSON, and every key that the server knows must have the right type, else all keys are ignored. A value of the
 * right type and out of range is ignored alone.
 */
import { tombstoneRevision } from "./event.ts";

export interface StreamMetadata {
  readonly maxCount: bigint | undefined;
  /** Milliseconds. */
  readonly maxAge: number | undefined;
  readonly truncateBefore: bigint | undefined;
}

export const noMetadata: StreamMetadata = { maxCount: undefined, maxAge: undefined, truncateBefore: undefined };

/** `$tb` at its maximum is how a soft delete is written. */
export const isSoftDeleted = (metadata: StreamMetadata): boolean => metadata.truncateBefore === tombstoneRevision;

export const softDeleteMetadata = Buffer.from(`{"$tb":${tombstoneRevision}}`);

/** The JSON text that stood for a number, so that 64-bit values arrive whole. */
class NumberText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

interface ReviverContext {
  readonly source?: string;
}

const parseKeepingNumbers = (text: string): unknown => {
  const reviver = (_key: string, value: unknown, context?: ReviverContext): unknown =>
    typeof value === "number" ? new NumberText(context?.source ?? String(value)) : value;
  return JSON.parse(text, reviver) as unknown;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof NumberText);

const integer = (value: unknown): bigint | undefined => {
  if (!(value instanceof NumberText) || !/^-?\d+$/.test(value.text)) return undefined;
  const parsed = BigInt(value.text);
  return BigInt.asIntN(64, parsed) === parsed ? parsed : undefined;
};

const aclRoles = new Set(["$r", "$w", "$d", "$mr", "$mw"]);
const isRoleList = (value: unknown): boolean =>
  typeof value === "string" || (Array.isArray(value) && value.every((role) => typeof role === "string"));
const isAcl = (value: unknown): boolean =>
  isObject(value) && Object.entries(value).every(([key, roles]) => !aclRoles.has(key) || isRoleList(roles));

/** In seconds: a longer interval does not fit what .NET measures time in. */
const longestInterval = 922_337_203_685n;

/** Whether the server can read the key's value at all; a key that it does not know may hold anything. */
const isReadable = (key: string, value: unknown): boolean => {
  switch (key) {
    case "$maxCount":
    case "$tb":
      return integer(value) !== undefined;
    case "$maxAge":
    case "$cacheControl": {
      const seconds = integer(value);
      return seconds !== undefined && seconds <= longestInterval && seconds >= -longestInterval;
    }
    case "$tempStream":
      return typeof value === "boolean";
    case "$acl":
      return isAcl(value);
    default:
      return true;
  }
};

/** A readable value that makes no sense, such as a count of 0, counts as absent. */
const atLeast = (least: bigint, value: unknown): bigint | undefined => {
  const number = integer(value);
  return number === undefined || number < least ? undefined : number;
};

/** The keys and values of a `$metadata` event's data; undefined where the real server could not read them. Numbers are kept as text. */
export const readStreamMetadata = (data: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  let parsed: unknown;
  try {
    parsed = parseKeepingNumbers(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
  return isObject(parsed) && Object.entries(parsed).every(([key, value]) => isReadable(key, value))
    ? parsed
    : undefined;
};

/** Reads a `$metadata` event's data; anything that the real server could not read gives `noMetadata`. */
export const parseStreamMetadata = (data: Uint8Array): StreamMetadata => {
  const parsed = readStreamMetadata(data);
  if (parsed === undefined) return noMetadata;
  const maxAge = atLeast(1n, parsed["$maxAge"]);
  return {
    maxCount: atLeast(1n, parsed["$maxCount"]),
    maxAge: maxAge === undefined ? undefined : Number(maxAge) * 1000,
    truncateBefore: atLeast(0n, parsed["$tb"]),
  };
};

/**
 * The metadata that a write to a soft-deleted stream leaves behind: the same JSON, compact, with `$tb` at `from`. Other
 * keys keep their order and their exact numbers. Undefined when the metadata is no JSON object.
 */
export const undeleteMetadata = (data: Uint8Array, from: bigint): Buffer | undefined => {
  const text = Buffer.from(data).toString("utf8");
  if (!text.trimStart().startsWith("{")) return undefined;
  let parsed: unknown;
  try {
    const rawNumbers = (_key: string, value: unknown, context?: ReviverContext): unknown =>
      typeof value === "number" && context?.source !== undefined ? rawJson(context.source) : value;
    parsed = JSON.parse(text, rawNumbers) as unknown;
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  parsed["$tb"] = rawJson(from.toString());
  return Buffer.from(JSON.stringify(parsed));
};

/** Node 24 has JSON.rawJSON; TypeScript's library does not declare it yet. */
const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
