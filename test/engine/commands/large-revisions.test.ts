/**
 * Revisions and positions beyond 2^53, which no number holds exactly, through the client's own wire format. No store can be
 * filled that far in a test, so a server that answers as one that is takes its place.
 */
import {
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type sendUnaryData,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { handleCommand } from "../../../engine/commands/handle-command.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { account } from "./account.ts";

/** 2^53 + 1 is the first that a number cannot hold; the largest that EventStoreDB knows is 2^63 - 1. */
const last = 2n ** 53n + 1n;
const position = 2n ** 62n + 3n;

let server: Server;
let store: EventStore;
/** The revision that the last append expected, as it was sent. */
let expected: string | undefined;

beforeAll(async () => {
  server = new Server();
  server.addService(streamsGrpc.StreamsService, { read, append });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  store = EventStore.connect(`esdb://127.0.0.1:${port}?tls=false`);
});

afterAll(async () => {
  await store.dispose();
  server.forceShutdown();
});

function read(call: ServerWritableStream<streams.ReadReq, streams.ReadResp>): void {
  const event = new streams.ReadResp.ReadEvent.RecordedEvent();
  const id = new shared.UUID();
  id.setString("5b0e4a1c-2f0f-4d43-9d5c-0d3c3ad1d7a0");
  event.setId(id);
  const stream = new shared.StreamIdentifier();
  stream.setStreamName(Buffer.from("account-1").toString("base64"));
  event.setStreamIdentifier(stream);
  event.setStreamRevision(String(last));
  event.setCommitPosition(String(position));
  event.setPreparePosition(String(position));
  event.getMetadataMap().set("type", "Opened").set("content-type", "application/json").set("created", "0");
  event.setData(Buffer.from(JSON.stringify({ owner: "Ada" })).toString("base64"));
  const resolved = new streams.ReadResp.ReadEvent();
  resolved.setEvent(event);
  const response = new streams.ReadResp();
  response.setEvent(resolved);
  call.write(response);
  call.end();
}

function append(
  call: ServerReadableStream<streams.AppendReq, streams.AppendResp>,
  answer: sendUnaryData<streams.AppendResp>,
): void {
  call.on("data", (request: streams.AppendReq) => {
    expected = request.getOptions()?.getRevision() ?? expected;
  });
  call.on("end", () => {
    const success = new streams.AppendResp.Success();
    success.setCurrentRevision(String(last + 1n));
    const response = new streams.AppendResp();
    response.setSuccess(success);
    answer(null, response);
  });
}

it("are exact where an event is read", async () => {
  expect(await store.lastEvent("account-1")).toMatchObject({
    revision: 9_007_199_254_740_993n,
    position: { commit: 4_611_686_018_427_387_907n, prepare: 4_611_686_018_427_387_907n },
  });
});

it("are exact in what a command expects and in what it is told", async () => {
  const request = { id: "1", command: { type: "Deposit", amounts: [1] }, origin: { correlationId: "c" } } as const;
  expect(await handleCommand(store, account, request)).toStrictEqual({
    outcome: "accepted",
    effect: "changed",
    revision: 9_007_199_254_740_994n,
  });
  expect(expected).toBe("9007199254740993");
});
