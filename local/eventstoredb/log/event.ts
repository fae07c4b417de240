/**
 * What is written and what is read back. A recorded event keeps the bytes of the protocol's `RecordedEvent` message as
 * they were encoded at the time of its append; `decodeRecord` opens them where the contents matter.
 */
import {
  FieldReader,
  varintLength,
  varintLength64,
  wireType,
  writeVarint,
  writeVarint64,
} from "../protobuf/encoding.ts";

/** The revision that a tombstone takes: no stream goes on after it. */
export const tombstoneRevision = 9223372036854775807n;

/** .NET ticks in a millisecond; `created` travels as ticks since the Unix epoch. */
const ticksPerMillisecond = 10_000n;

export interface ProposedEvent {
  /** UUID in lower case with hyphens. */
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

/** One event as it lies in the log. */
export interface StoredEvent {
  readonly position: bigint;
  readonly revision: bigint;
  /** Row ids of the stream's and the type's name. */
  readonly streamId: number;
  readonly typeId: number;
  /** The protocol's RecordedEvent message. */
  readonly record: Uint8Array;
}

/** What a reader gets: the event; or a link with its target, which is absent when it cannot be read any more. */
export interface ResolvedEvent {
  readonly event: StoredEvent | undefined;
  readonly link: StoredEvent | undefined;
}

/** The event that stands in the stream that was read: the link where there is one. */
export const originalEvent = (resolved: ResolvedEvent): StoredEvent => {
  const original = resolved.link ?? resolved.event;
  if (original === undefined) throw new TypeError("A resolved event has neither an event nor a link.");
  return original;
};

export interface RecordContents {
  readonly id: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  readonly type: string;
  readonly isJson: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

const tag = (field: number, wire: number): number => field * 8 + wire;
const mapKey = (key: string): Buffer => {
  const bytes = Buffer.from(key);
  return Buffer.concat([Buffer.from([tag(1, wireType.bytes), bytes.length]), bytes]);
};
const typeKey = mapKey("type");
const contentTypeKey = mapKey("content-type");
const createdKey = mapKey("created");
const jsonType = Buffer.from("application/json");
const binaryType = Buffer.from("application/octet-stream");

const lengthDelimited = (length: number): number => 1 + varintLength(length) + length;

/** Encodes the RecordedEvent message of an event that has its place in stream and log. */
export const encodeRecord = (
  event: ProposedEvent,
  stream: Buffer,
  revision: bigint,
  position: bigint,
  created: number,
): Buffer => {
  const type = Buffer.from(event.type);
  const contentType = event.isJson ? jsonType : binaryType;
  const ticks = Buffer.from((BigInt(created) * ticksPerMillisecond).toString());
  const typeEntry = typeKey.length + lengthDelimited(type.length);
  const contentTypeEntry = contentTypeKey.length + lengthDelimited(contentType.length);
  const createdEntry = createdKey.length + lengthDelimited(ticks.length);
  const streamMessage = lengthDelimited(stream.length);
  const positionLength = varintLength64(position);
  const size =
    lengthDelimited(lengthDelimited(36)) +
    lengthDelimited(streamMessage) +
    1 +
    varintLength64(revision) +
    2 * (1 + positionLength) +
    lengthDelimited(typeEntry) +
    lengthDelimited(contentTypeEntry) +
    lengthDelimited(createdEntry) +
    (event.metadata.length === 0 ? 0 : lengthDelimited(event.metadata.length)) +
    (event.data.length === 0 ? 0 : lengthDelimited(event.data.length));
  // Subscriptions keep recent records. A piece of Node's pool would keep 64 KB alive, however small the record is.
  const target = Buffer.allocUnsafeSlow(size);
  let at = 0;
  const open = (field: number, length: number): void => {
    target[at++] = tag(field, wireType.bytes);
    at = writeVarint(target, at, length);
  };
  const put = (bytes: Uint8Array): void => {
    target.set(bytes, at);
    at += bytes.length;
  };
  const entry = (key: Buffer, value: Uint8Array, length: number): void => {
    open(6, length);
    put(key);
    open(2, value.length);
    put(value);
  };
  open(1, 38);
  open(2, 36);
  at += target.write(event.id, at, "latin1");
  open(2, streamMessage);
  open(3, stream.length);
  put(stream);
  target[at++] = tag(3, wireType.varint);
  at = writeVarint64(target, at, revision);
  target[at++] = tag(4, wireType.varint);
  at = writeVarint64(target, at, position);
  target[at++] = tag(5, wireType.varint);
  at = writeVarint64(target, at, position);
  entry(typeKey, type, typeEntry);
  entry(contentTypeKey, contentType, contentTypeEntry);
  entry(createdKey, ticks, createdEntry);
  if (event.metadata.length > 0) {
    open(7, event.metadata.length);
    put(event.metadata);
  }
  if (event.data.length > 0) {
    open(8, event.data.length);
    put(event.data);
  }
  return target;
};

/** The event id alone: `encodeRecord` puts it at a fixed place. */
export const recordId = (record: Uint8Array): string =>
  Buffer.from(record.buffer, record.byteOffset + 4, 36).toString("latin1");

const innerBytes = (message: Uint8Array, field: number): Uint8Array => {
  const reader = new FieldReader(message);
  while (reader.next()) {
    if (reader.field === field) return reader.bytes();
    reader.skip();
  }
  return new Uint8Array(0);
};

const utf8 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");

export const decodeRecord = (record: Uint8Array): RecordContents => {
  const reader = new FieldReader(record);
  let id = "";
  let stream = "";
  let revision = 0n;
  let position = 0n;
  let data: Uint8Array = new Uint8Array(0);
  let metadata: Uint8Array = new Uint8Array(0);
  const properties = new Map<string, string>();
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        id = utf8(innerBytes(reader.bytes(), 2));
        break;
      case 2:
        stream = utf8(innerBytes(reader.bytes(), 3));
        break;
      case 3:
        revision = reader.varint64();
        break;
      case 5:
        position = reader.varint64();
        break;
      case 6: {
        const entry = reader.bytes();
        properties.set(utf8(innerBytes(entry, 1)), utf8(innerBytes(entry, 2)));
        break;
      }
      case 7:
        metadata = reader.bytes();
        break;
      case 8:
        data = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  return {
    id,
    stream,
    revision,
    position,
    type: properties.get("type") ?? "",
    isJson: properties.get("content-type") === "application/json",
    created: Number(BigInt(properties.get("created") ?? "0") / ticksPerMillisecond),
    data,
    metadata,
  };
};
