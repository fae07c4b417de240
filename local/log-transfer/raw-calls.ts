/**
 * Reads and appends events as bytes, on the client's connection. The client itself parses JSON, and so brings neither 64-bit
 * numbers nor a text as it was written through unharmed.
 */
import { randomUUID } from "node:crypto";
import type { CallOptions, ClientDuplexStream, ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { convertToCommandError, type EventStoreDBClient } from "@eventstore/db-client";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import protobufEmpty from "google-protobuf/google/protobuf/empty_pb.js";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import type { LogRecord } from "./log-line.ts";

type StreamsClient = InstanceType<typeof streamsGrpc.StreamsClient>;

/** How the client makes a call: discovery, encryption, credentials and reconnection are its own. */
interface Calls {
  GRPCStreamCreator<Call>(
    service: typeof streamsGrpc.StreamsClient,
    name: string,
    create: (service: StreamsClient) => Call,
  ): () => Promise<Call>;
  callArguments(options: object, callOptions: CallOptions): [Metadata, CallOptions];
}

// The client's type declares both protected; there is no other way to its connection.
const callsOf = (client: EventStoreDBClient): Calls => client as unknown as Calls;

const open = <Call>(
  client: EventStoreDBClient,
  name: string,
  create: (service: StreamsClient, metadata: Metadata, options: CallOptions) => Call,
): Promise<Call> => {
  const calls = callsOf(client);
  const [metadata, options] = calls.callArguments({}, { deadline: Infinity });
  return calls.GRPCStreamCreator(streamsGrpc.StreamsClient, name, (service) => create(service, metadata, options))();
};

const failure = (error: unknown): Error =>
  error instanceof Error ? convertToCommandError(error) : new Error(String(error));

const identifier = (stream: string): shared.StreamIdentifier => {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from(stream));
  return message;
};

const ticksPerMillisecond = 10_000n;

const recordOf = (event: streams.ReadResp.ReadEvent.RecordedEvent, position: bigint): LogRecord => {
  const properties = event.getMetadataMap();
  return {
    position,
    stream: Buffer.from(event.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString("utf8"),
    revision: BigInt(event.getStreamRevision()),
    id: event.getId()?.getString() ?? "",
    type: properties.get("type") ?? "",
    contentType:
      properties.get("content-type") === "application/json" ? "application/json" : "application/octet-stream",
    created: new Date(Number(BigInt(properties.get("created") ?? "0") / ticksPerMillisecond)),
    data: event.getData_asU8(),
    metadata: event.getCustomMetadata_asU8(),
  };
};

async function* read(client: EventStoreDBClient, options: streams.ReadReq.Options): AsyncGenerator<LogRecord> {
  const uuids = new streams.ReadReq.Options.UUIDOption();
  uuids.setString(new shared.Empty());
  options.setUuidOption(uuids);
  options.setNoFilter(new shared.Empty());
  const request = new streams.ReadReq();
  request.setOptions(options);
  const call: ClientReadableStream<streams.ReadResp> = await open(client, "read", (service, metadata, callOptions) =>
    service.read(request, metadata, callOptions),
  );
  try {
    for await (const response of call as AsyncIterable<streams.ReadResp>) {
      const event = response.getEvent()?.getEvent();
      const position = response.getEvent()?.getCommitPosition();
      if (event !== undefined && position !== undefined) yield recordOf(event, BigInt(position));
    }
  } catch (error) {
    throw failure(error);
  } finally {
    call.cancel();
  }
}

/** The events of `$all` from a position on, which is inclusive; from the start without one. */
export const readLog = (client: EventStoreDBClient, from: bigint | undefined): AsyncGenerator<LogRecord> => {
  const options = new streams.ReadReq.Options();
  const all = new streams.ReadReq.Options.AllOptions();
  if (from === undefined) all.setStart(new shared.Empty());
  else {
    const position = new streams.ReadReq.Options.Position();
    position.setCommitPosition(from.toString());
    position.setPreparePosition(from.toString());
    all.setPosition(position);
  }
  options.setAll(all);
  options.setCount(Number.MAX_SAFE_INTEGER.toString());
  return read(client, options);
};

/** The events of `$all` from the last one back. */
export const readLogBackwards = (client: EventStoreDBClient): AsyncGenerator<LogRecord> => {
  const options = new streams.ReadReq.Options();
  const all = new streams.ReadReq.Options.AllOptions();
  all.setEnd(new shared.Empty());
  options.setAll(all);
  options.setReadDirection(streams.ReadReq.Options.ReadDirection.BACKWARDS);
  options.setCount(Number.MAX_SAFE_INTEGER.toString());
  return read(client, options);
};

/** One event; undefined where the stream does not show it. */
export const readEvent = async (
  client: EventStoreDBClient,
  stream: string,
  revision: bigint,
): Promise<LogRecord | undefined> => {
  const options = new streams.ReadReq.Options();
  const from = new streams.ReadReq.Options.StreamOptions();
  from.setStreamIdentifier(identifier(stream));
  from.setRevision(revision.toString());
  options.setStream(from);
  options.setCount("1");
  for await (const record of read(client, options)) return record.revision === revision ? record : undefined;
  return undefined;
};

export type AppendOutcome =
  /** Also where the events were there before; the position is absent where they are hidden by now. */
  | { readonly kind: "appended"; readonly position: bigint | undefined }
  | { readonly kind: "wrong-expected-revision"; /** -1 without a stream. */ readonly actual: bigint }
  | { readonly kind: "stream-deleted" };

interface Waiting {
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** How long the server may take to answer an append. */
const appendDeadlineMs = 30_000;

/** Appends over one call, in which the server answers and writes in the order of asking. */
export class Appender {
  readonly #call: ClientDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>;
  readonly #waiting = new Map<string, Waiting>();

  private constructor(call: ClientDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>) {
    this.#call = call;
    call.on("data", (response: streams.BatchAppendResp) => this.#answered(response));
    call.on("error", (error) => this.#failed(failure(error)));
    call.on("end", () => this.#failed(new Error("The server ended the call.")));
  }

  static async open(client: EventStoreDBClient): Promise<Appender> {
    return new Appender(
      await open(client, "append", (service, metadata, options) => service.batchAppend(metadata, options)),
    );
  }

  /** @param expectedRevision -1 expects no stream */
  append(stream: string, expectedRevision: bigint, records: readonly LogRecord[]): Promise<AppendOutcome> {
    const correlationId = randomUUID();
    const answered = new Promise<AppendOutcome>((resolve, reject) => {
      this.#waiting.set(correlationId, { resolve, reject });
    });
    this.#call.write(request(correlationId, stream, expectedRevision, records));
    return answered;
  }

  close(): void {
    this.#call.end();
  }

  #answered(response: streams.BatchAppendResp): void {
    const correlationId = response.getCorrelationId()?.getString() ?? "";
    const waiting = this.#waiting.get(correlationId);
    this.#waiting.delete(correlationId);
    try {
      waiting?.resolve(outcomeOf(response));
    } catch (error) {
      waiting?.reject(failure(error));
    }
  }

  #failed(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const uuid = (id: string): shared.UUID => {
  const message = new shared.UUID();
  message.setString(id);
  return message;
};

const request = (
  correlationId: string,
  stream: string,
  expectedRevision: bigint,
  records: readonly LogRecord[],
): streams.BatchAppendReq => {
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(identifier(stream));
  if (expectedRevision < 0n) options.setNoStream(new protobufEmpty.Empty());
  else options.setStreamPosition(expectedRevision.toString());
  options.setDeadline(timestamps.Timestamp.fromDate(new Date(Date.now() + appendDeadlineMs)));
  const message = new streams.BatchAppendReq();
  message.setCorrelationId(uuid(correlationId));
  message.setOptions(options);
  message.setIsFinal(true);
  message.setProposedMessagesList(
    records.map((record) => {
      const proposed = new streams.BatchAppendReq.ProposedMessage();
      proposed.setId(uuid(record.id));
      proposed.getMetadataMap().set("type", record.type).set("content-type", record.contentType);
      proposed.setData(record.data);
      proposed.setCustomMetadata(record.metadata);
      return proposed;
    }),
  );
  return message;
};

/** @throws Error with what the server says, for a refusal that is none of the outcomes */
const outcomeOf = (response: streams.BatchAppendResp): AppendOutcome => {
  const success = response.getSuccess();
  if (success !== undefined) {
    const position = success.getPosition()?.getCommitPosition();
    return { kind: "appended", position: position === undefined ? undefined : BigInt(position) };
  }
  const error = response.getError();
  const details = error?.getDetails();
  const name = details?.getTypeName() ?? "";
  if (details !== undefined && name === "event_store.client.WrongExpectedVersion") {
    const wrong = shared.WrongExpectedVersion.deserializeBinary(details.getValue_asU8());
    return {
      kind: "wrong-expected-revision",
      actual: wrong.hasCurrentStreamRevision() ? BigInt(wrong.getCurrentStreamRevision()) : -1n,
    };
  }
  if (name === "event_store.client.StreamDeleted") return { kind: "stream-deleted" };
  throw new Error(`The server refused an append: ${name.split(".").at(-1) ?? ""} ${error?.getMessage() ?? ""}`.trim());
};
