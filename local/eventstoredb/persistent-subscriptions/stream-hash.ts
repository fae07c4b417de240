/**
 * The hash by which the real server spreads streams over the buckets of pinned consumers. It bears xxHash's name and
 * constants, but is an early form that agrees with no published one, over the name's UTF-16 code units.
 */
const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;
const seed = 0xc58f1a7b;

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

const ofShortName = (bytes: Buffer): number => {
  let index = (seed + prime1) | 0;
  let hash = prime5;
  let at = 0;
  for (; at < bytes.length - 4; at += 4) {
    hash = (hash + bytes.readInt32LE(at) + index) | 0;
    index = (index + 1) | 0;
    hash = (hash + Math.imul(rotate(hash, 17), prime4)) | 0;
    hash = Math.imul(hash, prime1);
  }
  for (; at < bytes.length; at += 1) {
    hash = Math.imul((hash + (bytes[at] ?? 0) + index) | 0, prime1);
    index = (index + 1) | 0;
  }
  hash = (hash + bytes.length) | 0;
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  hash = Math.imul(hash ^ (hash >>> 13), prime3);
  return (hash ^ (hash >>> 16)) >>> 0;
};

const takeIn = (lane: number, bits: number, input: number): number =>
  (Math.imul((lane + rotate(lane, bits)) | 0, prime1) + input) | 0;

const finish = (lane: number, bits: number): number => {
  const mixed = Math.imul(lane, prime2);
  return Math.imul((mixed + rotate(mixed, bits)) | 0, prime3);
};

/** Of 16 bytes and more. The last 16 are taken in by themselves, even where the blocks before have had some of them. */
const ofLongName = (bytes: Buffer): number => {
  let lane1 = (seed + prime1) | 0;
  let lane2 = (Math.imul(lane1, prime2) + bytes.length) | 0;
  let lane3 = Math.imul(lane2, prime3);
  let lane4 = Math.imul(lane3, prime4);
  const last = bytes.length - 16;
  for (let at = 0; at < last; at += 16) {
    lane1 = takeIn(lane1, 13, bytes.readInt32LE(at));
    lane2 = takeIn(lane2, 11, bytes.readInt32LE(at + 4));
    lane3 = takeIn(lane3, 17, bytes.readInt32LE(at + 8));
    lane4 = takeIn(lane4, 19, bytes.readInt32LE(at + 12));
  }
  lane1 = finish(takeIn(lane1, 17, bytes.readInt32LE(last)), 11);
  lane2 = finish(takeIn(lane2, 19, bytes.readInt32LE(last + 4)), 17);
  lane3 = finish(takeIn(lane3, 13, bytes.readInt32LE(last + 8)), 19);
  lane4 = finish(takeIn(lane4, 11, bytes.readInt32LE(last + 12)), 13);
  let hash = (lane1 + rotate(lane2, 3) + rotate(lane3, 6) + rotate(lane4, 9)) | 0;
  hash ^= hash >>> 11;
  hash = (hash + Math.imul((prime4 + bytes.length) | 0, prime1)) | 0;
  hash = Math.imul(hash ^ (hash >>> 15), prime2);
  return (hash ^ (hash >>> 13)) >>> 0;
};

export const streamHash = (stream: string): number => {
  const bytes = Buffer.from(stream, "utf16le");
  return bytes.length < 16 ? ofShortName(bytes) : ofLongName(bytes);
};
