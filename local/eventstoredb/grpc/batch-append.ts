/**
 * `Streams/BatchAppend`: many appends share one stream, each in one or more chunks under a correlation id. Exactly one
 * response per append: a second one, or one for an unknown id, would crash the client's process.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import type { ProposedEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import { isInvalidStreamName } from "../log/system-streams.ts";
import type { Limits } from "../limits.ts";
import { answer, refused, type Addressee, type Refusal } from "./batch-append-responses.ts";
import { appendSize, proposedEvent } from "./proposed-events.ts";
import { expectedNumber } from "./revisions.ts";
import { toStatusError } from "./status-errors.ts";
import { streamNameOf } from "./stream-name.ts";
import { parseUuid } from "./uuid.ts";

type Request = streams.BatchAppendReq;
type Response = streams.BatchAppendResp;
type Call = ServerDuplexStream<Request, Response>;
const { ExpectedStreamPositionCase } = streams.BatchAppendReq.Options;

interface PendingAppend extends Addressee {
  readonly expectedRevision: ExpectedRevision;
  readonly timer: NodeJS.Timeout | undefined;
  readonly events: ProposedEvent[];
  size: number;
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
    const write = (append: PendingAppend): void => {
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
    /** Forgets an append; what still comes under its id is ignored. */
    const close = (key: string, append: PendingAppend): void => {
      clearTimeout(append.timer);
      pending.delete(key);
    };
    const open = (key: string, request: Request, options: streams.BatchAppendReq.Options): void => {
      const addressee: Addressee = {
        correlationId: request.getCorrelationId() ?? new shared.UUID(),
        stream: streamNameOf(options.getStreamIdentifier()),
      };
      const refuse = (refusal: Refusal): void => reply(refused(addressee, refusal, limits));
      if (isInvalidStreamName(addressee.stream)) {
        refuse({ kind: "bad-request", reason: "The stream has no name." });
        return;
      }
      const remaining = remainingTime(options, limits.writeTimeout);
      if (remaining <= 0) {
        refuse({ kind: "timeout" });
        return;
      }
      const expectedRevision = expectedRevisionOf(options);
      if (expectedRevision === undefined) {
        refuse({ kind: "bad-request", reason: "The request does not say which revision it expects." });
        return;
      }
      const timedOut = (): void => {
        if (pending.get(key) !== append) return;
        pending.delete(key);
        reply(refused(append, { kind: "timeout" }, limits));
      };
      const timer = request.getIsFinal() ? undefined : setTimeout(timedOut, remaining);
      const append: PendingAppend = { ...addressee, expectedRevision, timer, events: [], size: 0 };
      pending.set(key, append);
    };
    call.on("data", (request: Request) => {
      const key = parseUuid(request.getCorrelationId());
      if (key === undefined) return;
      const options = request.getOptions();
      if (options !== undefined && !pending.has(key)) open(key, request, options);
      const append = pending.get(key);
      if (append === undefined) return;
      const refusal = collect(append, request, limits);
      if (refusal !== undefined) {
        close(key, append);
        reply(refused(append, refusal, limits));
      } else if (request.getIsFinal()) {
        close(key, append);
        write(append);
      }
    });
    call.on("end", () => {
      abandon();
      clientHasEnded = true;
      endWhenAnswered();
    });
    call.on("cancelled", abandon);
    call.on("error", abandon);
  };

/** What makes an append fail is told at once: it may be long until its last chunk comes. */
const collect = (append: PendingAppend, request: Request, limits: Limits): Refusal | undefined => {
  for (const message of request.getProposedMessagesList()) {
    const proposed = proposedEvent(message);
    if (proposed.kind !== "event") {
      const reason = proposed.kind === "invalid" ? proposed.reason : `The property '${proposed.property}' is missing.`;
      return { kind: "bad-request", reason };
    }
    append.events.push(proposed.event);
    append.size += appendSize(proposed.event);
  }
  return append.size > limits.maximumAppendSize ? { kind: "maximum-append-size-exceeded" } : undefined;
};

/** Milliseconds until the append times out: at its own deadline, and no later than the server's write time-out. */
const remainingTime = (options: streams.BatchAppendReq.Options, writeTimeout: number): number => {
  const deadline = options.getDeadline();
  if (deadline === undefined) return writeTimeout;
  return Math.min(deadline.getSeconds() * 1000 + deadline.getNanos() / 1e6 - Date.now(), writeTimeout);
};

const expectedRevisionOf = (options: streams.BatchAppendReq.Options): ExpectedRevision | undefined => {
  switch (options.getExpectedStreamPositionCase()) {
    case ExpectedStreamPositionCase.STREAM_POSITION:
      try {
        return expectedNumber(options.getStreamPosition());
      } catch {
        return undefined;
      }
    case ExpectedStreamPositionCase.NO_STREAM:
      return "no-stream";
    case ExpectedStreamPositionCase.STREAM_EXISTS:
      return "stream-exists";
    case ExpectedStreamPositionCase.ANY:
      return "any";
    default:
      return undefined;
  }
};
