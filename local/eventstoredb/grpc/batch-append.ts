/**
 * `Streams/BatchAppend`: many appends share one stream, each in one or more chunks under a correlation id. Exactly one
 * response per append: a second one, or one for an unknown id, would crash the client's process.
 */
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import codes from "@eventstore/db-client/generated/code_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import statusMessage from "@eventstore/db-client/generated/status_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import protobufAny from "google-protobuf/google/protobuf/any_pb.js";
import protobufEmpty from "google-protobuf/google/protobuf/empty_pb.js";
import type { ProposedEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import type { AppendOutcome } from "../log/log-writer.ts";
import { isInvalidStreamName } from "../log/system-streams.ts";
import type { Limits } from "../limits.ts";
import { appendSize, proposedEvent } from "./proposed-events.ts";
import { toStatusError, type StatusError } from "./status-errors.ts";
import { streamNameOf } from "./stream-name.ts";
import { parseUuid } from "./uuid.ts";

type Request = streams.BatchAppendReq;
type Response = streams.BatchAppendResp;
type Call = ServerDuplexStream<Request, Response>;
const { ExpectedStreamPositionCase } = streams.BatchAppendReq.Options;

type Refusal =
  | { readonly kind: "bad-request"; readonly reason: string }
  | { readonly kind: "maximum-append-size-exceeded" }
  | { readonly kind: "timeout" }
  | { readonly kind: "unknown"; readonly reason?: string }
  | { readonly kind: "failed"; readonly error: StatusError };

interface PendingAppend {
  readonly correlationId: shared.UUID;
  readonly options: streams.BatchAppendReq.Options;
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  readonly timer: NodeJS.Timeout;
  events: ProposedEvent[];
  size: number;
  refusal: Refusal | undefined;
}

export const batchAppendHandler =
  (log: EventLog, limits: Limits) =>
  (call: Call): void => {
    const pending = new Map<string, PendingAppend>();
    const reply = (response: Response): void => {
      if (!call.cancelled && call.writable) call.write(response);
    };
    let committing = 0;
    let clientHasEnded = false;
    const endWhenAnswered = (): void => {
      if (clientHasEnded && committing === 0) call.end();
    };
    const abandon = (): void => {
      for (const append of pending.values()) clearTimeout(append.timer);
      pending.clear();
    };
    const finish = (key: string, append: PendingAppend): void => {
      clearTimeout(append.timer);
      pending.delete(key);
      if (append.refusal !== undefined) {
        reply(refused(append, append.refusal, limits));
        return;
      }
      committing += 1;
      const { stream, expectedRevision, events } = append;
      const written = log.append({ stream, expectedRevision, events }).then(
        (outcome) => reply(answer(append, outcome, limits)),
        (error: unknown) => reply(refused(append, { kind: "failed", error: toStatusError(error) }, limits)),
      );
      void written.finally(() => {
        committing -= 1;
        endWhenAnswered();
      });
    };
    const open = (key: string, request: Request, options: streams.BatchAppendReq.Options): PendingAppend => {
      const remaining = remainingTime(options, limits.writeTimeout);
      const append: PendingAppend = {
        correlationId: request.getCorrelationId() ?? new shared.UUID(),
        options,
        stream: streamNameOf(options.getStreamIdentifier()),
        expectedRevision: expectedRevision(options),
        timer: setTimeout(
          () => {
            if (pending.get(key) !== append) return;
            pending.delete(key);
            reply(refused(append, { kind: "timeout" }, limits));
          },
          Math.max(0, remaining),
        ),
        events: [],
        size: 0,
        refusal: remaining <= 0 ? { kind: "timeout" } : undefined,
      };
      if (isInvalidStreamName(append.stream))
        append.refusal ??= { kind: "bad-request", reason: "The stream has no name." };
      pending.set(key, append);
      return append;
    };
    call.on("data", (request: Request) => {
      const key = parseUuid(request.getCorrelationId());
      if (key === undefined) return;
      const options = request.getOptions();
      const append = options === undefined ? pending.get(key) : open(key, request, options);
      if (append === undefined) return;
      collect(append, request, limits);
      if (request.getIsFinal()) finish(key, append);
    });
    call.on("end", () => {
      abandon();
      clientHasEnded = true;
      endWhenAnswered();
    });
    call.on("cancelled", abandon);
    call.on("error", abandon);
  };

const collect = (append: PendingAppend, request: Request, limits: Limits): void => {
  for (const message of request.getProposedMessagesList()) {
    if (append.refusal !== undefined) break;
    const proposed = proposedEvent(message);
    if (proposed.kind !== "event") {
      const reason = proposed.kind === "invalid" ? proposed.reason : `The property '${proposed.property}' is missing.`;
      append.refusal = { kind: "bad-request", reason };
      break;
    }
    append.events.push(proposed.event);
    append.size += appendSize(proposed.event);
    if (append.size > limits.maximumAppendSize) append.refusal = { kind: "maximum-append-size-exceeded" };
  }
  if (append.refusal !== undefined) append.events = [];
};

/** Milliseconds until the append times out: at its own deadline, and no later than the server's write time-out. */
const remainingTime = (options: streams.BatchAppendReq.Options, writeTimeout: number): number => {
  const deadline = options.getDeadline();
  if (deadline === undefined) return writeTimeout;
  return Math.min(deadline.getSeconds() * 1000 + deadline.getNanos() / 1e6 - Date.now(), writeTimeout);
};

const expectedRevision = (options: streams.BatchAppendReq.Options): ExpectedRevision => {
  switch (options.getExpectedStreamPositionCase()) {
    case ExpectedStreamPositionCase.STREAM_POSITION:
      return BigInt(options.getStreamPosition());
    case ExpectedStreamPositionCase.NO_STREAM:
      return "no-stream";
    case ExpectedStreamPositionCase.STREAM_EXISTS:
      return "stream-exists";
    default:
      return "any";
  }
};

const response = (append: PendingAppend): Response => {
  const message = new streams.BatchAppendResp();
  message.setCorrelationId(append.correlationId);
  message.setStreamIdentifier(append.options.getStreamIdentifier());
  switch (append.expectedRevision) {
    case "any":
      message.setAny(new protobufEmpty.Empty());
      break;
    case "no-stream":
      message.setNoStream(new protobufEmpty.Empty());
      break;
    case "stream-exists":
      message.setStreamExists(new protobufEmpty.Empty());
      break;
    default:
      message.setStreamPosition(append.expectedRevision.toString());
  }
  return message;
};

const answer = (append: PendingAppend, outcome: AppendOutcome, limits: Limits): Response => {
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
      details.setStreamIdentifier(append.options.getStreamIdentifier());
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

const wrongExpectedVersion = (append: PendingAppend, actual: bigint): shared.WrongExpectedVersion => {
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

const refused = (append: PendingAppend, refusal: Refusal, limits: Limits): Response => {
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
  append: PendingAppend,
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
  append: PendingAppend,
  code: codes.Code,
  reason: string,
  details: { serializeBinary(): Uint8Array },
  text = reason,
): Response => withError(append, code, `event_store.client.${reason}`, details, text);
