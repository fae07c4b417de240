/** Clients that ask for much and take nothing: what comes for them fills the buffers between here and the server. */
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";

const framed = (message: { serializeBinary(): Uint8Array }): Buffer => {
  const bytes = message.serializeBinary();
  const header = Buffer.alloc(5);
  header.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([header, bytes]);
};

/** Resolves when the server has answered; nothing more is read after its headers. */
const call = async (port: number, path: string, message: Buffer, ends: boolean): Promise<ClientHttp2Session> => {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  stream.pause();
  if (ends) stream.end(message);
  else stream.write(message);
  await once(stream, "response");
  return session;
};

const identifier = (name: string): shared.StreamIdentifier => {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from(name));
  return message;
};

/** A subscription to a stream from its start, or a read of it. */
export const connectNeverReading = (
  port: number,
  stream: string,
  kind: "subscription" | "read" = "subscription",
): Promise<ClientHttp2Session> => {
  const streamOptions = new streams.ReadReq.Options.StreamOptions();
  streamOptions.setStreamIdentifier(identifier(stream));
  streamOptions.setStart(new shared.Empty());
  const options = new streams.ReadReq.Options();
  options.setStream(streamOptions);
  if (kind === "read") options.setCount("1000000");
  else options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions());
  options.setNoFilter(new shared.Empty());
  const request = new streams.ReadReq();
  request.setOptions(options);
  return call(port, streamsGrpc.StreamsService.read.path, framed(request), true);
};

/** A consumer of the group "g" of a stream. */
export const consumeNeverReading = (port: number, stream: string, bufferSize: number): Promise<ClientHttp2Session> => {
  const options = new persistent.ReadReq.Options();
  options.setStreamIdentifier(identifier(stream));
  options.setGroupName("g");
  options.setBufferSize(bufferSize);
  const request = new persistent.ReadReq();
  request.setOptions(options);
  return call(port, persistentGrpc.PersistentSubscriptionsService.read.path, framed(request), false);
};
