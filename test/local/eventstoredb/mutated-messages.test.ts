/** Ten thousand messages that no client would send, to every method of every service: others notice nothing. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, type ServiceDefinition } from "@grpc/grpc-js";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import operationsGrpc from "@eventstore/db-client/generated/operations_grpc_pb.js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import projectionsGrpc from "@eventstore/db-client/generated/projections_grpc_pb.js";
import featuresGrpc from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import usersGrpc from "@eventstore/db-client/generated/users_grpc_pb.js";
import { NO_STREAM, type EventStoreDBClient } from "@eventstore/db-client";
import { expect, test } from "vitest";
import { collect, connect, event, eventOf } from "./event-store-for-test.ts";
import { mutate } from "./message-mutator.ts";
import { newSeed, seededRandom, type Random } from "./seeded-random.ts";
import { startProcess } from "./server-process.ts";

const messagesInAll = 10_000;
const callsAtOnce = 64;
const seed = newSeed();

const identifier = (): shared.StreamIdentifier => {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from("mutated"));
  return message;
};
const uuid = (): shared.UUID => {
  const id = new shared.UUID();
  id.setString("11111111-2222-4333-8444-555555555555");
  return id;
};
const structuredUuid = (): shared.UUID => {
  const structured = new shared.UUID.Structured();
  structured.setMostSignificantBits("1234567890123456789");
  structured.setLeastSignificantBits("-1234567890123456789");
  const id = new shared.UUID();
  id.setStructured(structured);
  return id;
};

interface Message {
  serializeBinary(): Uint8Array;
}

const readOptions = (fill: (options: streams.ReadReq.Options) => void): streams.ReadReq => {
  const options = new streams.ReadReq.Options();
  const uuids = new streams.ReadReq.Options.UUIDOption();
  uuids.setString(new shared.Empty());
  options.setUuidOption(uuids);
  fill(options);
  const request = new streams.ReadReq();
  request.setOptions(options);
  return request;
};
const readStream = readOptions((options) => {
  const of = new streams.ReadReq.Options.StreamOptions();
  of.setStreamIdentifier(identifier());
  of.setRevision("3");
  options.setStream(of);
  options.setCount("5");
  options.setResolveLinks(true);
  options.setNoFilter(new shared.Empty());
});
const followAll = readOptions((options) => {
  const of = new streams.ReadReq.Options.AllOptions();
  const position = new streams.ReadReq.Options.Position();
  position.setCommitPosition("0");
  position.setPreparePosition("0");
  of.setPosition(position);
  options.setAll(of);
  options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions());
  const expression = new streams.ReadReq.Options.FilterOptions.Expression();
  expression.setRegex("^mut");
  expression.addPrefix("mut");
  const filter = new streams.ReadReq.Options.FilterOptions();
  filter.setStreamIdentifier(expression);
  filter.setMax(32);
  filter.setCheckpointintervalmultiplier(1);
  options.setFilter(filter);
});

const appendOptions = new streams.AppendReq();
appendOptions.setOptions(new streams.AppendReq.Options());
appendOptions.getOptions()?.setStreamIdentifier(identifier());
appendOptions.getOptions()?.setAny(new shared.Empty());
const appended = new streams.AppendReq();
appended.setProposedMessage(new streams.AppendReq.ProposedMessage());
appended.getProposedMessage()?.setId(structuredUuid());
appended.getProposedMessage()?.getMetadataMap().set("type", "t").set("content-type", "application/json");
appended.getProposedMessage()?.setData(Buffer.from('{"$maxCount":1,"$tb":3}'));

const batch = new streams.BatchAppendReq();
batch.setCorrelationId(uuid());
batch.setOptions(new streams.BatchAppendReq.Options());
batch.getOptions()?.setStreamIdentifier(identifier());
batch.getOptions()?.setStreamPosition("3");
const proposed = new streams.BatchAppendReq.ProposedMessage();
proposed.setId(uuid());
proposed.getMetadataMap().set("type", "$>").set("content-type", "application/json");
proposed.setData(Buffer.from("1@mutated"));
proposed.setCustomMetadata(Buffer.from("{}"));
batch.addProposedMessages(proposed);
batch.setIsFinal(true);

const remove = new streams.DeleteReq();
remove.setOptions(new streams.DeleteReq.Options());
remove.getOptions()?.setStreamIdentifier(identifier());
remove.getOptions()?.setRevision("4");

const settings = new persistent.CreateReq.Settings();
settings.setReadBatchSize(20);
settings.setHistoryBufferSize(500);
settings.setLiveBufferSize(500);
settings.setMaxCheckpointCount(10);
settings.setMessageTimeoutMs(1000);
const createFor = (fill: (options: persistent.CreateReq.Options) => void): persistent.CreateReq => {
  const options = new persistent.CreateReq.Options();
  options.setGroupName("g");
  options.setSettings(settings);
  fill(options);
  const request = new persistent.CreateReq();
  request.setOptions(options);
  return request;
};
const createOnStream = createFor((options) => options.setStreamIdentifier(identifier()));
const createOnAll = createFor((options) => {
  const all = new persistent.CreateReq.AllOptions();
  all.setStart(new shared.Empty());
  options.setAll(all);
});

const consume = new persistent.ReadReq();
consume.setOptions(new persistent.ReadReq.Options());
consume.getOptions()?.setStreamIdentifier(identifier());
consume.getOptions()?.setGroupName("g");
consume.getOptions()?.setBufferSize(5);
const nack = new persistent.ReadReq();
nack.setNack(new persistent.ReadReq.Nack());
nack.getNack()?.addIds(uuid());
nack.getNack()?.setAction(persistent.ReadReq.Nack.Action.PARK);

const services: readonly ServiceDefinition[] = [
  streamsGrpc.StreamsService,
  persistentGrpc.PersistentSubscriptionsService,
  gossipGrpc.GossipService,
  featuresGrpc.ServerFeaturesService,
  operationsGrpc.OperationsService,
  projectionsGrpc.ProjectionsService,
  usersGrpc.UsersService,
];
const methods = services.flatMap((service) => Object.values(service).map(({ path }) => path));
/** What a call of the method starts with; the others take any of the messages, which to them are as good as noise. */
const validMessages = new Map<string, readonly (readonly Message[])[]>([
  [streamsGrpc.StreamsService.read.path, [[readStream], [followAll]]],
  [streamsGrpc.StreamsService.append.path, [[appendOptions, appended, appended]]],
  [streamsGrpc.StreamsService.batchAppend.path, [[batch], [batch, batch]]],
  [streamsGrpc.StreamsService.delete.path, [[remove]]],
  [streamsGrpc.StreamsService.tombstone.path, [[remove]]],
  [persistentGrpc.PersistentSubscriptionsService.create.path, [[createOnStream], [createOnAll]]],
  [persistentGrpc.PersistentSubscriptionsService.update.path, [[createOnStream], [createOnAll]]],
  [persistentGrpc.PersistentSubscriptionsService.read.path, [[consume, nack]]],
]);
const others: readonly (readonly Message[])[] = [[consume], [remove], [readStream], [createOnAll]];

const asIs = (bytes: Buffer): Buffer => bytes;
/** Sends the messages and waits for the first thing that comes of them. */
const call = (client: Client, path: string, messages: readonly Buffer[]): Promise<void> =>
  new Promise((resolve) => {
    const sent = client.makeBidiStreamRequest(path, asIs, asIs, { deadline: Date.now() + 100 });
    sent
      .on("data", () => sent.cancel())
      .on("error", () => resolve())
      .on("end", () => resolve());
    for (const message of messages) sent.write(message);
    sent.end();
  });

/** Sends one of the messages, or each, as no client would. */
const mutatedCall = async (client: Client, random: Random): Promise<number> => {
  const path = methods[random.between(0, methods.length - 1)] ?? "";
  const candidates = validMessages.get(path) ?? others;
  const messages = candidates[random.between(0, candidates.length - 1)] ?? [];
  const bytes = messages.map((message) => Buffer.from(message.serializeBinary()));
  const chosen = random.next() < 0.5 ? -1 : random.between(0, bytes.length - 1);
  await call(
    client,
    path,
    bytes.map((message, index) => (chosen < 0 || chosen === index ? mutate(message, random) : message)),
  );
  return bytes.length;
};

const stored = async (client: EventStoreDBClient): Promise<string[]> =>
  (await collect(client.readStream("control"))).map((resolved) => eventOf(resolved).id);

test(`mutated messages to every method change nothing for others (TIDEMARK_SEED=${seed})`, async () => {
  const directory = await mkdtemp(join(tmpdir(), "event-store-mutated-"));
  const server = await startProcess(["--port", "0", "--data", directory]);
  const raw = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const client = connect(server);
  const random = seededRandom(seed);
  let sent = 0;
  const mutating = Promise.all(
    Array.from({ length: callsAtOnce }, async () => {
      while (sent < messagesInAll) {
        const messages = await mutatedCall(raw, random);
        sent += messages;
      }
    }),
  );
  const over = new AbortController();
  const finished = mutating.finally(() => over.abort());
  const ids: string[] = [];
  for (let last = -1n; !over.signal.aborted;) {
    const next = event();
    const appended = await client.appendToStream("control", next, { expectedRevision: last < 0n ? NO_STREAM : last });
    last = appended.nextExpectedRevision;
    ids.push(next.id);
    if (ids.length % 50 === 1) expect(await stored(client)).toEqual(ids);
  }
  await finished;
  expect(await stored(client)).toEqual(ids);
  expect((await collect(client.readAll())).length).toBeGreaterThan(ids.length);
  raw.close();
  await client.dispose();
  expect(await server.kill("SIGTERM")).toMatchObject({ code: 0, stderr: "" });

  const again = await startProcess(["--port", "0", "--data", directory]);
  const reader = connect(again);
  expect(await stored(reader)).toEqual(ids);
  await reader.dispose();
  await again.kill("SIGTERM");
  await rm(directory, { recursive: true });
});
