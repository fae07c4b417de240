/** `Streams/Read`: reads of a stream or of `$all`, and catch-up subscriptions to either. */
import { randomUUID } from "node:crypto";
import type { ServerWritableStream } from "@grpc/grpc-js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import {
  subscribeToAll,
  subscribeToAllFiltered,
  subscribeToStream,
  type SubscriptionItem,
} from "../catch-up-subscriptions/subscription.ts";
import { tombstoneRevision, type StoredEvent } from "../log/event.ts";
import { UnsupportedRegexError, type EventFilter } from "../log/event-filter.ts";
import type { EventLog } from "../log/event-log.ts";
import type { StreamPage } from "../log/stream-reader.ts";
import { outgoing, type Outgoing } from "./outgoing.ts";
import {
  caughtUpResponse,
  checkpointResponse,
  confirmationResponse,
  eventResponse,
  streamNotFoundResponse,
  type UuidFormat,
} from "./read-responses.ts";
import {
  handlerFailed,
  invalidArgument,
  invalidPosition,
  streamDeleted,
  toStatusError,
  unexpectedReadResult,
} from "./status-errors.ts";
import { signed } from "./revisions.ts";
import { requireStreamName } from "./stream-name.ts";

type Options = streams.ReadReq.Options;
const { StreamOptionCase, CountOptionCase, ReadDirection, FilterOptions } = streams.ReadReq.Options;
const { RevisionOptionCase } = streams.ReadReq.Options.StreamOptions;
const { AllOptionCase } = streams.ReadReq.Options.AllOptions;

const pageEvents = 256;
const scannedRecords = 2048;
const defaultSearchWindow = 32;

interface Reading {
  readonly log: EventLog;
  readonly options: Options;
  readonly out: Outgoing<Buffer>;
  readonly resolveLinks: boolean;
  readonly uuids: UuidFormat;
}

export const readHandler =
  (log: EventLog) =>
  (call: ServerWritableStream<streams.ReadReq, Buffer>): void => {
    const out = outgoing<Buffer>(call);
    read(log, call.request.getOptions(), out).catch((error: unknown) => out.fail(toStatusError(error)));
  };

const read = async (log: EventLog, options: Options | undefined, out: Outgoing<Buffer>): Promise<void> => {
  if (options === undefined) throw handlerFailed(new Error("The request has no options."));
  const reading: Reading = {
    log,
    options,
    out,
    resolveLinks: options.getResolveLinks(),
    uuids: options.getUuidOption()?.hasStructured() === true ? "structured" : "text",
  };
  const isSubscription = options.getCountOptionCase() === CountOptionCase.SUBSCRIPTION;
  switch (options.getStreamOptionCase()) {
    case StreamOptionCase.STREAM:
      await (isSubscription ? followStream(reading) : readStream(reading));
      break;
    case StreamOptionCase.ALL:
      await (isSubscription ? followAll(reading) : readAll(reading));
      break;
    default:
      throw handlerFailed(new Error("The request names neither a stream nor $all."));
  }
  out.end();
};

const sendEvent = (reading: Reading, event: StoredEvent): Promise<void> | undefined =>
  reading.out.send(eventResponse(reading.log.resolve(event, reading.resolveLinks), reading.uuids));

const isForwards = (options: Options): boolean => options.getReadDirection() === ReadDirection.FORWARDS;

/**
 * Where a read of a stream starts, or after which revision a subscription does: `start` is that of the whole stream.
 * @throws StatusError
 */
const startRevision = (options: Options, start: bigint): bigint | "end" => {
  const stream = options.getStream();
  switch (stream?.getRevisionOptionCase()) {
    case RevisionOptionCase.REVISION: {
      const revision = signed(stream.getRevision());
      return revision < 0n ? "end" : revision;
    }
    case RevisionOptionCase.START:
      return start;
    case RevisionOptionCase.END:
      return "end";
    default:
      throw handlerFailed(new Error("The request names no revision."));
  }
};

const readStream = async (reading: Reading): Promise<void> => {
  const { log, options, out } = reading;
  const stream = requireStreamName(options.getStream()?.getStreamIdentifier());
  const start = startRevision(options, 0n);
  let remaining = BigInt(options.getCount());
  const forwards = isForwards(options);
  if (remaining === 0n || (forwards && start === "end")) throw unexpectedReadResult("ReadStreamResult");
  let next: bigint | undefined = start === "end" ? tombstoneRevision : start;
  while (next !== undefined && remaining > 0n && !out.signal.aborted) {
    const limit = remaining < pageEvents ? Number(remaining) : pageEvents;
    const page: StreamPage = forwards
      ? log.streams.forwards(stream, next, limit)
      : log.streams.backwards(stream, next, limit);
    if (page.kind === "stream-deleted") throw streamDeleted(stream);
    if (page.kind === "not-found") {
      await out.send(streamNotFoundResponse(stream));
      return;
    }
    for (const event of page.events) await sendEvent(reading, event);
    remaining -= BigInt(page.events.length);
    next = page.next;
  }
};

interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

/**
 * Where a read of `$all` or a subscription to it starts.
 * @throws StatusError where that could not be a position in any log
 */
const requestedPosition = (options: Options): LogPosition | "start" | "end" => {
  const all = options.getAll();
  switch (all?.getAllOptionCase()) {
    case AllOptionCase.START:
      return "start";
    case AllOptionCase.END:
      return "end";
    case AllOptionCase.POSITION: {
      const commit = BigInt(all.getPosition()?.getCommitPosition() ?? "0");
      const prepare = BigInt(all.getPosition()?.getPreparePosition() ?? "0");
      if (prepare > commit) throw handlerFailed(new RangeError("The prepare position is after the commit position."));
      const position = { commit: signed(commit.toString()), prepare: signed(prepare.toString()) };
      return position.commit < 0n ? "end" : position;
    }
    default:
      throw handlerFailed(new Error("The request names no position."));
  }
};

/** Undefined where no record starts. Beyond the end nothing does, and nothing is there to be read wrongly. */
const existing = (log: EventLog, position: LogPosition): LogPosition | undefined =>
  position.commit > log.all.lastPosition() || log.all.isRecordStart(position.commit) ? position : undefined;

/**
 * The position after which a forwards read of `$all` starts, or before which a backwards read does. Positions are pairs:
 * one whose prepare position lies before its commit position comes before the record there, and after the one before.
 * @throws StatusError
 */
const readFrom = (log: EventLog, requested: LogPosition | "start" | "end", forwards: boolean): bigint => {
  const { all } = log;
  if (requested === "start") return forwards ? -1n : 0n;
  if (requested === "end") return forwards ? all.lastPosition() : all.end();
  const { commit, prepare } = requested;
  if (forwards) {
    if (existing(log, requested) === undefined) throw invalidPosition();
    return commit - 1n;
  }
  if (commit > all.lastPosition()) {
    const end = all.end();
    if (commit > end) throw unexpectedReadResult("ReadAllResult");
    if (commit < end) throw invalidPosition();
  } else if (!all.isRecordStart(commit)) throw invalidPosition();
  return prepare < commit ? all.before(commit) : commit;
};

/** The position after which a subscription starts; undefined where no record starts. */
const followFrom = (log: EventLog, requested: LogPosition | "start" | "end"): bigint | undefined => {
  if (requested === "start") return -1n;
  if (requested === "end") return log.all.lastPosition();
  const position = existing(log, requested);
  if (position === undefined) return undefined;
  return position.prepare < position.commit ? position.commit - 1n : position.commit;
};

const filterOf = ({ log, options }: Reading): EventFilter | undefined => {
  const filter = options.getFilter();
  if (filter === undefined) return undefined;
  const expression = filter.getStreamIdentifier() ?? filter.getEventType();
  if (expression === undefined) throw invalidArgument("The filter has neither a stream nor an event type expression.");
  try {
    return log.filter({
      on: filter.getFilterCase() === FilterOptions.FilterCase.STREAM_IDENTIFIER ? "stream" : "event-type",
      regex: expression.getRegex(),
      prefixes: expression.getPrefixList(),
    });
  } catch (error) {
    if (error instanceof UnsupportedRegexError) throw invalidArgument(error.message, error);
    throw error;
  }
};

const readAll = async (reading: Reading): Promise<void> => {
  const { log, options, out } = reading;
  const forwards = isForwards(options);
  const filter = filterOf(reading);
  let position = readFrom(log, requestedPosition(options), forwards);
  let remaining = BigInt(options.getCount());
  while (remaining > 0n && !out.signal.aborted) {
    const limit = remaining < pageEvents ? Number(remaining) : pageEvents;
    if (filter === undefined) {
      const page = forwards ? log.all.forwards(position, limit) : log.all.backwards(position, limit);
      if (page.last === undefined) return;
      position = page.last;
      for (const event of page.events) await sendEvent(reading, event);
      remaining -= BigInt(page.events.length);
      continue;
    }
    const { records, last } = forwards
      ? log.all.scanForwards(position, scannedRecords, filter, limit)
      : log.all.scanBackwards(position, scannedRecords, filter, limit);
    if (last === undefined) return;
    position = last;
    for (const record of records) {
      const event = record.matches ? log.all.event(record.position) : undefined;
      if (event === undefined) continue;
      await sendEvent(reading, event);
      remaining -= 1n;
    }
    await turnOfOthers();
  }
};

/** A scan that matches little never waits for its client: without a pause no other call is served until its end. */
const turnOfOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const followStream = async (reading: Reading): Promise<void> => {
  const { log, options, out } = reading;
  const stream = requireStreamName(options.getStream()?.getStreamIdentifier());
  const start = startRevision(options, -1n);
  const last = log.lastRevision(stream);
  if (last === tombstoneRevision) throw streamDeleted(stream);
  const after = start === "end" ? last : start;
  await out.send(confirmationResponse(randomUUID()));
  await forward(reading, stream, subscribeToStream(log, stream, after, out.signal));
};

const followAll = async (reading: Reading): Promise<void> => {
  const { log, options, out } = reading;
  const filter = filterOf(reading);
  const after = followFrom(log, requestedPosition(options));
  const definition = options.getFilter();
  const multiplier = definition?.getCheckpointintervalmultiplier() ?? 1;
  if (filter !== undefined && multiplier === 0) {
    throw invalidArgument("The checkpoint interval multiplier must be greater than 0.");
  }
  await out.send(confirmationResponse(randomUUID()));
  if (after === undefined) throw invalidPosition();
  if (filter === undefined || definition === undefined) {
    await forward(reading, "$all", subscribeToAll(log, after, out.signal));
    return;
  }
  const window =
    definition.getWindowCase() === FilterOptions.WindowCase.MAX ? definition.getMax() : defaultSearchWindow;
  const interval = { window, length: window * multiplier };
  await forward(reading, "$all", subscribeToAllFiltered(log, after, filter, interval, out.signal));
};

const forward = async (
  reading: Reading,
  stream: string,
  subscription: AsyncIterable<readonly SubscriptionItem[]>,
): Promise<void> => {
  const { out } = reading;
  for await (const items of subscription) {
    for (const item of items) {
      switch (item.kind) {
        case "event":
          await sendEvent(reading, item.event);
          break;
        case "caught-up":
          await out.send(caughtUpResponse);
          break;
        case "checkpoint":
          await out.send(checkpointResponse(item.position));
          break;
        case "stream-deleted":
          throw streamDeleted(stream);
      }
      if (out.signal.aborted) return;
    }
  }
};
