/**
 * Stream metadata: which part of a stream readers may see. EventStoreDB reads a metadata event whole or not at all: it
 * must be JSON, and every key that the server knows must have the right type, else all keys are ignored. A value of the
 * right type and out of range is ignored alone.
 */
import { tombstoneRevision } from "./event.ts";
import { isObject, NumberText, parseKeepingNumbers } from "./metadata-json.ts";

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

const integer = (value: unknown): bigint | undefined => {
  if (!(value instanceof NumberText) || !/^-?\d+$/.test(value.text)) return undefined;
  const parsed = BigInt(value.text);
  return BigInt.asIntN(64, parsed) === parsed ? parsed : undefined;
};

const aclRoles = new Set(["$r", "$w", "$d", "$mr", "$mw"]);
const isRoleList = (value: unknown): boolean =>
  typeof value === "string" || (Array.isArray(value) && value.every((role) => typeof role === "string"));
/** Unlike the metadata around it, an access list with a key that the server does not know cannot be read. */
const isAcl = (value: unknown): boolean =>
  isObject(value) && Object.entries(value).every(([key, roles]) => aclRoles.has(key) && isRoleList(roles));

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
