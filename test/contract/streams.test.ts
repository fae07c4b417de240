/** Reading streams: ranges, retention, soft delete, tombstones, links. */
import {
  ANY,
  BACKWARDS,
  binaryEvent,
  END,
  FORWARDS,
  NO_STREAM,
  START,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  UnknownError,
  WrongExpectedVersionError,
  jsonEvent,
  type JSONType,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import {
  collect,
  event,
  events,
  eventOf,
  newStream,
  rejection,
  revisionsOf,
  sleep,
} from "../local/eventstoredb/event-store-for-test.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();

const streamOf = async (count: number): Promise<string> => {
  const stream = newStream();
  await store.client.appendToStream(stream, events(count));
  return stream;
};
const read = async (stream: string, options = {}): Promise<bigint[]> =>
  revisionsOf(await collect(store.client.readStream(stream, options)));
const rawMetadata = async (stream: string): Promise<string> => {
  const [last] = await collect(
    store.client.readStream(`$$${stream}`, { direction: BACKWARDS, fromRevision: END, maxCount: 1 }),
  );
  return JSON.stringify(eventOf(last ?? {}).data);
};
const metadataEvent = (text: string) => jsonEvent({ type: "$metadata", data: JSON.parse(text) as JSONType });

describe("ranges", () => {
  test("forwards from a revision is inclusive and ends with the count", async () => {
    const stream = await streamOf(6);
    expect(await read(stream)).toEqual([0n, 1n, 2n, 3n, 4n, 5n]);
    expect(await read(stream, { fromRevision: 2n, maxCount: 3 })).toEqual([2n, 3n, 4n]);
    expect(await read(stream, { fromRevision: 5n })).toEqual([5n]);
    expect(await read(stream, { fromRevision: START, maxCount: 1 })).toEqual([0n]);
  });

  test("past the end there is nothing, and no error", async () => {
    expect(await read(await streamOf(2), { fromRevision: 2n })).toEqual([]);
    expect(await read(await streamOf(2), { fromRevision: 9_000_000_000_000_000_000n })).toEqual([]);
  });

  test("backwards from a revision is inclusive; from beyond the last it starts with the last", async () => {
    const stream = await streamOf(4);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: END })).toEqual([3n, 2n, 1n, 0n]);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: 2n, maxCount: 2 })).toEqual([2n, 1n]);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: 99n })).toEqual([3n, 2n, 1n, 0n]);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: START })).toEqual([0n]);
  });

  test("forwards from the end and a count of 0 are errors", async () => {
    const stream = await streamOf(1);
    for (const options of [{ fromRevision: END, direction: FORWARDS }, { maxCount: 0 }] as const) {
      const error = await rejection(collect(store.client.readStream(stream, options)));
      expect(error).toBeInstanceOf(UnknownError);
      expect(String(error)).toContain("Unexpected ReadStreamResult: Error");
    }
  });

  test("a stream that never was is not found", async () => {
    const stream = newStream();
    const error = await rejection(collect(store.client.readStream(stream)));
    expect(error).toBeInstanceOf(StreamNotFoundError);
    if (error instanceof StreamNotFoundError) expect(error.streamName).toBe(stream);
  });

  test("a long stream is read whole, in order, both ways", async () => {
    const stream = await streamOf(1500);
    const expected = Array.from({ length: 1500 }, (_, index) => BigInt(index));
    expect(await read(stream)).toEqual(expected);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: END })).toEqual(expected.reverse());
  });

  test("commitPosition is the position of the event itself", async () => {
    const stream = await streamOf(2);
    for (const resolved of await collect(store.client.readStream(stream))) {
      expect(resolved.commitPosition).toBe(eventOf(resolved).position?.commit);
    }
  });
});

describe("retention", () => {
  test("$maxCount shows the last events, forwards from the first live one", async () => {
    const stream = await streamOf(5);
    await store.client.setStreamMetadata(stream, { maxCount: 2 });
    expect(await read(stream)).toEqual([3n, 4n]);
    expect(await read(stream, { fromRevision: 1n, maxCount: 1 })).toEqual([3n]);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: 2n })).toEqual([]);
    await store.client.appendToStream(stream, event());
    expect(await read(stream)).toEqual([4n, 5n]);
  });

  test("metadata applies to what was written before, and its removal brings that back", async () => {
    const stream = await streamOf(3);
    await store.client.setStreamMetadata(stream, { truncateBefore: 2 });
    expect(await read(stream)).toEqual([2n]);
    await store.client.setStreamMetadata(stream, {});
    expect(await read(stream)).toEqual([0n, 1n, 2n]);
  });

  test("the stricter of $maxCount and $tb counts", async () => {
    const stream = await streamOf(6);
    await store.client.setStreamMetadata(stream, { truncateBefore: 1, maxCount: 3 });
    expect(await read(stream)).toEqual([3n, 4n, 5n]);
    await store.client.setStreamMetadata(stream, { truncateBefore: 5, maxCount: 3 });
    expect(await read(stream)).toEqual([5n]);
  });

  test("a fully truncated stream is empty, not missing, and revisions go on", async () => {
    const stream = await streamOf(3);
    await store.client.setStreamMetadata(stream, { truncateBefore: 100 });
    expect(await read(stream)).toEqual([]);
    expect((await store.client.appendToStream(stream, event(), { expectedRevision: 2n })).nextExpectedRevision).toBe(
      3n,
    );
  });

  test("$maxAge hides what has grown too old by the time of the read", async () => {
    const stream = await streamOf(2);
    await store.client.setStreamMetadata(stream, { maxAge: 1 });
    await sleep(1100);
    await store.client.appendToStream(stream, event());
    expect(await read(stream)).toEqual([2n]);
    expect(await read(stream, { direction: BACKWARDS, fromRevision: END })).toEqual([2n]);
  });

  test("a repeat whose events are truncated by now is answered without a position", async () => {
    const stream = newStream();
    const [first = event(), ...others] = events(3);
    await store.client.appendToStream(stream, first, { expectedRevision: NO_STREAM });
    await store.client.appendToStream(stream, others);
    await store.client.setStreamMetadata(stream, { truncateBefore: 2 });
    const repeat = await store.client.appendToStream(stream, first, { expectedRevision: NO_STREAM });
    expect(repeat).toEqual({ success: true, nextExpectedRevision: 0n, position: undefined });
  });

  test("a repeat whose events have grown too old is answered without a position", async () => {
    const stream = newStream();
    const first = event();
    await store.client.appendToStream(stream, first, { expectedRevision: NO_STREAM });
    await store.client.setStreamMetadata(stream, { maxAge: 1 });
    await expect.poll(() => read(stream)).toEqual([]);
    for (const expectedRevision of [NO_STREAM, ANY] as const) {
      const repeat = await store.client.appendToStream(stream, first, { expectedRevision });
      expect(repeat).toEqual({ success: true, nextExpectedRevision: 0n, position: undefined });
    }
  });

  test("$all shows what retention and deletion hide", async () => {
    const stream = await streamOf(3);
    await store.client.setStreamMetadata(stream, { maxCount: 1 });
    await store.client.deleteStream(stream);
    await store.client.tombstoneStream(stream);
    const all = (await collect(store.client.readAll())).map(eventOf).filter((one) => one.streamId.endsWith(stream));
    expect(all.map(({ streamId, type, revision }) => [streamId, type, revision])).toEqual([
      [stream, "happened", 0n],
      [stream, "happened", 1n],
      [stream, "happened", 2n],
      [`$$${stream}`, "$metadata", 0n],
      [`$$${stream}`, "$metadata", 1n],
      [stream, "$streamDeleted", 9223372036854775807n],
    ]);
  });

  test("metadata of the wrong type is ignored altogether, out of range for itself", async () => {
    const stream = await streamOf(3);
    await store.client.appendToStream(`$$${stream}`, metadataEvent('{"$maxCount":"1","$tb":2}'));
    expect(await read(stream)).toEqual([0n, 1n, 2n]);
    await store.client.appendToStream(`$$${stream}`, metadataEvent('{"$maxCount":0,"$tb":2}'));
    expect(await read(stream)).toEqual([2n]);
    await store.client.appendToStream(
      `$$${stream}`,
      binaryEvent({ type: "$metadata", data: Buffer.from('{"$tb":1}') }),
    );
    expect(await read(stream)).toEqual([0n, 1n, 2n]);
  });

  test.each([
    ['{"$maxCount":1}', [2n]],
    ['{"$maxCount":-1,"$tb":1}', [1n, 2n]],
    ['{"$maxAge":0,"$tb":1}', [1n, 2n]],
    ['{"$tb":-1,"$maxCount":1}', [2n]],
    ['{"$cacheControl":0,"$tb":1}', [1n, 2n]],
    ['{"anything":{"at":["all"]},"$tb":1}', [1n, 2n]],
    ['{"$acl":{"$r":"a","$w":["b","c"]},"$tb":1}', [1n, 2n]],
    ['{"$acl":{"$r":1},"$tb":1}', "everything"],
    ['{"$acl":{"$unknown":"a"},"$tb":1}', "everything"],
    ['{"$acl":"a","$tb":1}', "everything"],
    ['{"$acl":null,"$tb":1}', "everything"],
    ['{"$tb":null}', "everything"],
    ['{"$tb":1.5}', "everything"],
    ['{"$tb":1,"$maxCount":true}', "everything"],
    ['{"$tb":1,"$maxAge":"1"}', "everything"],
    ['{"$tb":1,"$maxAge":1e13}', "everything"],
    ['{"$tb":1,"$cacheControl":{}}', "everything"],
    ['{"$tempStream":true,"$tb":1}', [1n, 2n]],
    ['{"$tb":1,"$tempStream":"true"}', "everything"],
    ['{"$tb":1,"$tempStream":null}', "everything"],
    ['{"$tb":1,"$tempStream":1}', "everything"],
    ['{"$tb":1e30}', "everything"],
    ['[{"$tb":1}]', "everything"],
    ['"$tb"', "everything"],
  ] as const)("metadata %s leaves %s", async (text, visible) => {
    const stream = await streamOf(3);
    await store.client.appendToStream(`$$${stream}`, metadataEvent(text));
    expect(await read(stream)).toEqual(visible === "everything" ? [0n, 1n, 2n] : visible);
  });

  test("$maxCount and $tb as read from every revision, both ways, with every count", async () => {
    const stream = await streamOf(6);
    await store.client.setStreamMetadata(stream, { truncateBefore: 1, maxCount: 3 });
    const visible = [3n, 4n, 5n];
    for (let from = 0n; from < 8n; from += 1n) {
      for (const maxCount of [1, 2, 4]) {
        const forwards = visible.filter((revision) => revision >= from).slice(0, maxCount);
        expect(await read(stream, { fromRevision: from, maxCount })).toEqual(forwards);
        const backwards = visible
          .filter((revision) => revision <= from)
          .reverse()
          .slice(0, maxCount);
        expect(await read(stream, { fromRevision: from, maxCount, direction: BACKWARDS })).toEqual(backwards);
      }
    }
  });

  test("a metadata stream keeps its last event only, while its revisions count up", async () => {
    const stream = newStream();
    await store.client.setStreamMetadata(stream, { a: 1 });
    await store.client.setStreamMetadata(stream, { a: 2 });
    expect(await read(`$$${stream}`)).toEqual([1n]);
    expect(await store.client.getStreamMetadata(stream)).toEqual({
      streamName: stream,
      metadata: { a: 2 },
      metastreamRevision: eventOf((await collect(store.client.readStream(`$$${stream}`)))[0] ?? {}).position?.commit,
    });
    await store.client.setStreamMetadata(`$$${stream}`, { maxCount: 5 });
    expect(await read(`$$${stream}`)).toEqual([1n]);
  });
});

describe("soft delete", () => {
  test("hides the stream until it is appended to, which goes on after the last revision", async () => {
    const stream = await streamOf(3);
    const { position } = await store.client.deleteStream(stream, { expectedRevision: 2n });
    const [metadata] = await collect(store.client.readStream(`$$${stream}`));
    expect(position).toEqual(eventOf(metadata ?? {}).position);
    expect(await rejection(collect(store.client.readStream(stream)))).toBeInstanceOf(StreamNotFoundError);
    expect(await rawMetadata(stream)).toContain("$tb");
    expect((await store.client.appendToStream(stream, event())).nextExpectedRevision).toBe(3n);
    expect(await read(stream)).toEqual([3n]);
    expect(await rawMetadata(stream)).toBe('{"$tb":3}');
  });

  test.each([
    ["any", "any"],
    ["no_stream", NO_STREAM],
    ["the last revision", 1n],
  ] as const)("with %s a deleted stream can be appended to", async (_name, expectedRevision) => {
    const stream = await streamOf(2);
    await store.client.deleteStream(stream);
    expect((await store.client.appendToStream(stream, event(), { expectedRevision })).nextExpectedRevision).toBe(2n);
    expect(await read(stream)).toEqual([2n]);
  });

  test("with stream_exists it cannot, nor with an earlier revision", async () => {
    const stream = await streamOf(2);
    await store.client.deleteStream(stream);
    expect(
      await rejection(store.client.appendToStream(stream, event(), { expectedRevision: STREAM_EXISTS })),
    ).toBeInstanceOf(StreamDeletedError);
    expect(await rejection(store.client.appendToStream(stream, event(), { expectedRevision: 0n }))).toBeInstanceOf(
      WrongExpectedVersionError,
    );
  });

  test("replaces all metadata; undeleting keeps the other keys of what was written since, to the digit", async () => {
    const stream = await streamOf(2);
    await store.client.setStreamMetadata(stream, { maxCount: 10, colour: "blue" });
    await store.client.deleteStream(stream);
    expect(await store.client.getStreamMetadata(stream)).toMatchObject({
      metadata: { truncateBefore: 9223372036854776000 },
    });
    const log = await collect(store.client.readStream(`$$${stream}`));
    expect(Object.keys(eventOf(log[0] ?? {}).data as object)).toEqual(["$tb"]);
  });

  test("writing metadata of a deleted stream undeletes it: it is empty, not missing", async () => {
    const stream = await streamOf(2);
    await store.client.deleteStream(stream);
    await store.client.setStreamMetadata(stream, { maxCount: 7, colour: "blue" });
    expect(await rawMetadata(stream)).toBe('{"$maxCount":7,"colour":"blue","$tb":2}');
    expect(await read(stream)).toEqual([]);
  });

  test("a stream with neither events nor metadata cannot be deleted, whatever is expected", async () => {
    const error = await rejection(store.client.deleteStream(newStream()));
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    if (error instanceof WrongExpectedVersionError) expect(error.actualVersion).toBe(-1n);
  });

  test("a stream with metadata alone can be deleted, and is then written from its first revision", async () => {
    const stream = newStream();
    await store.client.setStreamMetadata(stream, { cacheControl: 10 });
    await store.client.deleteStream(stream, { expectedRevision: NO_STREAM });
    expect(await rawMetadata(stream)).toContain("$tb");
    expect(await rejection(collect(store.client.readStream(stream)))).toBeInstanceOf(StreamNotFoundError);
    expect((await store.client.appendToStream(stream, event())).nextExpectedRevision).toBe(0n);
    expect(await read(stream)).toEqual([0n]);
  });

  test("a stream that exists cannot be deleted where none is expected", async () => {
    const stream = await streamOf(2);
    const error = await rejection(store.client.deleteStream(stream, { expectedRevision: NO_STREAM }));
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    if (error instanceof WrongExpectedVersionError)
      expect([error.expectedVersion, error.actualVersion]).toEqual([-1n, 1n]);
  });

  test("a deleted stream can be deleted again", async () => {
    const stream = await streamOf(2);
    await store.client.deleteStream(stream);
    await store.client.deleteStream(stream, { expectedRevision: 1n });
    expect((await read(`$$${stream}`)).at(-1)).toBe(1n);
    expect(await rejection(collect(store.client.readStream(stream)))).toBeInstanceOf(StreamNotFoundError);
  });

  test("metadata alone makes no stream that could be read", async () => {
    const stream = newStream();
    await store.client.setStreamMetadata(stream, { maxCount: 2 });
    expect(await rejection(collect(store.client.readStream(stream)))).toBeInstanceOf(StreamNotFoundError);
  });

  test("a wrong revision is refused with what was expected and found", async () => {
    const stream = await streamOf(2);
    const error = await rejection(store.client.deleteStream(stream, { expectedRevision: 5n }));
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    if (error instanceof WrongExpectedVersionError) {
      expect([error.streamName, error.expectedVersion, error.actualVersion]).toEqual([stream, 5n, 1n]);
      expect(error.message).toContain(
        `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: 5, Actual version: 1`,
      );
    }
  });

  test("names beyond ASCII do not break the error", async () => {
    const stream = `${newStream()}-é😀`;
    await store.client.appendToStream(stream, event());
    expect(await rejection(store.client.deleteStream(stream, { expectedRevision: 5n }))).toBeInstanceOf(
      WrongExpectedVersionError,
    );
  });
});

describe("tombstone", () => {
  test("ends a stream for ever, for every operation", async () => {
    const stream = await streamOf(2);
    await store.client.tombstoneStream(stream, { expectedRevision: 1n });
    for (const operation of [
      collect(store.client.readStream(stream)),
      collect(store.client.readStream(stream, { direction: BACKWARDS, fromRevision: END })),
      store.client.getStreamMetadata(stream),
      store.client.deleteStream(stream),
      store.client.tombstoneStream(stream),
      store.client.setStreamMetadata(stream, {}),
    ]) {
      const error = await rejection(operation);
      expect(error).toBeInstanceOf(StreamDeletedError);
    }
  });

  test("is allowed on a stream that never was", async () => {
    const stream = newStream();
    await store.client.tombstoneStream(stream, { expectedRevision: NO_STREAM });
    expect(await rejection(collect(store.client.readStream(stream)))).toBeInstanceOf(StreamDeletedError);
  });

  test("with a wrong revision is refused", async () => {
    const stream = await streamOf(2);
    expect(await rejection(store.client.tombstoneStream(stream, { expectedRevision: 7n }))).toBeInstanceOf(
      WrongExpectedVersionError,
    );
  });
});

describe("links", () => {
  const linkTo = async (target: string, revision: bigint): Promise<string> => {
    const stream = newStream("links");
    await store.client.appendToStream(stream, binaryEvent({ type: "$>", data: Buffer.from(`${revision}@${target}`) }));
    return stream;
  };

  test("resolve to the target, with the position of the link", async () => {
    const target = await streamOf(3);
    const [resolved] = await collect(store.client.readStream(await linkTo(target, 1n), { resolveLinkTos: true }));
    expect(resolved?.event).toMatchObject({ streamId: target, revision: 1n, type: "happened" });
    expect(resolved?.link).toMatchObject({ type: "$>", revision: 0n });
    expect(resolved?.commitPosition).toBe(resolved?.link?.position?.commit);
  });

  test("stay as they are where that is not asked for", async () => {
    const [resolved] = await collect(store.client.readStream(await linkTo(await streamOf(1), 0n)));
    expect(resolved?.event).toMatchObject({ type: "$>" });
    expect(resolved?.link).toBeUndefined();
  });

  test("to a missing, truncated or deleted target come without it", async () => {
    const truncated = await streamOf(3);
    await store.client.setStreamMetadata(truncated, { truncateBefore: 2 });
    const deleted = await streamOf(1);
    await store.client.tombstoneStream(deleted);
    for (const [target, revision] of [
      [newStream(), 0n],
      [truncated, 1n],
      [deleted, 0n],
      [await streamOf(1), -2n],
    ] as const) {
      const [resolved] = await collect(
        store.client.readStream(await linkTo(target, revision), { resolveLinkTos: true }),
      );
      expect(resolved?.event).toBeUndefined();
      expect(resolved?.link).toMatchObject({ type: "$>" });
    }
  });

  test("are followed one level only", async () => {
    const first = await linkTo(await streamOf(1), 0n);
    const [resolved] = await collect(store.client.readStream(await linkTo(first, 0n), { resolveLinkTos: true }));
    expect(resolved?.event).toMatchObject({ streamId: first, type: "$>" });
  });

  test("that cannot be parsed are plain events", async () => {
    const stream = newStream();
    await store.client.appendToStream(stream, [
      binaryEvent({ type: "$>", data: Buffer.from("nonsense") }),
      jsonEvent({ type: "$>", data: {} }),
      // No 64-bit integer, which a stream that exists must not be asked for.
      binaryEvent({ type: "$>", data: Buffer.from(`9999999999999999999@${stream}`) }),
    ]);
    const read = await collect(store.client.readStream(stream, { resolveLinkTos: true }));
    expect(read.map(({ event: plain, link }) => [plain?.type, link])).toEqual([
      ["$>", undefined],
      ["$>", undefined],
      ["$>", undefined],
    ]);
  });

  test.each(["0", "5", " -1 ", "+3"])("that are the revision %j and nothing else have no target", async (data) => {
    const stream = newStream();
    await store.client.appendToStream(stream, binaryEvent({ type: "$>", data: Buffer.from(data) }));
    const [resolved] = await collect(store.client.readStream(stream, { resolveLinkTos: true }));
    expect(resolved?.event).toBeUndefined();
    expect(resolved?.link).toMatchObject({ streamId: stream });
  });

  test("to -1 have the last event for their target", async () => {
    const target = await streamOf(3);
    const [resolved] = await collect(store.client.readStream(await linkTo(target, -1n), { resolveLinkTos: true }));
    expect(resolved?.event).toMatchObject({ streamId: target, revision: 2n });
  });

  test("to a soft-deleted target come without it, and with it again for what is written later", async () => {
    const target = await streamOf(1);
    const links = newStream("links");
    await store.client.deleteStream(target);
    await store.client.appendToStream(links, [
      binaryEvent({ type: "$>", data: Buffer.from(`0@${target}`) }),
      binaryEvent({ type: "$>", data: Buffer.from(`1@${target}`) }),
    ]);
    const targets = async () =>
      (await collect(store.client.readStream(links, { resolveLinkTos: true }))).map(({ event: one }) => one?.revision);
    expect(await targets()).toEqual([undefined, undefined]);
    await store.client.appendToStream(target, event());
    expect(await targets()).toEqual([undefined, 1n]);
  });

  test("a target's name may hold the separator", async () => {
    const target = `${newStream()}@home@x`;
    await store.client.appendToStream(target, event());
    const [resolved] = await collect(store.client.readStream(await linkTo(target, 0n), { resolveLinkTos: true }));
    expect(resolved?.event?.streamId).toBe(target);
  });
});
