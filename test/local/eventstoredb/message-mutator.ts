/** Turns valid protobuf messages into ones that a client would never send, in their bytes and in their fields. */
import type { Random } from "./seeded-random.ts";

type Field =
  | { readonly number: number; readonly wire: 0; readonly value: bigint }
  | { readonly number: number; readonly wire: 1 | 5; readonly bytes: Buffer }
  | { readonly number: number; readonly wire: 2; readonly bytes: Buffer };

const varint = (value: bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};

/** Undefined for what is no message. */
const parse = (bytes: Buffer): Field[] | undefined => {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) return undefined;
      at += 1;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = readVarint();
    if (tag === undefined || tag < 8n || tag > 0xffffn) return undefined;
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    const value = wire === 0 || wire === 2 ? readVarint() : wire === 1 ? 8n : wire === 5 ? 4n : undefined;
    if (value === undefined) return undefined;
    if (wire === 0) fields.push({ number, wire, value });
    else {
      const end = at + Number(value);
      if (end > bytes.length) return undefined;
      if (wire === 1 || wire === 2 || wire === 5) fields.push({ number, wire, bytes: bytes.subarray(at, end) });
      at = end;
    }
  }
  return fields;
};

const encode = (fields: readonly Field[]): Buffer =>
  Buffer.concat(
    fields.flatMap((field) => {
      const tag = varint((BigInt(field.number) << 3n) | BigInt(field.wire));
      if (field.wire === 0) return [tag, varint(field.value)];
      return field.wire === 2 ? [tag, varint(BigInt(field.bytes.length)), field.bytes] : [tag, field.bytes];
    }),
  );

const numbers = [
  0n,
  1n,
  2n,
  127n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  -1n,
] as const;
const contents = [
  Buffer.alloc(0),
  Buffer.from("$all"),
  Buffer.from("$$"),
  Buffer.from("\0"),
  Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
  Buffer.alloc(100_000, "n"),
  Buffer.from("00000000-0000-0000-0000-000000000000"),
  Buffer.from("(a{1000}){1000}"),
  Buffer.alloc(10_000, "("),
] as const;

const mutateField = (field: Field, random: Random): Field[] => {
  const number = random.next() < 0.1 ? random.between(1, 20) : field.number;
  switch (random.between(0, 4)) {
    case 0:
      return [];
    case 1:
      return [field, field];
    case 2:
      return [{ number, wire: 0, value: random.pick(numbers) }];
    default:
      if (field.wire === 0) return [{ number, wire: 0, value: random.pick(numbers) }];
      if (field.wire === 2 && random.next() < 0.6)
        return [{ number, wire: 2, bytes: mutateFields(field.bytes, random) }];
      return [{ number, wire: 2, bytes: random.pick(contents) }];
  }
};

const mutateFields = (bytes: Buffer, random: Random): Buffer => {
  const fields = parse(bytes);
  if (fields === undefined || fields.length === 0) return random.pick(contents);
  const chosen = random.between(0, fields.length - 1);
  return encode(fields.flatMap((field, index) => (index === chosen ? mutateField(field, random) : [field])));
};

const mutateBytes = (bytes: Buffer, random: Random): Buffer => {
  const mutated = Buffer.from(bytes);
  for (let change = random.between(1, 4); change > 0 && mutated.length > 0; change -= 1)
    mutated[random.between(0, mutated.length - 1)] = random.between(0, 255);
  return random.next() < 0.3 ? mutated.subarray(0, random.between(0, mutated.length)) : mutated;
};

export const mutate = (bytes: Buffer, random: Random): Buffer => {
  let mutated = bytes;
  for (let change = random.between(1, 3); change > 0; change -= 1)
    mutated = random.next() < 0.3 ? mutateBytes(mutated, random) : mutateFields(mutated, random);
  return mutated;
};
