/**
 * What goes between subscriber and function: event records in the payload, Lambda's partial batch response back. JSON holds
 * neither 64-bit numbers nor bytes, so revisions and positions travel as text and data that is not JSON as base64.
 */
import { z } from "zod";
import { formatPosition, parsePosition } from "../event-store/position.ts";
import type { EventMetadata, StoredEvent } from "../event-store/stored-event.ts";

/** An event as it stands in the payload. */
export interface EventRecord {
  readonly id: string;
  readonly stream: string;
  readonly revision: string;
  /** `COMMIT/PREPARE`. */
  readonly position: string;
  readonly type: string;
  /** Absent when the event's data is not JSON. */
  readonly data?: unknown;
  /** Data that is not JSON. */
  readonly dataBase64?: string;
  readonly metadata: EventMetadata;
  /** ISO 8601. */
  readonly recordedAt: string;
}

/** Lambda's own shape: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting */
export interface BatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** Names an event in a {@link BatchResponse}. Not its id: the store takes one id in two streams. */
export function itemIdentifier({ stream, revision }: Pick<StoredEvent, "stream" | "revision">): string {
  return `${revision.toString()}@${stream}`;
}

/** The record's JSON: made once when the event arrives, sent as often as it takes. */
export function encodeRecord(event: StoredEvent): string {
  const { id, stream, revision, position, type, data, metadata, recordedAt } = event;
  const record: EventRecord = {
    id,
    stream,
    revision: revision.toString(),
    position: formatPosition(position),
    type,
    ...(data instanceof Uint8Array ? { dataBase64: Buffer.from(data).toString("base64") } : { data }),
    metadata,
    recordedAt: recordedAt.toISOString(),
  };
  return JSON.stringify(record);
}

const payloadHead = '{"records":[';
const payloadTail = "]}";

/** Bytes of a payload beside its records; each record adds its own and a comma. */
export const payloadFrameBytes = payloadHead.length + payloadTail.length;

export function encodePayload(records: readonly string[]): string {
  return payloadHead + records.join(",") + payloadTail;
}

/** What was sent to the function is no batch of records: a mistake of the caller. */
export class BatchFormatError extends Error {
  readonly code = "BATCH_FORMAT";
  override readonly name = "BatchFormatError";
}

const recordSchema = z
  .object({
    id: z.string(),
    stream: z.string().min(1),
    revision: z.string().regex(/^\d{1,19}$/),
    position: z.string(),
    type: z.string(),
    data: z.unknown().optional(),
    dataBase64: z.string().exactOptional(),
    // Others may write any metadata; what is looked for in it is checked where it is used.
    metadata: z.custom<EventMetadata>((value) => typeof value === "object" && value !== null),
    recordedAt: z.iso.datetime(),
  })
  .transform(({ id, stream, revision, position, type, data, dataBase64, metadata, recordedAt }): StoredEvent => ({
    id,
    stream,
    revision: BigInt(revision),
    position: parsePosition(position),
    type,
    data: dataBase64 === undefined ? data : new Uint8Array(Buffer.from(dataBase64, "base64")),
    metadata,
    recordedAt: new Date(recordedAt),
  }));

const batchSchema = z.object({ records: z.array(recordSchema).min(1) });

/** The events of a payload. Throws {@link BatchFormatError}. */
export function decodeBatch(payload: unknown): StoredEvent[] {
  try {
    return batchSchema.parse(payload).records;
  } catch (cause) {
    throw new BatchFormatError("this is no batch of event records: invoke the function as the subscriber does", {
      cause,
    });
  }
}
