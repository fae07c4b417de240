/** What the client does not send or show, but other clients of the protocol do: seen through raw gRPC. */
import { randomUUID } from "node:crypto";
import type { ServiceError } from "@grpc/grpc-js";
import { EventStoreDBClient, START, streamNameFilter } from "@eventstore/db-client";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import gossip from "@eventstore/db-client/generated/gossip_pb.js";
import featuresGrpc from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import timestamp from "google-protobuf/google/protobuf/timestamp_pb.js";
import { beforeAll, describe, expect, test } from "vitest";
import {
  collect,
  event,
  events,
  eventually,
  newStream,
  rejection,
  sleep,
} from "../local/eventstoredb/event-store-for-test.ts";
import { groupsOn } from "./consumer-groups.ts";
import { consume } from "./consumer.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();
const groups = groupsOn(store);
const leader = gossip.MemberInfo.VNodeState.LEADER;
let raw: InstanceType<typeof streamsGrpc.StreamsClient>;
beforeAll(() => {
  raw = store.raw(streamsGrpc.StreamsClient);
});

const identifier = (stream: string): shared.StreamIdentifier => {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from(stream));
  return message;
};
const uuid = (text: string): shared.UUID => {
  const message = new shared.UUID();
  message.setString(text);
  return message;
};
const readRequest = (
  stream: string,
  fill: (options: streams.ReadReq.Options) => void = () => undefined,
): streams.ReadReq => {
  const options = new streams.ReadReq.Options();
  const streamOptions = new streams.ReadReq.Options.StreamOptions();
  streamOptions.setStreamIdentifier(identifier(stream));
  streamOptions.setStart(new shared.Empty());
  options.setStream(streamOptions);
  options.setCount("10");
  options.setNoFilter(new shared.Empty());
  fill(options);
  const request = new streams.ReadReq();
  request.setOptions(options);
  return request;
};
const responses = (request: streams.ReadReq, metadata = store.metadata): Promise<streams.ReadResp[]> =>
  new Promise((resolve, reject) => {
    const found: streams.ReadResp[] = [];
    raw
      .read(request, metadata)
      .on("data", (response: streams.ReadResp) => found.push(response))
      .on("end", () => resolve(found))
      .on("error", reject);
  });

describe("reads", () => {
  test("ids come structured where that is asked for, and are the same ids", async () => {
    const stream = newStream();
    const id = "12345678-9abc-4def-8123-456789abcdef";
    await store.client.appendToStream(stream, event("t", {}, id));
    const [structured] = await responses(
      readRequest(stream, (options) => {
        const option = new streams.ReadReq.Options.UUIDOption();
        option.setStructured(new shared.Empty());
        options.setUuidOption(option);
      }),
    );
    const record = structured?.getEvent()?.getEvent();
    expect(record?.getId()?.getStructured()?.toObject()).toEqual({
      mostSignificantBits: BigInt.asIntN(64, 0x123456789abc4defn).toString(),
      leastSignificantBits: BigInt.asIntN(64, 0x8123456789abcdefn).toString(),
    });
    expect(record?.getMetadataMap().get("type")).toBe("t");
  });

  test("a record carries type, content type and the time in ticks since 1970", async () => {
    const stream = newStream();
    const before = BigInt(Date.now());
    await store.client.appendToStream(stream, event("t"));
    const [response] = await responses(readRequest(stream));
    const properties = response?.getEvent()?.getEvent()?.getMetadataMap();
    expect([properties?.get("type"), properties?.get("content-type")]).toEqual(["t", "application/json"]);
    const ticks = BigInt(properties?.get("created") ?? "0");
    expect(ticks / 10_000n).toBeGreaterThanOrEqual(before);
    expect(ticks / 10_000n).toBeLessThanOrEqual(BigInt(Date.now()));
  });

  test("requires-leader is accepted: this server is the leader", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, event(), { requiresLeader: true });
    const metadata = store.metadata.clone();
    metadata.set("requires-leader", "true");
    expect(await responses(readRequest(stream), metadata)).toHaveLength(1);
  });

  test("a filter on a read of $all limits what is counted", async () => {
    const stream = newStream();
    const type = `type-${randomUUID()}`;
    await store.client.appendToStream(stream, [event(type), event("other"), event(type), event(type)]);
    for (const backwards of [false, true]) {
      const found = await responses(
        readRequest(stream, (options) => {
          const all = new streams.ReadReq.Options.AllOptions();
          if (backwards) all.setEnd(new shared.Empty());
          else all.setStart(new shared.Empty());
          options.setAll(all);
          const { ReadDirection } = streams.ReadReq.Options;
          options.setReadDirection(backwards ? ReadDirection.BACKWARDS : ReadDirection.FORWARDS);
          options.setCount("2");
          const filter = new streams.ReadReq.Options.FilterOptions();
          const expression = new streams.ReadReq.Options.FilterOptions.Expression();
          expression.setPrefixList([type]);
          filter.setEventType(expression);
          filter.setMax(32);
          filter.setCheckpointintervalmultiplier(1);
          options.setFilter(filter);
        }),
      );
      expect(found.map((response) => response.getEvent()?.getEvent()?.getStreamRevision())).toEqual(
        backwards ? ["3", "2"] : ["0", "2"],
      );
    }
  });

  test("a request without options, or without a stream, fails with what a .NET handler fails with", async () => {
    for (const request of [
      new streams.ReadReq(),
      readRequest(""),
      readRequest("s", (options) => options.clearStream()),
    ]) {
      await expect(responses(request)).rejects.toMatchObject({ code: 2, details: "Exception was thrown by handler." });
    }
  });
});

/** A call that remembers what each append came to, by its correlation id, and that none was answered twice. */
const openBatches = () => {
  const call = raw.batchAppend(store.metadata);
  const found = new Map<string, string>();
  call
    .on("error", () => undefined)
    .on("data", (response: streams.BatchAppendResp) => {
      const id = response.getCorrelationId()?.getString() ?? "";
      expect(found.has(id)).toBe(false);
      found.set(id, response.hasSuccess() ? "success" : (response.getError()?.getDetails()?.getTypeName() ?? ""));
    });
  return { call, found };
};

describe("BatchAppend", () => {
  const batch = (fill: (request: streams.BatchAppendReq) => void, id = randomUUID()): streams.BatchAppendReq => {
    const request = new streams.BatchAppendReq();
    request.setCorrelationId(uuid(id));
    fill(request);
    return request;
  };
  const options = (stream: string): streams.BatchAppendReq.Options => {
    const message = new streams.BatchAppendReq.Options();
    message.setStreamIdentifier(identifier(stream));
    message.setAny(new empty.Empty());
    return message;
  };
  const message = (): streams.BatchAppendReq.ProposedMessage => {
    const proposed = new streams.BatchAppendReq.ProposedMessage();
    proposed.setId(uuid(randomUUID()));
    proposed.getMetadataMap().set("type", "t").set("content-type", "application/json");
    proposed.setData(Buffer.from("{}"));
    return proposed;
  };

  test("a client that ends its side at once still gets the answer to what it has sent", async () => {
    const stream = newStream();
    const call = raw.batchAppend(store.metadata);
    const found: streams.BatchAppendResp[] = [];
    const ended = new Promise((resolve) => call.on("end", resolve));
    call.on("data", (response: streams.BatchAppendResp) => found.push(response));
    call.write(
      batch((request) => {
        request.setOptions(options(stream));
        request.addProposedMessages(message());
        request.setIsFinal(true);
      }),
    );
    call.end();
    await ended;
    expect(found.map((response) => response.getSuccess()?.getCurrentRevision())).toEqual(["0"]);
  });

  test("an append that is never completed is answered with a time-out, once, and what comes late is ignored", async () => {
    const stream = newStream();
    const call = raw.batchAppend(store.metadata);
    const found: streams.BatchAppendResp[] = [];
    call.on("data", (response: streams.BatchAppendResp) => found.push(response)).on("error", () => undefined);
    const id = randomUUID();
    call.write(
      batch((request) => {
        request.setOptions(options(stream));
        request.addProposedMessages(message());
      }, id),
    );
    await eventually(
      () => found.length === 1,
      () => "an answer",
    );
    call.write(
      batch((request) => {
        request.addProposedMessages(message());
        request.setIsFinal(true);
      }, id),
    );
    await sleep(50);
    call.end();
    expect(
      found.map((response) => [
        response.getCorrelationId()?.getString(),
        response.getError()?.getDetails()?.getTypeUrl(),
      ]),
    ).toEqual([[id, "type.googleapis.com/event_store.client.Timeout"]]);
  });

  test("however late its deadline, an append that is never completed times out when the server's own time is over", async () => {
    const inAnHour = new timestamp.Timestamp();
    inAnHour.fromDate(new Date(Date.now() + 3_600_000));
    const late = options(newStream());
    late.setDeadline(inAnHour);
    const call = raw.batchAppend(store.metadata);
    const answered = new Promise<streams.BatchAppendResp>((resolve) => call.on("data", resolve));
    call.on("error", () => undefined);
    call.write(batch((request) => request.setOptions(late).addProposedMessages(message())));
    expect((await answered).getError()?.getMessage()).toBe("Timeout");
    call.end();
  });

  test("an append that cannot succeed is answered with its first wrong chunk, and what else comes of it is ignored", async () => {
    const stream = newStream();
    const { call, found } = openBatches();
    const large = message();
    large.setData(new Uint8Array(1024 * 1024 + 1));
    const bad = message();
    bad.setId(uuid("nonsense"));
    const unexpected = options(stream);
    unexpected.clearAny();
    const beyond = options(stream);
    beyond.setStreamPosition("18446744073709551614");
    const [tooLarge, badId, noRevision, beyondAll, good] = Array.from({ length: 5 }, () => randomUUID());
    const first = [
      batch((request) => request.setOptions(options(stream)).addProposedMessages(large), tooLarge),
      batch((request) => request.setOptions(options(stream)).addProposedMessages(bad), badId),
      batch((request) => request.setOptions(unexpected).addProposedMessages(message()), noRevision),
      batch((request) => request.setOptions(beyond).addProposedMessages(message()), beyondAll),
    ];
    for (const request of first) call.write(request);
    await eventually(
      () => found.size === first.length,
      () => `${found.size} of ${first.length} answers`,
    );
    for (const id of [tooLarge, noRevision, beyondAll]) {
      call.write(batch((request) => request.setIsFinal(true).addProposedMessages(message()), id));
    }
    call.write(
      batch((request) => request.setOptions(options(stream)).setIsFinal(true).addProposedMessages(message()), good),
    );
    await eventually(
      () => found.size > first.length,
      () => "an answer to the good one",
    );
    call.end();
    expect(Object.fromEntries(found)).toEqual({
      [tooLarge ?? ""]: "event_store.client.MaximumAppendSizeExceeded",
      [badId ?? ""]: "event_store.client.BadRequest",
      [noRevision ?? ""]: "event_store.client.BadRequest",
      [beyondAll ?? ""]: "event_store.client.BadRequest",
      [good ?? ""]: "success",
    });
    expect(await collect(store.client.readStream(stream))).toHaveLength(1);
  });

  test.each([
    [6, "WrongExpectedVersion", (request: streams.BatchAppendReq) => request.getOptions()?.setStreamPosition("7")],
    [4, "Timeout", (request: streams.BatchAppendReq) => request.getOptions()?.setDeadline(new timestamp.Timestamp())],
    [3, "BadRequest", (request: streams.BatchAppendReq) => request.getOptions()?.clearAny()],
    [
      3,
      "MaximumAppendSizeExceeded",
      (request: streams.BatchAppendReq) =>
        request.getProposedMessagesList()[0]?.setData(new Uint8Array(1024 * 1024 + 1)),
    ],
    [5, "StreamDeleted", () => undefined],
  ] as const)("an error has the code %d and the details %s", async (code, type, spoil) => {
    const stream = newStream();
    if (type === "StreamDeleted") await store.client.tombstoneStream(stream);
    const call = raw.batchAppend(store.metadata);
    const answered = new Promise<streams.BatchAppendResp>((resolve) => call.on("data", resolve));
    call.on("error", () => undefined);
    const request = batch((one) => one.setOptions(options(stream)).setIsFinal(true).addProposedMessages(message()));
    spoil(request);
    call.write(request);
    const response = await answered;
    call.end();
    expect(response.getError()?.getCode()).toBe(code);
    expect(response.getError()?.getMessage()).toBe(type);
    expect(response.getError()?.getDetails()?.getTypeUrl()).toBe(`type.googleapis.com/event_store.client.${type}`);
    expect(response.getCorrelationId()?.getString()).toBe(request.getCorrelationId()?.getString());
  });

  test("an append that names no stream is a bad one, or one that nobody may make where there are users", async () => {
    const call = raw.batchAppend(store.metadata);
    const answered = new Promise<streams.BatchAppendResp>((resolve) => call.on("data", resolve));
    call.on("error", () => undefined);
    const request = batch((one) => one.setOptions(options("")).setIsFinal(true).addProposedMessages(message()));
    request.getOptions()?.clearStreamIdentifier();
    call.write(request);
    const error = (await answered).getError();
    call.end();
    expect([error?.getCode(), error?.getDetails()?.getTypeName()]).toEqual(
      store.hasUsers ? [7, "event_store.client.AccessDenied"] : [3, "event_store.client.BadRequest"],
    );
  });

  test("each append is answered once, with its own correlation id, bad ones too, and the call goes on", async () => {
    const stream = newStream();
    const { call, found } = openBatches();
    const sent = new Map<string, string>();
    const send = (expected: string, fill: (request: streams.BatchAppendReq) => void): void => {
      const id = randomUUID();
      sent.set(id, expected);
      call.write(
        batch((request) => {
          request.setIsFinal(true);
          fill(request);
        }, id),
      );
    };
    for (let round = 0; round < 20; round += 1) {
      send("success", (request) => request.setOptions(options(stream)).addProposedMessages(message()));
      send("event_store.client.BadRequest", (request) => {
        const bad = message();
        bad.setId(uuid("nonsense"));
        request.setOptions(options(stream)).addProposedMessages(bad);
      });
      send("event_store.client.BadRequest", (request) => {
        const bad = message();
        bad.getMetadataMap().del("type");
        request.setOptions(options(stream)).addProposedMessages(bad);
      });
      send(store.hasUsers ? "event_store.client.AccessDenied" : "event_store.client.BadRequest", (request) =>
        request.setOptions(options("")).addProposedMessages(message()),
      );
      send("event_store.client.WrongExpectedVersion", (request) => {
        const expected = options(stream);
        expected.setStreamPosition("1000");
        request.setOptions(expected).addProposedMessages(message());
      });
    }
    await eventually(
      () => found.size === sent.size,
      () => `${found.size} of ${sent.size} answers`,
    );
    call.end();
    expect(found).toEqual(sent);
    expect(await collect(store.client.readStream(stream))).toHaveLength(20);
  });
});

const appendOptions = (stream: string): streams.AppendReq => {
  const options = new streams.AppendReq.Options();
  options.setStreamIdentifier(identifier(stream));
  options.setAny(new shared.Empty());
  const request = new streams.AppendReq();
  request.setOptions(options);
  return request;
};
const proposal = (data: string | Uint8Array, contentType = "application/json", type = "t"): streams.AppendReq => {
  const proposed = new streams.AppendReq.ProposedMessage();
  proposed.setId(uuid(randomUUID()));
  proposed.getMetadataMap().set("type", type).set("content-type", contentType);
  proposed.setData(Buffer.from(data));
  const request = new streams.AppendReq();
  request.setProposedMessage(proposed);
  return request;
};
/** Sends the messages and, unless `ends` is false, ends the call. */
const appendRaw = (messages: readonly streams.AppendReq[], ends = true): Promise<streams.AppendResp> =>
  new Promise((resolve, reject) => {
    const call = raw.append(store.metadata, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
    call.on("error", () => undefined);
    for (const message of messages) call.write(message);
    if (ends) call.end();
  });

describe("Append", () => {
  test("that grows too large fails before its client has finished", async () => {
    const half = new Uint8Array(512 * 1024 + 1);
    const unfinished = appendRaw([appendOptions(newStream()), proposal(half), proposal(half)], false);
    await expect(unfinished).rejects.toMatchObject({ code: 3, details: "Maximum Append Size of 1048576 Exceeded." });
  });

  test("wants to be told where to append and what to expect, first", async () => {
    const withoutRevision = appendOptions(newStream());
    withoutRevision.getOptions()?.clearAny();
    await expect(appendRaw([withoutRevision])).rejects.toMatchObject({ code: 3 });
    const failed = { code: 2, details: "Exception was thrown by handler." };
    for (const messages of [[], [proposal("{}")], [appendOptions("s"), appendOptions("s")]]) {
      await expect(appendRaw(messages)).rejects.toMatchObject(failed);
    }
    await expect(appendRaw([appendOptions("")])).rejects.toMatchObject(
      store.hasUsers ? { code: 7, details: "Access Denied" } : failed,
    );
  });

  test("at the largest revision expects no stream, at others beyond 2^63-1 fails", async () => {
    const stream = newStream();
    const at = (revision: string): streams.AppendReq => {
      const request = appendOptions(stream);
      request.getOptions()?.setRevision(revision);
      return request;
    };
    await expect(appendRaw([at("18446744073709551614"), proposal("{}")])).rejects.toMatchObject({ code: 2 });
    const first = await appendRaw([at("18446744073709551615"), proposal("{}")]);
    expect(first.getSuccess()?.getCurrentRevision()).toBe("0");
    const second = await appendRaw([at("18446744073709551615"), proposal("{}")]);
    expect(second.getWrongExpectedVersion()?.getCurrentRevision()).toBe("0");
  });
});

test("a link that says that it is JSON is a link all the same", async () => {
  const [target, links] = [newStream(), newStream("links")];
  await store.client.appendToStream(target, event("target"));
  await appendRaw([appendOptions(links), proposal(`0@${target}`, "application/json", "$>")]);
  const [read] = await responses(readRequest(links, (options) => options.setResolveLinks(true)));
  expect(read?.getEvent()?.getEvent()?.getMetadataMap().get("type")).toBe("target");
  expect(read?.getEvent()?.getLink()?.getMetadataMap().get("content-type")).toBe("application/json");
});

test("what says that it is JSON and is none reaches readers and the consumers of groups as it is", async () => {
  const stream = newStream();
  await appendRaw([appendOptions(stream), proposal("{}"), proposal("****"), proposal("[]")]);
  expect((await collect(store.client.readStream(stream))).map(({ event: read }) => read?.data)).toEqual([
    {},
    "****",
    [],
  ]);
  for (const group of [
    await groups.onStream({ startFrom: START }, 0, stream),
    await groups.onAll({ startFrom: START }, streamNameFilter({ prefixes: [stream] })),
  ]) {
    const consumer = consume(group.connect());
    await consumer.reached(3);
    expect(consumer.resolved.map(({ event: read }) => [read?.isJson, read?.data])).toEqual([
      [true, {}],
      [true, "****"],
      [true, []],
    ]);
  }
});

describe("metadata, to the byte", () => {
  const write = (stream: string, text: string, contentType?: string): Promise<unknown> =>
    appendRaw([appendOptions(`$$${stream}`), proposal(text, contentType, "$metadata")]);
  const backwardsFromEnd = (options: streams.ReadReq.Options): void => {
    options.getStream()?.setEnd(new shared.Empty());
    options.setReadDirection(streams.ReadReq.Options.ReadDirection.BACKWARDS);
  };
  const lastMetadata = async (stream: string): Promise<[data: string, contentType: string | undefined]> => {
    const [response] = await responses(readRequest(`$$${stream}`, backwardsFromEnd));
    const record = response?.getEvent()?.getEvent();
    return [Buffer.from(record?.getData_asU8() ?? "").toString(), record?.getMetadataMap().get("content-type")];
  };

  test("a soft delete", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(2));
    await store.client.setStreamMetadata(stream, { maxCount: 10, colour: "blue" });
    await store.client.deleteStream(stream);
    expect(await lastMetadata(stream)).toEqual(['{"$tb":9223372036854775807}', "application/json"]);
    await store.client.appendToStream(stream, event());
    expect(await lastMetadata(stream)).toEqual(['{"$tb":2}', "application/json"]);
  });

  test.each([
    [
      "other keys and the place of $tb",
      '{ "a":"b", "$tb":9223372036854775807,"c":[1, {"d":null}] }',
      '{"a":"b","$tb":2,"c":[1,{"d":null}]}',
    ],
    [
      "numbers beyond what JavaScript counts exactly",
      '{"$tb":9223372036854775807,"n":12345678901234567890}',
      '{"$tb":2,"n":12345678901234567890}',
    ],
    [
      "doubles, in .NET's notation",
      '{"$tb":9223372036854775807,"n":[1.50,2e3,1e21,0.00001,0.1]}',
      '{"$tb":2,"n":[1.5,2000.0,1E+21,1E-05,0.1]}',
    ],
    [
      "dates, without zeros at their end",
      '{"$tb":9223372036854775807,"d":["2024-05-01T12:00:00.000Z","2024-05-01T12:00:00.250Z"]}',
      '{"$tb":2,"d":["2024-05-01T12:00:00Z","2024-05-01T12:00:00.25Z"]}',
    ],
  ])("what an append to a soft-deleted stream keeps: %s", async (_name, before, after) => {
    const stream = newStream();
    await store.client.appendToStream(stream, events(2));
    await write(stream, before);
    await store.client.appendToStream(stream, event());
    expect(await lastMetadata(stream)).toEqual([after, "application/json"]);
  });

  test.each([
    ["JSON", '{"colour":"blue"}', "application/json", ['{"colour":"blue","$tb":2}', "application/json"], []],
    [
      "JSON that does not say so",
      '{"colour":"blue"}',
      "application/octet-stream",
      ['{"colour":"blue","$tb":2}', "application/json"],
      [],
    ],
    ["what is no JSON", "blue", "application/octet-stream", ["blue", "application/octet-stream"], ["0", "1"]],
    ["what is no JSON object", "[1]", "application/json", ["[1]", "application/json"], ["0", "1"]],
  ])(
    "what a write of %s as metadata makes of a soft-deleted stream",
    async (_name, text, contentType, last, visible) => {
      const stream = newStream();
      await store.client.appendToStream(stream, events(2));
      await store.client.deleteStream(stream);
      await write(stream, text, contentType);
      expect(await lastMetadata(stream)).toEqual(last);
      const read = await responses(readRequest(stream));
      expect(read.map((response) => response.getEvent()?.getEvent()?.getStreamRevision())).toEqual(visible);
    },
  );
});

describe("errors tell clients which they are", () => {
  const trailersOf = (error: unknown): Record<string, unknown> => {
    const { metadata } = error as ServiceError;
    const { exception, ...others } = metadata.getMap();
    const names = ["stream-name", "expected-version", "actual-version"];
    return { exception, ...Object.fromEntries(Object.entries(others).filter(([name]) => names.includes(name))) };
  };
  const removal = (stream: string): streams.DeleteReq => {
    const options = new streams.DeleteReq.Options();
    options.setStreamIdentifier(identifier(stream));
    options.setRevision("7");
    const request = new streams.DeleteReq();
    request.setOptions(options);
    return request;
  };
  const failed = (call: (done: (error: ServiceError | null) => void) => unknown): Promise<ServiceError | null> =>
    new Promise((resolve) => {
      call((error) => resolve(error));
    });

  test("a stream that is deleted", async () => {
    const stream = newStream();
    await store.client.tombstoneStream(stream);
    for (const error of [
      await rejection(responses(readRequest(stream))),
      await rejection(responses(readRequest(`$$${stream}`))),
      await rejection(
        responses(
          readRequest(stream, (options) => options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions())),
        ),
      ),
      await rejection(appendRaw([appendOptions(stream), proposal("{}")])),
      await failed((done) => raw.delete(removal(stream), store.metadata, done)),
    ]) {
      const name = String(trailersOf(error)["stream-name"]);
      expect([stream, `$$${stream}`]).toContain(name);
      expect(error).toMatchObject({ code: 9, details: `Event stream '${name}' is deleted.` });
      expect(trailersOf(error)).toEqual({ exception: "stream-deleted", "stream-name": name });
    }
  });

  test("another revision than was expected", async () => {
    const stream = newStream();
    const details = (actual: number): string =>
      `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: 7, Actual version: ${actual}`;
    for (const actual of [-1, 0]) {
      const error = await failed((done) => raw.delete(removal(stream), store.metadata, done));
      expect(error).toMatchObject({ code: 9, details: details(actual) });
      expect(trailersOf(error)).toEqual({
        exception: "wrong-expected-version",
        "stream-name": stream,
        "expected-version": "7",
        "actual-version": actual.toString(),
      });
      await store.client.appendToStream(stream, event());
    }
  });
});

test("a delete that does not say what it expects is refused", async () => {
  const stream = newStream();
  await store.client.appendToStream(stream, event());
  const options = new streams.DeleteReq.Options();
  options.setStreamIdentifier(identifier(stream));
  const request = new streams.DeleteReq();
  request.setOptions(options);
  const error = await new Promise<ServiceError | null>((resolve) => raw.delete(request, store.metadata, resolve));
  expect(error?.code).toBe(3);
  expect(await collect(store.client.readStream(stream))).toHaveLength(1);
});

test("Append names the property that is missing", async () => {
  const incomplete = new streams.AppendReq();
  const proposed = new streams.AppendReq.ProposedMessage();
  proposed.setId(uuid(randomUUID()));
  incomplete.setProposedMessage(proposed);
  const error = await rejection(appendRaw([appendOptions(newStream()), incomplete]));
  expect(error).toMatchObject({ code: 3, details: "Required Metadata Property 'type' is missing." });
  const { metadata } = error as ServiceError;
  expect(metadata.get("exception")).toEqual(["missing-required-metadata-property"]);
});

test("server features: lower-case names, three-part version, what each method can do", async () => {
  const client = store.raw(featuresGrpc.ServerFeaturesClient);
  const features = await new Promise<{ methods: Map<string, string[]>; version: string }>((resolve, reject) => {
    client.getSupportedMethods(new shared.Empty(), store.metadata, (error, response) => {
      if (error !== null) reject(error);
      else {
        resolve({
          version: response.getEventStoreServerVersion(),
          methods: new Map(
            response
              .getMethodsList()
              .map((method) => [`${method.getServiceName()}/${method.getMethodName()}`, method.getFeaturesList()]),
          ),
        });
      }
    });
  });
  expect(features.version).toBe("24.6.0");
  expect(features.methods.get("event_store.client.streams.streams/batchappend")).toEqual(["deadline_duration"]);
  expect(features.methods.get("event_store.client.streams.streams/read")).toEqual(["position", "events"]);
  expect(features.methods.get("event_store.client.persistent_subscriptions.persistentsubscriptions/create")).toEqual([
    "stream",
    "all",
  ]);
  expect([...features.methods.keys()].every((name) => name === name.toLowerCase())).toBe(true);
});

test("gossip: one leader that is alive, at an address by which discovery finds it", async () => {
  const client = store.raw(gossipGrpc.GossipClient);
  const leaders = await new Promise<(string | undefined)[]>((resolve, reject) => {
    client.read(new shared.Empty(), store.metadata, (error, response) => {
      if (error !== null) reject(error);
      else {
        const alive = response.getMembersList().filter((member) => member.getIsAlive() && member.getState() === leader);
        resolve(alive.map((member) => member.getHttpEndPoint()?.getAddress()));
      }
    });
  });
  expect(leaders).toEqual([expect.stringMatching(/./)]);
  const discovering = EventStoreDBClient.connectionString(store.connectionString.replace(/^esdb:/, "esdb+discover:"));
  const stream = newStream();
  await discovering.appendToStream(stream, events(1));
  await discovering.dispose();
  expect(await collect(store.client.readStream(stream))).toHaveLength(1);
});
