/** Nothing that a client sends may end the process, stall it, or harm what is stored. */
import { credentials } from "@grpc/grpc-js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import {
  eventTypeFilter,
  jsonEvent,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionExistsError,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  StreamDeletedError,
  streamNameFilter,
  WrongExpectedVersionError,
} from "@eventstore/db-client";
import { expect, test } from "vitest";
import { typesIn } from "../../contract/filtered.ts";
import {
  bytesEvent,
  collect,
  event,
  eventOf,
  follow,
  newStream,
  rejection,
  useEventStore,
} from "./event-store-for-test.ts";

const store = useEventStore();

const stillWorks = async (): Promise<void> => {
  const stream = newStream();
  await store.client.appendToStream(stream, event());
  expect(await collect(store.client.readStream(stream))).toHaveLength(1);
};

test("a message larger than the server takes is refused, others go on", async () => {
  const stream = newStream();
  const error = await rejection(store.client.appendToStream(stream, bytesEvent(17 * 1024 * 1024)));
  expect(String(error)).toContain("larger than max");
  await stillWorks();
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

test.each([
  ["repetitions of repetitions", "(a{1000}){1000}", "cannot be used"],
  ["many repetitions", "a{1000}".repeat(1000), "its repetitions make it too large"],
  ["a megabyte", "a".repeat(1_000_000), "it has more than 32768 characters"],
])("an expression of %s is refused in a message that is short, and other calls go on", async (_, regex, told) => {
  const other = follow(store.client.subscribeToStream(newStream()));
  await other.caughtUp();
  const error = String(await follow(store.client.subscribeToAll({ filter: eventTypeFilter({ regex }) })).failed());
  expect(error).toContain(told);
  expect(error.length).toBeLessThan(1000);
  expect(other.errors).toEqual([]);
  await stillWorks();
});

test("a hundred thousand prefixes", async () => {
  const stream = newStream();
  await store.client.appendToStream(stream, event("wanted"));
  const prefixes = [...Array.from({ length: 100_000 }, (_, index) => `prefix-${index}`), stream.slice(0, -3)];
  expect(await typesIn(store.client, { filter: streamNameFilter({ prefixes }) }, stream)).toEqual(["wanted"]);
});

test.each([
  ["100 KB", "n".repeat(100_000)],
  ["20,000 letters of two bytes", "\u00fc".repeat(20_000)],
  ["20,000 letters of four bytes", "\u{1f600}".repeat(20_000)],
  ["NUL in it", "a\0b"],
  ["NUL at its end", "a\0"],
  ["line ends", "a\r\nb"],
])("a stream whose name has %s is a stream like others, and what is refused is refused as ever", async (_, prefix) => {
  const { client } = store;
  const name = prefix.length > 1000 ? `${newStream()}${prefix}` : prefix + newStream() + prefix;
  const other = follow(client.subscribeToStream(newStream()));
  await other.caughtUp();
  const stored = event();
  await client.appendToStream(name, stored);
  const [read] = await collect(client.readStream(name));
  expect([read?.event?.streamId === name, read?.event?.id]).toEqual([true, stored.id]);
  const wrong = { expectedRevision: 7n };
  expect(await rejection(client.appendToStream(name, event(), wrong))).toBeInstanceOf(WrongExpectedVersionError);
  expect(await rejection(client.deleteStream(name, wrong))).toBeInstanceOf(WrongExpectedVersionError);
  const create = () => client.createPersistentSubscriptionToStream(name, "g", streamSettings());
  await create();
  expect(await rejection(create())).toBeInstanceOf(PersistentSubscriptionExistsError);
  expect((await client.getPersistentSubscriptionToStreamInfo(name, "g")).eventSource === name).toBe(true);
  const remove = () => client.deletePersistentSubscriptionToStream(name, "g");
  await remove();
  expect(await rejection(remove())).toBeInstanceOf(PersistentSubscriptionDoesNotExistError);
  await client.tombstoneStream(name);
  expect(await rejection(collect(client.readStream(name)))).toBeInstanceOf(StreamDeletedError);
  // The refusals have closed nothing.
  expect(other.errors).toEqual([]);
  await stillWorks();
});

test.each([
  ["100 KB", "n".repeat(100_000)],
  ["NUL", "a\0b"],
])("a type of %s comes back as it is, and is found by its filter", async (_, type) => {
  const stream = newStream();
  await store.client.appendToStream(stream, jsonEvent({ type, data: {} }));
  const filter = eventTypeFilter({ prefixes: [type.slice(0, 50_000)] });
  const found = await typesIn(store.client, { filter }, stream);
  expect(found.map((each) => each === type)).toEqual([true]);
});

test("half of a surrogate pair, and bytes that are no UTF-8, are replaced as .NET does", async () => {
  const { client } = store;
  const unique = newStream();
  await client.appendToStream(`a\ud800${unique}`, event("half\udc00"));
  const [half] = await collect(client.readStream(`a\ufffd${unique}`));
  expect([half?.event?.streamId, half?.event?.type]).toEqual([`a\ufffd${unique}`, "half\ufffd"]);

  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.concat([Buffer.from(`b${unique}`), Buffer.from([0xff])]));
  const options = new streams.AppendReq.Options();
  options.setStreamIdentifier(identifier);
  options.setAny(new shared.Empty());
  const first = new streams.AppendReq();
  first.setOptions(options);
  const raw = new streamsGrpc.StreamsClient(`127.0.0.1:${store.server.port}`, credentials.createInsecure());
  const proposed = new streams.AppendReq.ProposedMessage();
  const id = new shared.UUID();
  id.setString("22222222-3333-4444-8555-666666666666");
  proposed.setId(id);
  proposed.getMetadataMap().set("type", "t").set("content-type", "application/json");
  const second = new streams.AppendReq();
  second.setProposedMessage(proposed);
  await new Promise<void>((resolve, reject) => {
    const call = raw.append((error) => {
      if (error === null) resolve();
      else reject(error);
    });
    call.write(first);
    call.end(second);
  });
  raw.close();
  const [read] = await collect(client.readStream(`b${unique}\ufffd`));
  expect(eventOf(read ?? {}).id).toBe("22222222-3333-4444-8555-666666666666");
});
