/**
 * The file that a log travels in: NDJSON, a header and then one event a line, in the order of `$all`. Data and metadata are
 * kept byte for byte: as text where they are UTF-8, which most are, else in base64.
 */
import { z } from "zod";
import { isMetadataStream, originalStreamOf } from "../eventstoredb/log/system-streams.ts";

export const header = { format: "tidemark event log", version: 1 } as const;
export const headerLine = `${JSON.stringify(header)}\n`;
export const headerSchema = z.object({ format: z.literal(header.format), version: z.literal(header.version) });

/** Bytes, or the number of the line and the reason why they cannot be had. */
export interface LogRecord {
  /** Commit position in the log that it was exported from. */
  readonly position: bigint;
  readonly stream: string;
  readonly revision: bigint;
  readonly id: string;
  readonly type: string;
  readonly contentType: "application/json" | "application/octet-stream";
  /** When it was first recorded; the server that it is imported into stamps its own time. */
  readonly created: Date;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

const unsigned = z.string().regex(/^\d{1,20}$/, "must be a whole number, as text");
const lineSchema = z.strictObject({
  position: unsigned,
  stream: z.string().min(1),
  revision: unsigned,
  id: z.uuid(),
  type: z.string().min(1),
  contentType: z.enum(["application/json", "application/octet-stream"]),
  created: z.iso.datetime(),
  data: z.string().optional(),
  dataBase64: z.base64().optional(),
  metadata: z.string().optional(),
  metadataBase64: z.base64().optional(),
});

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
};

const field = (name: "data" | "metadata", bytes: Uint8Array): Record<string, string> => {
  if (bytes.length === 0) return {};
  const text = textOf(bytes);
  return text === undefined ? { [`${name}Base64`]: Buffer.from(bytes).toString("base64") } : { [name]: text };
};

export const formatLine = (record: LogRecord): string =>
  `${JSON.stringify({
    position: record.position.toString(),
    stream: record.stream,
    revision: record.revision.toString(),
    id: record.id,
    type: record.type,
    contentType: record.contentType,
    created: record.created.toISOString(),
    ...field("data", record.data),
    ...field("metadata", record.metadata),
  })}\n`;

const bytesOf = (text: string | undefined, base64: string | undefined): Uint8Array => {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  return text === undefined ? new Uint8Array(0) : Buffer.from(text);
};

/** @throws Error that says what is wrong with the line */
export const parseLine = (line: string): LogRecord => {
  const parsed = lineSchema.safeParse(JSON.parse(line));
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error).replaceAll("\n", " "));
  const { data } = parsed;
  return {
    position: BigInt(data.position),
    stream: data.stream,
    revision: BigInt(data.revision),
    id: data.id,
    type: data.type,
    contentType: data.contentType,
    created: new Date(data.created),
    data: bytesOf(data.data, data.dataBase64),
    metadata: bytesOf(data.metadata, data.metadataBase64),
  };
};

/**
 * Whether a stream travels: those of users and their metadata. What a server keeps for itself (statistics, users,
 * persistent subscriptions, projections) belongs to it.
 */
export const isTransferred = (stream: string): boolean =>
  !(isMetadataStream(stream) ? originalStreamOf(stream) : stream).startsWith("$");
