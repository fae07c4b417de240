/** `Streams/Delete` (soft) and `Streams/Tombstone` (for ever). */
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import type { EventLog } from "../log/event-log.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import type { DeleteOutcome } from "../log/log-writer.ts";
import { expectedRevisionOf, type RevisionOptions } from "./revisions.ts";
import { handlerFailed, streamDeleted, toStatusError, wrongExpectedRevision } from "./status-errors.ts";
import { requireStreamName } from "./stream-name.ts";

type Options = RevisionOptions & Pick<streams.DeleteReq.Options, "getStreamIdentifier">;

const remove = async (
  options: Options | undefined,
  write: (stream: string, expectedRevision: ExpectedRevision) => Promise<DeleteOutcome>,
): Promise<bigint> => {
  if (options === undefined) throw handlerFailed(new Error("The request has no options."));
  const stream = requireStreamName(options.getStreamIdentifier());
  const expectedRevision = expectedRevisionOf(options);
  const outcome = await write(stream, expectedRevision);
  switch (outcome.kind) {
    case "deleted":
      return outcome.position;
    case "wrong-expected-revision":
      throw wrongExpectedRevision(stream, expectedRevision, outcome.actual);
    case "stream-deleted":
      throw streamDeleted(stream);
    case "ambiguous-repeat":
      throw handlerFailed(new Error("A delete has one event only."));
  }
};

export const deleteHandler =
  (log: EventLog) =>
  (call: ServerUnaryCall<streams.DeleteReq, streams.DeleteResp>, callback: sendUnaryData<streams.DeleteResp>): void => {
    remove(call.request.getOptions(), (stream, expectedRevision) => log.delete({ stream, expectedRevision })).then(
      (written) => {
        const position = new streams.DeleteResp.Position();
        position.setCommitPosition(written.toString());
        position.setPreparePosition(written.toString());
        const response = new streams.DeleteResp();
        response.setPosition(position);
        callback(null, response);
      },
      (error: unknown) => callback(toStatusError(error)),
    );
  };

export const tombstoneHandler =
  (log: EventLog) =>
  (
    call: ServerUnaryCall<streams.TombstoneReq, streams.TombstoneResp>,
    callback: sendUnaryData<streams.TombstoneResp>,
  ): void => {
    remove(call.request.getOptions(), (stream, expectedRevision) => log.tombstone({ stream, expectedRevision })).then(
      (written) => {
        const position = new streams.TombstoneResp.Position();
        position.setCommitPosition(written.toString());
        position.setPreparePosition(written.toString());
        const response = new streams.TombstoneResp();
        response.setPosition(position);
        callback(null, response);
      },
      (error: unknown) => callback(toStatusError(error)),
    );
  };
