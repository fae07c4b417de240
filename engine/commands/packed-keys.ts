/**
 * Remembered keys as a snapshot holds them: one block of bytes, restored without building anything and searched as it
 * lies, because most commands ask for one key of a thousand, or for none.
 *
 * Key and digest are kept as the first 12 bytes of their SHA-256. That a new key is taken for one of a thousand others has
 * a probability of 1,000 / 2^96, about 10^-26, and somebody who would bring it about on purpose needs 2^96 tries.
 */
import { hash } from "node:crypto";

const hashBytes = 12;
const revisionBytes = 8;
const entryBytes = 2 * hashBytes + revisionBytes;

/** Entries of key, digest and revision, oldest first, each key once. */
export type PackedKeys = Buffer;

export const noPackedKeys: PackedKeys = Buffer.alloc(0);

/** What stands for a text in an entry. */
export function shortHash(text: string): Buffer {
  return hash("sha256", text, "buffer").subarray(0, hashBytes);
}

export function packedCount(packed: PackedKeys): number {
  return packed.length / entryBytes;
}

export function packEntry(key: string, digest: string, revision: bigint): Buffer {
  const entry = Buffer.alloc(entryBytes);
  shortHash(key).copy(entry);
  shortHash(digest).copy(entry, hashBytes);
  entry.writeBigUInt64BE(revision, 2 * hashBytes);
  return entry;
}

/** Place of the entry with this key, counted from 0, or -1. */
export function packedPlace(packed: PackedKeys, key: Buffer): number {
  for (let at = packed.indexOf(key); at !== -1; at = packed.indexOf(key, at + 1)) {
    if (at % entryBytes === 0) return at / entryBytes;
  }
  return -1;
}

export interface PackedEntry {
  readonly entry: Buffer;
  readonly digest: Buffer;
  readonly revision: bigint;
}

export function packedEntry(packed: PackedKeys, place: number): PackedEntry {
  const entry = packed.subarray(place * entryBytes, (place + 1) * entryBytes);
  return {
    entry,
    digest: entry.subarray(hashBytes, 2 * hashBytes),
    revision: entry.readBigUInt64BE(2 * hashBytes),
  };
}

/** Whether bytes can be packed keys at all. */
export function arePackedKeys(bytes: Buffer): boolean {
  return bytes.length % entryBytes === 0;
}
