/** Nothing that a client sends may end the process, stall it, or harm what is stored. */
import { connect as connectSocket } from "node:net";
import { randomBytes } from "node:crypto";
import { Client, credentials } from "@grpc/grpc-js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import { eventTypeFilter, streamNameFilter } from "@eventstore/db-client";
import { typesIn } from "../../contract/filtered.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  bytesEvent,
  collect,
  event,
  events,
  follow,
  newStream,
  rejection,
  sleep,
  useEventStore,
} from "./event-store-for-test.ts";

const store = useEventStore();
let raw: Client;
beforeAll(() => {
  raw = new Client(`127.0.0.1:${store.server.port}`, credentials.createInsecure());
});
afterAll(() => raw.close());

const stillWorks = async (): Promise<void> => {
  const stream = newStream();
  await store.client.appendToStream(stream, event());
  expect(await collect(store.client.readStream(stream))).toHaveLength(1);
};

const asIs = (bytes: Buffer): Buffer => bytes;
/** Sends raw bytes as the message of any method, and waits for whatever comes of it. */
const sendBytes = (path: string, messages: readonly Buffer[]): Promise<void> =>
  new Promise((resolve) => {
    const call = raw.makeBidiStreamRequest(path, asIs, asIs, { deadline: Date.now() + 150 });
    call
      .on("data", () => undefined)
      .on("error", () => resolve())
      .on("end", () => resolve());
    for (const message of messages) call.write(message);
    call.end();
  });

/** A generator with a seed, so that a failure can be repeated. */
const random = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const mutate = (bytes: Uint8Array, next: () => number): Buffer => {
  const mutated = Buffer.from(bytes);
  const changes = 1 + Math.floor(next() * 4);
  for (let change = 0; change < changes && mutated.length > 0; change += 1) {
    mutated[Math.floor(next() * mutated.length)] = Math.floor(next() * 256);
  }
  return next() < 0.3 ? mutated.subarray(0, Math.floor(next() * mutated.length)) : mutated;
};

const identifier = (): shared.StreamIdentifier => {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from("mutated"));
  return message;
};
const valid = (): readonly (readonly [string, Uint8Array])[] => {
  const read = new streams.ReadReq();
  const readOptions = new streams.ReadReq.Options();
  const streamOptions = new streams.ReadReq.Options.StreamOptions();
  streamOptions.setStreamIdentifier(identifier());
  streamOptions.setRevision("3");
  readOptions.setStream(streamOptions);
  readOptions.setCount("5");
  read.setOptions(readOptions);

  const batch = new streams.BatchAppendReq();
  const id = new shared.UUID();
  id.setString("11111111-2222-4333-8444-555555555555");
  batch.setCorrelationId(id);
  const batchOptions = new streams.BatchAppendReq.Options();
  batchOptions.setStreamIdentifier(identifier());
  batch.setOptions(batchOptions);
  const proposed = new streams.BatchAppendReq.ProposedMessage();
  proposed.setId(id);
  proposed.getMetadataMap().set("type", "t").set("content-type", "application/json");
  proposed.setData(Buffer.from('{"a":1}'));
  batch.addProposedMessages(proposed);
  batch.setIsFinal(true);

  const remove = new streams.DeleteReq();
  const deleteOptions = new streams.DeleteReq.Options();
  deleteOptions.setStreamIdentifier(identifier());
  deleteOptions.setRevision("4");
  remove.setOptions(deleteOptions);

  const create = new persistent.CreateReq();
  const createOptions = new persistent.CreateReq.Options();
  createOptions.setGroupName("g");
  createOptions.setAll(new persistent.CreateReq.AllOptions());
  const settings = new persistent.CreateReq.Settings();
  settings.setReadBatchSize(20);
  settings.setHistoryBufferSize(500);
  createOptions.setSettings(settings);
  create.setOptions(createOptions);

  const consume = new persistent.ReadReq();
  const consumeOptions = new persistent.ReadReq.Options();
  consumeOptions.setAll(new shared.Empty());
  consumeOptions.setGroupName("g");
  consumeOptions.setBufferSize(5);
  consume.setOptions(consumeOptions);

  const { StreamsService } = streamsGrpc;
  const { PersistentSubscriptionsService } = persistentGrpc;
  return [
    [StreamsService.read.path, read.serializeBinary()],
    [StreamsService.append.path, batch.serializeBinary()],
    [StreamsService.batchAppend.path, batch.serializeBinary()],
    [StreamsService.delete.path, remove.serializeBinary()],
    [StreamsService.tombstone.path, remove.serializeBinary()],
    [PersistentSubscriptionsService.create.path, create.serializeBinary()],
    [PersistentSubscriptionsService.update.path, create.serializeBinary()],
    [PersistentSubscriptionsService.read.path, consume.serializeBinary()],
    [PersistentSubscriptionsService.getInfo.path, consume.serializeBinary()],
    [PersistentSubscriptionsService.list.path, consume.serializeBinary()],
    [PersistentSubscriptionsService.replayParked.path, consume.serializeBinary()],
  ];
};

test("mutated messages to every method", async () => {
  const next = random(20260601);
  const messages = valid();
  for (let round = 0; round < 60; round += 1) {
    await Promise.all(
      messages.map(([path, bytes]) =>
        sendBytes(
          path,
          Array.from({ length: 4 }, () => mutate(bytes, next)),
        ),
      ),
    );
  }
  await stillWorks();
});

test("random bytes instead of messages", async () => {
  for (const [path] of valid()) await sendBytes(path, [randomBytes(1), randomBytes(50), Buffer.alloc(0)]);
  await stillWorks();
});

test("garbage, HTTP/1.1 and half-open connections on the port", async () => {
  const sockets = [
    randomBytes(1000),
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.alloc(0),
  ].map((bytes) => {
    const socket = connectSocket(store.server.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(bytes);
    return socket;
  });
  await sleep(100);
  await stillWorks();
  for (const socket of sockets) socket.destroy();
  await stillWorks();
});

test("a message larger than the server takes is refused, others go on", async () => {
  const stream = newStream();
  const error = await rejection(store.client.appendToStream(stream, bytesEvent(17 * 1024 * 1024)));
  expect(String(error)).toContain("larger than max");
  await stillWorks();
});

test("a thousand idle subscriptions do not slow an append down to a crawl", async () => {
  const subscriptions = Array.from({ length: 1000 }, () => follow(store.client.subscribeToStream(newStream())));
  await Promise.all(subscriptions.map((subscription) => subscription.caughtUp()));
  await store.client.appendToStream(newStream(), events(10));
  expect(subscriptions.flatMap(({ errors }) => errors)).toEqual([]);
  await Promise.all(subscriptions.map((subscription) => subscription.stop()));
  await stillWorks();
});

test("a consumer that never reads does not hold up the others, and costs the server a page", async () => {
  const stream = newStream();
  for (let batch = 0; batch < 40; batch += 1) {
    await store.client.appendToStream(
      stream,
      Array.from({ length: 5 }, () => bytesEvent(200_000)),
    );
  }
  const before = process.memoryUsage().rss;
  const idle = Array.from({ length: 10 }, () => {
    const subscription = store.client.subscribeToStream(stream, {}, { highWaterMark: 1 });
    subscription.on("error", () => undefined);
    return subscription;
  });
  await sleep(500);
  const read = await collect(store.client.readStream(stream));
  expect(read).toHaveLength(200);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
  await Promise.all(idle.map((subscription) => subscription.unsubscribe()));
});

test("an expression that takes a backtracking engine for ever is answered at once", async () => {
  const stream = newStream("a".repeat(60));
  await store.client.appendToStream(stream, event());
  expect(await typesIn(store.client, { filter: streamNameFilter({ regex: "^(a+)+$" }) }, stream)).toEqual([]);
});

test.each([
  ["(?=a)b", "look-ahead"],
  ["(?<!a)b", "look-behind"],
  ["(a)\\1", "back-reference"],
  ["(?>a)", "atomic group"],
  ["(", "a ( too many"],
])("%s is refused by name", async (regex, named) => {
  const error = await new Promise((resolve) => {
    store.client
      .subscribeToAll({ filter: eventTypeFilter({ regex }) })
      .on("error", resolve)
      .on("data", () => undefined);
  });
  expect(String(error)).toContain(regex);
  expect(String(error)).toContain(named);
});
