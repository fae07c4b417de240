/** `Streams/Append`: the older form, one call per append; a wrong expected revision is a normal reply here. */
import type { sendUnaryData, ServerReadableStream } from "@grpc/grpc-js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import type { ProposedEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import type { AppendOutcome } from "../log/log-writer.ts";
import { isInvalidStreamName } from "../log/system-streams.ts";
import type { Limits } from "../limits.ts";
import { appendSize, proposedEvent } from "./proposed-events.ts";
import { empty } from "./read-responses.ts";
import { expectedRevisionOf } from "./revisions.ts";
import {
  handlerFailed,
  maximumAppendSizeExceeded,
  requiredMetadataPropertyMissing,
  streamDeleted,
  toStatusError,
  type StatusError,
} from "./status-errors.ts";
import { streamNameOf } from "./stream-name.ts";

type Call = ServerReadableStream<streams.AppendReq, streams.AppendResp>;

interface Target {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
}

/** The first message of a call says where its events go. */
const targetOf = (options: streams.AppendReq.Options | undefined): Target => {
  if (options === undefined) throw handlerFailed(new Error("The request has no options."));
  const stream = streamNameOf(options.getStreamIdentifier());
  const expectedRevision = expectedRevisionOf(options);
  if (isInvalidStreamName(stream)) throw handlerFailed(new Error("The request names no stream."));
  return { stream, expectedRevision };
};

const proposedMessageOf = (request: streams.AppendReq): streams.AppendReq.ProposedMessage => {
  const message = request.getProposedMessage();
  if (message === undefined) throw handlerFailed(new Error("A message after the first holds no event."));
  return message;
};

export const appendHandler =
  (log: EventLog, limits: Limits) =>
  (call: Call, callback: sendUnaryData<streams.AppendResp>): void => {
    let target: Target | undefined;
    const events: ProposedEvent[] = [];
    let size = 0;
    let answered = false;
    const answer = (error: StatusError | null, response?: streams.AppendResp): void => {
      if (answered) return;
      answered = true;
      callback(error, response);
    };
    const collect = (message: streams.AppendReq.ProposedMessage): void => {
      const proposed = proposedEvent(message);
      switch (proposed.kind) {
        case "property-missing":
          throw requiredMetadataPropertyMissing(proposed.property);
        case "invalid":
          throw handlerFailed(new Error(proposed.reason));
        case "event":
          events.push(proposed.event);
          size += appendSize(proposed.event);
          if (size > limits.maximumAppendSize) throw maximumAppendSizeExceeded(limits.maximumAppendSize);
      }
    };
    call.on("data", (request: streams.AppendReq) => {
      if (answered) return;
      try {
        if (target === undefined) target = targetOf(request.getOptions());
        else collect(proposedMessageOf(request));
      } catch (error) {
        answer(toStatusError(error));
      }
    });
    call.on("end", () => {
      if (answered) return;
      if (target === undefined) {
        answer(handlerFailed(new Error("The request has no options.")));
        return;
      }
      const { stream, expectedRevision } = target;
      log.append({ stream, expectedRevision, events }).then(
        (outcome) => {
          const result = toResponse(stream, expectedRevision, outcome);
          if (result instanceof Error) answer(result);
          else answer(null, result);
        },
        (error: unknown) => answer(toStatusError(error)),
      );
    });
    call.on("error", () => {
      answered = true;
    });
    call.on("cancelled", () => {
      answered = true;
    });
  };

const toResponse = (
  stream: string,
  expectedRevision: ExpectedRevision,
  outcome: AppendOutcome,
): streams.AppendResp | StatusError => {
  const response = new streams.AppendResp();
  switch (outcome.kind) {
    case "appended":
    case "repeated": {
      const success = new streams.AppendResp.Success();
      if (outcome.revision < 0n) success.setNoStream(empty());
      else success.setCurrentRevision(outcome.revision.toString());
      if (outcome.position === undefined) success.setNoPosition(empty());
      else {
        const position = new streams.AppendResp.Position();
        position.setCommitPosition(outcome.position.toString());
        position.setPreparePosition(outcome.position.toString());
        success.setPosition(position);
      }
      response.setSuccess(success);
      return response;
    }
    case "wrong-expected-revision":
      response.setWrongExpectedVersion(wrongExpectedVersion(expectedRevision, outcome.actual));
      return response;
    case "stream-deleted":
      return streamDeleted(stream);
    case "ambiguous-repeat":
      return handlerFailed(new Error("A resent append holds one event id twice."));
  }
};

const wrongExpectedVersion = (expected: ExpectedRevision, actual: bigint): streams.AppendResp.WrongExpectedVersion => {
  const message = new streams.AppendResp.WrongExpectedVersion();
  if (actual < 0n) message.setCurrentNoStream(empty());
  else message.setCurrentRevision(actual.toString());
  switch (expected) {
    case "any":
      message.setExpectedAny(empty());
      break;
    case "no-stream":
      message.setExpectedNoStream(empty());
      break;
    case "stream-exists":
      message.setExpectedStreamExists(empty());
      break;
    default:
      message.setExpectedRevision(expected.toString());
  }
  return message;
};
