/**
 * What SQLite does not tell about its write-ahead log. Recovery takes the frames up to the first one whose checksum is
 * wrong and drops the rest without a word: right for the end of a write that a crash cut off, wrong for damage further
 * up, where acknowledged events would vanish. Here the two are told apart. The format is SQLite's ("WAL-mode File
 * Format" in its documentation).
 */
const headerBytes = 32;
const frameHeaderBytes = 24;
const magicOfLittleEndianSums = 0x377f0682;

/** Adds `bytes`, a multiple of 8 long, to a running checksum. */
const addToChecksum = (sum: readonly [number, number], bytes: Buffer, bigEndian: boolean): [number, number] => {
  let [first, second] = sum;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + view.getUint32(at, !bigEndian) + second) | 0;
    second = (second + view.getUint32(at + 4, !bigEndian) + first) | 0;
  }
  return [first, second];
};

const isStoredAt = (sum: readonly [number, number], bytes: Buffer, at: number): boolean =>
  bytes.readInt32BE(at) === sum[0] && bytes.readInt32BE(at + 4) === sum[1];

/**
 * Whether transactions that were acknowledged would be lost. A transaction begins after the one before it is on disk, so
 * a bad frame can be the last write, cut off, only if no second transaction follows it.
 */
export const isWriteAheadLogDamaged = (bytes: Buffer): boolean => {
  if (bytes.length < headerBytes) return false;
  const header = bytes.subarray(0, headerBytes);
  // A crash of the machine may leave the room for a first write that was never made.
  if (header.every((byte) => byte === 0)) return false;
  const magic = header.readUInt32BE(0);
  if ((magic & ~1) >>> 0 !== magicOfLittleEndianSums) return true;
  const bigEndian = (magic & 1) === 1;
  let sum = addToChecksum([0, 0], header.subarray(0, 24), bigEndian);
  if (!isStoredAt(sum, header, 24)) return true;
  const frameBytes = frameHeaderBytes + header.readUInt32BE(8);
  const salts = header.subarray(16, 24);
  let commitsAfterBadFrame: number | undefined;
  for (let at = headerBytes; at + frameBytes <= bytes.length; at += frameBytes) {
    const frame = bytes.subarray(at, at + frameBytes);
    // What an earlier use of the file left behind has other salts; a damaged frame may have any.
    const isOfThisLog = frame.subarray(8, 16).equals(salts);
    if (commitsAfterBadFrame === undefined) {
      sum = addToChecksum(
        addToChecksum(sum, frame.subarray(0, 8), bigEndian),
        frame.subarray(frameHeaderBytes),
        bigEndian,
      );
      if (!isOfThisLog || !isStoredAt(sum, frame, 16)) commitsAfterBadFrame = 0;
    }
    const endsTransaction = frame.readUInt32BE(4) !== 0;
    if (commitsAfterBadFrame !== undefined && isOfThisLog && endsTransaction) commitsAfterBadFrame += 1;
    if (commitsAfterBadFrame === 2) return true;
  }
  return false;
};
