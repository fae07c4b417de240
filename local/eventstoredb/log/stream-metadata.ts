/**
 * Stream metadata: which part of a stream readers may see. EventStoreDB takes a metadata event whole or not at all: it
 * must be JSON and every key that the server knows must have the right type and range, else all keys are ignored.
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
  return parsed > tombstoneRevision ? undefined : parsed;
};

const aclRoles = new Set(["$r", "$w", "$d", "$mr", "$mw"]);
const isRoleList = (value: unknown): boolean =>
  value === null ||
  typeof value === "string" ||
  (Array.isArray(value) && value.every((role) => typeof role === "string"));
const isAcl = (value: unknown): boolean =>
  isObject(value) && Object.entries(value).every(([key, roles]) => !aclRoles.has(key) || isRoleList(roles));

/** A .NET TimeSpan ends after some 922 billion seconds, and the interval is kept as a 32- or 64-bit count of seconds. */
const longestAge = 922_337_203_685n;

/** Reads a `$metadata` event's data; anything that the real server would not accept gives `noMetadata`. */
export const parseStreamMetadata = (data: Uint8Array): StreamMetadata => {
  let parsed: unknown;
  try {
    parsed = parseKeepingNumbers(Buffer.from(data).toString("utf8"));
  } catch {
    return noMetadata;
  }
  if (!isObject(parsed)) return noMetadata;
  let maxCount: bigint | undefined;
  let maxAge: bigint | undefined;
  let truncateBefore: bigint | undefined;
  for (const [key, value] of Object.entries(parsed)) {
    switch (key) {
      case "$maxCount":
        maxCount = integer(value);
        if (maxCount === undefined || maxCount <= 0n) return noMetadata;
        break;
      case "$maxAge":
        maxAge = integer(value);
        if (maxAge === undefined || maxAge <= 0n || maxAge > longestAge) return noMetadata;
        break;
      case "$tb":
        truncateBefore = integer(value);
        if (truncateBefore === undefined || truncateBefore < 0n) return noMetadata;
        break;
      case "$cacheControl": {
        const seconds = integer(value);
        if (seconds === undefined || seconds <= 0n) return noMetadata;
        break;
      }
      case "$acl":
        if (!isAcl(value)) return noMetadata;
        break;
      default:
    }
  }
  return { maxCount, maxAge: maxAge === undefined ? undefined : Number(maxAge) * 1000, truncateBefore };
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
