/**
 * The few protobuf primitives that hot paths need: an event is encoded once, when it is written, and its bytes are what
 * every later read sends. Everything that is not hot uses the generated messages of the client package.
 */
const lowBits = 0x7fn;

/** Number of bytes of `value` as a varint. */
export const varintLength = (value: number): number => {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
};

/** Writes a non-negative safe integer at `offset`; returns the offset after it. */
export const writeVarint = (target: Uint8Array, offset: number, value: number): number => {
  let at = offset;
  let rest = value;
  while (rest > 0x7fffffff) {
    target[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
};

/** A 64-bit value that is not known to be a safe integer, such as the revision of a tombstone. */
export const writeVarint64 = (target: Uint8Array, offset: number, value: bigint): number => {
  if (value <= 0x1fffffffffffffn) return writeVarint(target, offset, Number(value));
  let at = offset;
  let rest = value;
  while (rest > lowBits) {
    target[at++] = Number(rest & lowBits) | 0x80;
    rest >>= 7n;
  }
  target[at++] = Number(rest);
  return at;
};

export const varintLength64 = (value: bigint): number => {
  if (value <= 0x1fffffffffffffn) return varintLength(Number(value));
  let length = 1;
  for (let rest = value; rest > lowBits; rest >>= 7n) length += 1;
  return length;
};

export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Message bytes that end early, or hold a wire type that protobuf 3 does not know. */
export class MalformedMessage extends Error {
  override readonly name = "MalformedMessage";
  readonly code = "MALFORMED_MESSAGE";
}

/** Walks the fields of one message. `next()` moves to a field; then exactly one of `varint`, `bytes`, `skip` takes it. */
export class FieldReader {
  field = 0;
  #wire: number = wireType.varint;
  #at: number;
  readonly #end: number;
  readonly #source: Uint8Array;

  constructor(source: Uint8Array, start = 0, end = source.length) {
    this.#source = source;
    this.#at = start;
    this.#end = end;
  }

  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.#wire = tag % 8;
    return true;
  }

  /** As a number: exact up to 2^53, which covers lengths, tags, positions and revisions of living events. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count += 1) {
      if (this.#at >= this.#end) break;
      const byte = this.#source[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new MalformedMessage("A varint runs past the end of its message.");
  }

  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.#at >= this.#end) break;
      const byte = this.#source[this.#at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessage("A varint runs past the end of its message.");
  }

  /** A view of the bytes, not a copy. */
  bytes(): Uint8Array {
    if (this.#wire !== wireType.bytes) throw new MalformedMessage(`Field ${this.field} is not length-delimited.`);
    const length = this.varint();
    const start = this.#at;
    if (start + length > this.#end) throw new MalformedMessage(`Field ${this.field} runs past the end of its message.`);
    this.#at = start + length;
    return this.#source.subarray(start, this.#at);
  }

  text(): string {
    const bytes = this.bytes();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  skip(): void {
    switch (this.#wire) {
      case wireType.varint:
        this.varint64();
        return;
      case wireType.bytes:
        this.bytes();
        return;
      case wireType.fixed64:
        this.#advance(8);
        return;
      case wireType.fixed32:
        this.#advance(4);
        return;
      default:
        throw new MalformedMessage(`Field ${this.field} has wire type ${this.#wire}.`);
    }
  }

  #advance(count: number): void {
    this.#at += count;
    if (this.#at > this.#end) throw new MalformedMessage(`Field ${this.field} runs past the end of its message.`);
  }
}
