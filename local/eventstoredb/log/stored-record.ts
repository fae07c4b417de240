/**
 * What guards a record on disk. Its row carries a checksum of the record and of everything else that the row says, so
 * that a bit that flips anywhere, also in the index that led to the row, is met by a mismatch and not served as data.
 */
import { crc32 } from "node:zlib";

/** Room a record takes in the position space beside its bytes, so that positions are spread as byte offsets are. */
const recordOverhead = 56;

/** The distance to the position of the next record: records follow each other without a gap. */
export const recordRoom = (record: Uint8Array): number => record.length + recordOverhead;

/** What is read of a record, and what its checksum is over. */
export const recordColumns = "position, stream, revision, type, created, checksum, record";

/** A row of these columns; a record that is no event has no revision. */
export type RecordRow = readonly [
  position: bigint,
  stream: bigint,
  revision: bigint | null,
  type: bigint,
  created: bigint,
  checksum: bigint,
  record: Uint8Array<ArrayBuffer>,
];

/** A record that is not what was written; `namingDamage` adds the name of the file. */
export class DamagedRecordError extends Error {
  override readonly name = "DamagedRecordError";
}

/** Multiplies by an odd number, so that different values of one column never give the same sum. */
const mix = (sum: number, value: number): number =>
  Math.imul(Math.imul(sum ^ value, 0x9e3779b1) ^ (value / 0x100000000), 0x85ebca77);

/** Beyond what a number holds exactly lies only the revision of a tombstone. */
const exact = (revision: bigint | null): number =>
  revision === null || revision > Number.MAX_SAFE_INTEGER ? -1 : Number(revision);

export const checksumOf = (
  position: bigint | number,
  stream: bigint | number,
  revision: bigint | null,
  type: bigint | number,
  created: bigint | number,
  record: Uint8Array,
): number => {
  let place = mix(0, Number(position));
  place = mix(place, Number(stream));
  place = mix(place, exact(revision));
  place = mix(place, Number(type));
  place = mix(place, Number(created));
  return crc32(record, place >>> 0);
};

/** @throws DamagedRecordError */
export const verifyRecord = (
  position: bigint,
  stream: bigint | number,
  revision: bigint | null,
  type: bigint,
  created: bigint,
  checksum: bigint,
  record: Uint8Array,
): void => {
  // In a damaged row a column may hold anything.
  const isReadable =
    typeof position === "bigint" &&
    record instanceof Uint8Array &&
    Number(checksum) === checksumOf(position, stream, revision, type, created, record);
  if (!isReadable) {
    throw new DamagedRecordError(
      `The record at position ${position} does not have the checksum that was stored with it.`,
    );
  }
};
