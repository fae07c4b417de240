/** What `Streams/BatchAppend` answers: one response per append, with its outcome or with why it was refused. */
import { status } from "@grpc/grpc-js";
import codes from "@eventstore/db-client/generated/code_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import statusMessage from "@eventstore/db-client/generated/status_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import protobufAny from "google-protobuf/google/protobuf/any_pb.js";
import protobufEmpty from "google-protobuf/google/protobuf/empty_pb.js";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import type { AppendOutcome } from "../log/log-writer.ts";
import type { Limits } from "../limits.ts";
import type { StatusError } from "./status-errors.ts";
import { streamIdentifier } from "./stream-name.ts";

type Response = streams.BatchAppendResp;

export type Refusal =
  | { readonly kind: "bad-request"; readonly reason: string }
  | { readonly kind: "maximum-append-size-exceeded" }
  | { readonly kind: "timeout" }
  | { readonly kind: "unknown"; readonly reason?: string }
  | { readonly kind: "failed"; readonly error: StatusError };

/** Whom a response is for. */
export interface Addressee {
  readonly correlationId: shared.UUID;
  readonly stream: string;
}

interface Answerable extends Addressee {
  readonly expectedRevision: ExpectedRevision;
}

const response = (append: Addressee): Response => {
  const message = new streams.BatchAppendResp();
  message.setCorrelationId(append.correlationId);
  message.setStreamIdentifier(streamIdentifier(append.stream));
  return message;
};

export const answer = (append: Answerable, outcome: AppendOutcome, limits: Limits): Response => {
  switch (outcome.kind) {
    case "appended":
    case "repeated": {
      const success = new streams.BatchAppendResp.Success();
      if (outcome.revision < 0n) success.setNoStream(new protobufEmpty.Empty());
      else success.setCurrentRevision(outcome.revision.toString());
      if (outcome.position === undefined) success.setNoPosition(new protobufEmpty.Empty());
      else success.setPosition(allStreamPosition(outcome.position));
      const message = response(append);
      message.setSuccess(success);
      return message;
    }
    case "wrong-expected-revision":
      return failed(
        append,
        codes.Code.ALREADY_EXISTS,
        "WrongExpectedVersion",
        wrongExpectedVersion(append, outcome.actual),
      );
    case "stream-deleted": {
      const details = new shared.StreamDeleted();
      details.setStreamIdentifier(streamIdentifier(append.stream));
      return failed(append, codes.Code.NOT_FOUND, "StreamDeleted", details);
    }
    case "ambiguous-repeat":
      return refused(append, { kind: "unknown" }, limits);
  }
};

const allStreamPosition = (position: bigint): shared.AllStreamPosition => {
  const message = new shared.AllStreamPosition();
  message.setCommitPosition(position.toString());
  message.setPreparePosition(position.toString());
  return message;
};

const wrongExpectedVersion = (append: Answerable, actual: bigint): shared.WrongExpectedVersion => {
  const details = new shared.WrongExpectedVersion();
  if (actual < 0n) details.setCurrentNoStream(new protobufEmpty.Empty());
  else details.setCurrentStreamRevision(actual.toString());
  switch (append.expectedRevision) {
    case "any":
      details.setExpectedAny(new protobufEmpty.Empty());
      break;
    case "no-stream":
      details.setExpectedNoStream(new protobufEmpty.Empty());
      break;
    case "stream-exists":
      details.setExpectedStreamExists(new protobufEmpty.Empty());
      break;
    default:
      details.setExpectedStreamPosition(append.expectedRevision.toString());
  }
  return details;
};

export const refused = (append: Addressee, refusal: Refusal, limits: Limits): Response => {
  switch (refusal.kind) {
    case "bad-request": {
      const details = new shared.BadRequest();
      details.setMessage(refusal.reason);
      return failed(append, codes.Code.INVALID_ARGUMENT, "BadRequest", details);
    }
    case "maximum-append-size-exceeded": {
      const details = new shared.MaximumAppendSizeExceeded();
      details.setMaxappendsize(limits.maximumAppendSize);
      return failed(append, codes.Code.INVALID_ARGUMENT, "MaximumAppendSizeExceeded", details);
    }
    case "timeout":
      return failed(append, codes.Code.DEADLINE_EXCEEDED, "Timeout", new shared.Timeout());
    case "unknown":
      return failed(append, codes.Code.UNKNOWN, "Unknown", new shared.Unknown(), refusal.reason);
    case "failed":
      return withError(
        append,
        codeOf(refusal.error.code),
        "google.protobuf.Empty",
        new protobufEmpty.Empty(),
        refusal.error.details,
      );
  }
};

/** The two enumerations have the same numbers and the compiler does not know. */
const codeOf = (code: status): codes.Code => {
  switch (code) {
    case status.DATA_LOSS:
      return codes.Code.DATA_LOSS;
    case status.RESOURCE_EXHAUSTED:
      return codes.Code.RESOURCE_EXHAUSTED;
    case status.FAILED_PRECONDITION:
      return codes.Code.FAILED_PRECONDITION;
    case status.INTERNAL:
      return codes.Code.INTERNAL;
    default:
      return codes.Code.UNKNOWN;
  }
};

/** The client shows the text of an error only where it does not know the type of the details. */
const withError = (
  append: Addressee,
  code: codes.Code,
  type: string,
  details: { serializeBinary(): Uint8Array },
  text: string,
): Response => {
  const packed = new protobufAny.Any();
  packed.pack(details.serializeBinary(), type);
  const error = new statusMessage.Status();
  error.setCode(code);
  error.setMessage(text);
  error.setDetails(packed);
  const message = response(append);
  message.setError(error);
  return message;
};

/** `reason` is the name of the details' message type and, as on the real server, the error's text where there is no better. */
const failed = (
  append: Addressee,
  code: codes.Code,
  reason: string,
  details: { serializeBinary(): Uint8Array },
  text = reason,
): Response => withError(append, code, `event_store.client.${reason}`, details, text);
