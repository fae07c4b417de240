/** What is quarantined as JSON, which holds no 64-bit numbers: revisions and positions are text. */
import { messageOf } from "../errors/message-of.ts";
import { formatPosition } from "../event-store/position.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Decision } from "./decisions.ts";
import { type QuarantinedStream, type Redriven, subjectOf } from "./operations.ts";
import { type QuarantineRecord, viewOfTarget } from "./quarantine-record.ts";

export function recordToJson(record: QuarantineRecord): Readonly<Record<string, unknown>> {
  const { target, stream, revision, position, waitingTo, attempts, reason } = record;
  const { firstFailedAt, lastFailedAt, firstError, lastError } = record;
  const generation = viewOfTarget(target)?.generation;
  return {
    subject: subjectOf(record),
    ...(generation === undefined ? {} : { generation }),
    stream,
    revision: revision.toString(),
    position: formatPosition(position),
    waitingTo: waitingTo.toString(),
    attempts,
    reason,
    firstFailedAt,
    lastFailedAt,
    firstError,
    lastError,
  };
}

export function quarantinedStreamToJson({ record, event, decisions }: QuarantinedStream): object {
  return {
    ...recordToJson(record),
    ...(event === undefined ? {} : { event: eventToJson(event) }),
    discardedBefore: decisions.map(decisionToJson),
  };
}

function eventToJson({ id, type, data, metadata, recordedAt }: StoredEvent): object {
  const content = data instanceof Uint8Array ? { dataBase64: Buffer.from(data).toString("base64") } : { data };
  return { id, type, ...content, metadata, recordedAt: recordedAt.toISOString() };
}

export function decisionToJson({ revision, ...rest }: Decision): Readonly<Record<string, unknown>> {
  return { ...rest, revision: revision.toString() };
}

export function redrivenToJson({ record, outcome }: Redriven): object {
  const { subject, generation, stream } = recordToJson(record);
  const where = { subject, generation, stream };
  switch (outcome.outcome) {
    case "still-failing":
      return { ...where, ...outcome, revision: outcome.revision.toString() };
    case "failed": {
      const { error } = outcome;
      const code = error instanceof Error && "code" in error ? error.code : "FAILED";
      return { ...where, outcome: "failed", error: { code, message: messageOf(error) } };
    }
    default:
      return { ...where, ...outcome };
  }
}
