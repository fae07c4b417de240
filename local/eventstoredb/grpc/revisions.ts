/**
 * Revisions on the wire are unsigned 64-bit numbers, those of a .NET server are signed: the largest one stands for -1,
 * everything else beyond 2^63-1 makes its handler throw.
 */
import { tombstoneRevision } from "../log/event.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import { handlerFailed, invalidArgument } from "./status-errors.ts";

const largest = 0xffff_ffff_ffff_ffffn;

/** @throws StatusError */
export const signed = (text: string): bigint => {
  const value = BigInt(text);
  if (value === largest) return -1n;
  if (value > tombstoneRevision) throw handlerFailed(new RangeError(`${text} is beyond every revision and position.`));
  return value;
};

/** An expected revision that came as a number: -1 is how "no stream" is written. */
export const expectedNumber = (text: string): ExpectedRevision => {
  const revision = signed(text);
  return revision < 0n ? "no-stream" : revision;
};

export interface RevisionOptions {
  hasNoStream(): boolean;
  hasAny(): boolean;
  hasStreamExists(): boolean;
  hasRevision(): boolean;
  getRevision(): string;
}

/**
 * Of an append, delete or tombstone: all three carry the same choice.
 * @throws StatusError where none is made
 */
export const expectedRevisionOf = (options: RevisionOptions): ExpectedRevision => {
  if (options.hasRevision()) return expectedNumber(options.getRevision());
  if (options.hasNoStream()) return "no-stream";
  if (options.hasStreamExists()) return "stream-exists";
  if (options.hasAny()) return "any";
  throw invalidArgument("The request does not say which revision it expects.");
};
