/** `Streams/Append`: the older form, one call per append; a wrong expected revision is a normal reply here. */
import type { sendUnaryData, ServerReadableStream } from "@grpc/grpc-js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import type { ProposedEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import type { AppendOutcome } from "../log/log-writer.ts";
import { isInvalidStreamName } from "../log/system-streams.ts";
import type { Limits } from "../limits.ts";
import { expectedRevisionOf } from "./delete.ts";
import { appendSize, proposedEvent } from "./proposed-events.ts";
import { empty } from "./read-responses.ts";
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

export const appendHandler =
  (log: EventLog, limits: Limits) =>
  (call: Call, callback: sendUnaryData<streams.AppendResp>): void => {
    let options: streams.AppendReq.Options | undefined;
    const events: ProposedEvent[] = [];
    let size = 0;
    let answered = false;
    const answer = (error: StatusError | null, response?: streams.AppendResp): void => {
      if (answered) return;
      answered = true;
      callback(error, response);
    };
    call.on("data", (request: streams.AppendReq) => {
      if (answered) return;
      options ??= request.getOptions();
      const message = request.getProposedMessage();
      if (message === undefined) return;
      const proposed = proposedEvent(message);
      switch (proposed.kind) {
        case "property-missing":
          answer(requiredMetadataPropertyMissing(proposed.property));
          return;
        case "invalid":
          answer(handlerFailed(new Error(proposed.reason)));
          return;
        case "event":
          events.push(proposed.event);
          size += appendSize(proposed.event);
          if (size > limits.maximumAppendSize) answer(maximumAppendSizeExceeded(limits.maximumAppendSize));
      }
    });
    call.on("end", () => {
      if (answered) return;
      const stream = streamNameOf(options?.getStreamIdentifier());
      if (options === undefined || isInvalidStreamName(stream)) {
        answer(handlerFailed(new Error("The request names no stream.")));
        return;
      }
      const expectedRevision = expectedRevisionOf(options);
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
