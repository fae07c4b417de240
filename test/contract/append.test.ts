/** The rules by which appends are accepted, recognised as repeats, or refused: in both forms of append. */
import { randomUUID } from "node:crypto";
import {
  ANY,
  MaxAppendSizeExceededError,
  NO_STREAM,
  STREAM_EXISTS,
  StreamDeletedError,
  UnknownError,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
  type AppendResult,
  type EventData,
} from "@eventstore/db-client";
import { describe, expect, test } from "vitest";
import {
  bytesEvent,
  collect,
  event,
  events,
  eventOf,
  newStream,
  rejection,
  revisionsOf,
} from "../local/eventstoredb/event-store-for-test.ts";
import { useServerUnderTest } from "./server-under-test.ts";

const store = useServerUnderTest();

/** Credentials make the client use the older form; without TLS they are not sent. */
const forms = [
  { form: "BatchAppend", options: {} },
  { form: "Append", options: { credentials: { username: "admin", password: "changeit" } } },
] as const;

describe.each(forms)("$form", ({ options }) => {
  const append = (
    stream: string,
    batch: EventData | EventData[],
    expectedRevision: AppendExpectedRevision = ANY,
  ): Promise<AppendResult> => store.client.appendToStream(stream, batch, { expectedRevision, ...options });

  const wrongVersion = async (appending: Promise<AppendResult>, actual: bigint | "no_stream"): Promise<void> => {
    const error = await rejection(appending);
    expect(error).toBeInstanceOf(WrongExpectedVersionError);
    if (error instanceof WrongExpectedVersionError) expect(error.actualVersion).toBe(actual);
  };

  test("an append answers with the revision and the position of its last event", async () => {
    const stream = newStream();
    const result = await append(stream, events(3), NO_STREAM);
    const read = await collect(store.client.readStream(stream));
    expect(result.success).toBe(true);
    expect(result.nextExpectedRevision).toBe(2n);
    expect(result.position).toEqual(eventOf(read[2] ?? {}).position);
  });

  test("an exact revision is appended after", async () => {
    const stream = newStream();
    await append(stream, events(3), NO_STREAM);
    expect((await append(stream, event(), 2n)).nextExpectedRevision).toBe(3n);
  });

  test("a revision beyond the last one is refused", async () => {
    const stream = newStream();
    await wrongVersion(append(stream, event(), 0n), "no_stream");
    await append(stream, event());
    await wrongVersion(append(stream, event(), 1n), 0n);
  });

  test("an earlier revision is refused when the events are others", async () => {
    const stream = newStream();
    await append(stream, events(3));
    await wrongVersion(append(stream, event(), 0n), 2n);
    await wrongVersion(append(stream, event(), NO_STREAM), 2n);
  });

  test("an earlier revision with the very events that follow it is a repeat, answered with the first position", async () => {
    const stream = newStream();
    await append(stream, event());
    const batch = events(2);
    const first = await append(stream, batch, 0n);
    await append(stream, event());
    expect(await append(stream, batch, 0n)).toEqual(first);
    expect(revisionsOf(await collect(store.client.readStream(stream)))).toEqual([0n, 1n, 2n, 3n]);
  });

  test("the same from no_stream", async () => {
    const stream = newStream();
    const batch = events(2);
    const first = await append(stream, batch, NO_STREAM);
    expect(await append(stream, batch, NO_STREAM)).toEqual(first);
    expect(await append(stream, batch.slice(0, 1), NO_STREAM)).toMatchObject({ nextExpectedRevision: 0n });
  });

  test("a repeat of which a later event differs is refused", async () => {
    const stream = newStream();
    const [first = event(), second = event()] = events(2);
    await append(stream, [first, second], NO_STREAM);
    await wrongVersion(append(stream, [first, event()], NO_STREAM), 1n);
    await wrongVersion(append(stream, [first, second, event()], NO_STREAM), 1n);
  });

  test("no_stream writes a soft-deleted stream again, but not with a first event that it has", async () => {
    const stream = newStream();
    const [first = event(), second = event()] = events(2);
    await append(stream, [first, second]);
    await store.client.deleteStream(stream);
    await wrongVersion(append(stream, [first, event()], NO_STREAM), 1n);
    expect((await append(stream, [event(), first], NO_STREAM)).nextExpectedRevision).toBe(3n);
    expect(revisionsOf(await collect(store.client.readStream(stream)))).toEqual([2n, 3n]);
  });

  test("the exact last revision appends without looking at ids", async () => {
    const stream = newStream();
    const same = event();
    await append(stream, same, NO_STREAM);
    expect((await append(stream, same, 0n)).nextExpectedRevision).toBe(1n);
    const twice = event();
    expect((await append(stream, [twice, twice], 1n)).nextExpectedRevision).toBe(3n);
  });

  test("any recognises ids that were committed lately to the same stream", async () => {
    const stream = newStream();
    const batch = events(3);
    const first = await append(stream, batch);
    expect(await append(stream, batch)).toEqual(first);
    expect(await append(stream, batch, STREAM_EXISTS)).toEqual(first);
    expect(await append(stream, batch[1] ?? event())).toMatchObject({ nextExpectedRevision: 1n });
    expect(await collect(store.client.readStream(stream))).toHaveLength(3);
  });

  test("any with the first id unknown appends all, a known one later notwithstanding", async () => {
    const stream = newStream();
    const known = event();
    await append(stream, known);
    expect((await append(stream, [event(), known])).nextExpectedRevision).toBe(2n);
  });

  test("any with the first id known and a later one not is refused", async () => {
    const stream = newStream();
    const known = event();
    await append(stream, known);
    await wrongVersion(append(stream, [known, event()]), 0n);
  });

  test("any with all ids known is a repeat in whatever order they were written, and ends where the last one is", async () => {
    const stream = newStream();
    const [first = event(), second = event(), third = event()] = events(3);
    const positions = [];
    for (const each of [first, second, third]) positions.push((await append(stream, each)).position);
    expect(await append(stream, [first, third])).toMatchObject({ nextExpectedRevision: 2n, position: positions[2] });
    expect(await append(stream, [third, first])).toMatchObject({ nextExpectedRevision: 0n, position: positions[0] });
    expect(await collect(store.client.readStream(stream))).toHaveLength(3);
  });

  test.each([
    ["$maxCount", (stream: string) => store.client.setStreamMetadata(stream, { maxCount: 1 })],
    ["$tb", (stream: string) => store.client.setStreamMetadata(stream, { truncateBefore: 1 })],
    ["a soft delete", (stream: string) => store.client.deleteStream(stream)],
  ])("a repeat of what %s hides is a repeat, without a position", async (_name, hide) => {
    const stream = newStream();
    const [first = event(), ...others] = events(3);
    await append(stream, first);
    await append(stream, others);
    await hide(stream);
    const repeated = { success: true, nextExpectedRevision: 0n, position: undefined };
    expect(await append(stream, first)).toEqual(repeated);
    expect(await append(stream, first, NO_STREAM)).toEqual(repeated);
  });

  test("an id belongs to the stream that it was first used in", async () => {
    const [one, other] = [newStream(), newStream()];
    const shared = event();
    await append(one, shared);
    expect((await append(other, shared)).nextExpectedRevision).toBe(0n);
    expect((await append(other, shared)).nextExpectedRevision).toBe(1n);
    expect((await append(one, shared)).nextExpectedRevision).toBe(0n);
  });

  test("a resent batch that holds one id twice is answered with an error", async () => {
    const stream = newStream();
    const twice = event();
    await append(stream, [twice, twice]);
    expect(await rejection(append(stream, [twice, twice]))).toBeInstanceOf(UnknownError);
    expect(await collect(store.client.readStream(stream))).toHaveLength(2);
  });

  test("stream_exists wants events, or metadata at least", async () => {
    const stream = newStream();
    await wrongVersion(append(stream, event(), STREAM_EXISTS), "no_stream");
    await store.client.setStreamMetadata(stream, { colour: "blue" });
    expect((await append(stream, event(), STREAM_EXISTS)).nextExpectedRevision).toBe(0n);
  });

  test("an append without events checks the revision, takes a position and shows nothing", async () => {
    const stream = newStream();
    await append(stream, events(2));
    const before = await append(stream, event());
    const nothing = await append(stream, [], 2n);
    expect(nothing.nextExpectedRevision).toBe(2n);
    expect(nothing.position?.commit).toBeGreaterThan(before.position?.commit ?? 0n);
    await wrongVersion(append(stream, [], 1n), 2n);
    expect(await collect(store.client.readStream(stream))).toHaveLength(3);
  });

  test("an append without events to a stream that is not there leaves no stream", async () => {
    const stream = newStream();
    await wrongVersion(append(stream, [], STREAM_EXISTS), "no_stream");
    await wrongVersion(append(stream, [], 0n), "no_stream");
    for (const expected of [ANY, NO_STREAM] as const) {
      expect(await append(stream, [], expected)).toMatchObject({ success: true, nextExpectedRevision: 0n });
    }
    expect(await rejection(collect(store.client.readStream(stream)))).toMatchObject({ type: "stream-not-found" });
    await append(stream, events(2));
    await wrongVersion(append(stream, [], NO_STREAM), 1n);
    expect(await append(stream, [], STREAM_EXISTS)).toMatchObject({ nextExpectedRevision: 1n });
    expect(await append(stream, [], ANY)).toMatchObject({ nextExpectedRevision: 1n });
  });

  test("an append without events brings a soft-deleted stream back, empty", async () => {
    const stream = newStream();
    await append(stream, events(2));
    await store.client.deleteStream(stream);
    await append(stream, []);
    expect(await collect(store.client.readStream(stream))).toEqual([]);
    expect((await append(stream, event(), 1n)).nextExpectedRevision).toBe(2n);
  });

  test("a tombstoned stream is refused before anything else is looked at", async () => {
    const stream = newStream();
    const known = event();
    await append(stream, known);
    await store.client.tombstoneStream(stream);
    for (const expected of [ANY, NO_STREAM, STREAM_EXISTS, 0n, 7n] as const) {
      expect(await rejection(append(stream, known, expected))).toBeInstanceOf(StreamDeletedError);
    }
    expect(await rejection(append(`$$${stream}`, event()))).toBeInstanceOf(StreamDeletedError);
  });

  test("exactly 1 MiB of data is appended, a byte more is refused, and nothing of it is written", async () => {
    const stream = newStream();
    const half = 512 * 1024;
    await append(stream, [bytesEvent(half), bytesEvent(half)]);
    const error = await rejection(append(stream, [bytesEvent(half), bytesEvent(half + 1)]));
    expect(error).toBeInstanceOf(MaxAppendSizeExceededError);
    if (error instanceof MaxAppendSizeExceededError) expect(error.maxAppendSize).toBe(1_048_576);
    expect(await collect(store.client.readStream(stream))).toHaveLength(2);
  });

  test("metadata and type do not count against the size", async () => {
    const stream = newStream();
    const large = { ...event("t".repeat(1000)), metadata: new Uint8Array(1024 * 1024 + 1) };
    expect((await append(stream, large)).nextExpectedRevision).toBe(0n);
  });

  test("a message of more than 16 MiB less 10,000 bytes is refused, and the connection goes on", async () => {
    const stream = newStream();
    const withMetadata = (bytes: number) => ({ ...event(), metadata: new Uint8Array(bytes) });
    expect((await append(stream, withMetadata(16_000_000))).nextExpectedRevision).toBe(0n);
    const error = await rejection(append(stream, withMetadata(16 * 1024 * 1024)));
    expect(error).toBeInstanceOf(UnknownError);
    expect(error).toMatchObject({ code: 8 });
    expect((await append(stream, event(), 0n)).nextExpectedRevision).toBe(1n);
  });

  test("an empty type or id that is no UUID is refused without harm to the connection", async () => {
    const stream = newStream();
    for (const bad of [
      event(""),
      event("a", {}, "not-a-uuid"),
      event("a", {}, "00000000-0000-0000-0000-000000000000"),
    ]) {
      expect(await rejection(append(stream, bad))).toBeInstanceOf(UnknownError);
    }
    expect((await append(stream, event(), NO_STREAM)).nextExpectedRevision).toBe(0n);
  });

  test("a stream's name may hold any character", async () => {
    const stream = `${newStream()} ünï©ødé 😀 '";--\n%`;
    await append(stream, event("typ é 😀"));
    const [read] = await collect(store.client.readStream(stream));
    expect(eventOf(read ?? {})).toMatchObject({ streamId: stream, type: "typ é 😀", revision: 0n });
    await wrongVersion(append(stream, event(), 5n), 0n);
  });
});

test("an append of many chunks is one batch", async () => {
  const stream = newStream();
  const batch = Array.from({ length: 40 }, () => ({ ...event(), metadata: new Uint8Array(200 * 1024) }));
  const result = await store.client.appendToStream(stream, batch, { expectedRevision: NO_STREAM });
  expect(result.nextExpectedRevision).toBe(39n);
});

test("a first event that is larger than a chunk makes the first chunk empty", async () => {
  const stream = newStream();
  await store.client.appendToStream(stream, [bytesEvent(5000), bytesEvent(10)], { batchAppendSize: 1000 });
  expect(await collect(store.client.readStream(stream))).toHaveLength(2);
});

test("an append whose deadline has passed times out and writes nothing", async () => {
  const stream = newStream();
  const error = await rejection(store.client.appendToStream(stream, event(), { deadline: -1000 }));
  expect(error).toMatchObject({ type: "deadline-exceeded" });
  expect(await rejection(collect(store.client.readStream(stream)))).toMatchObject({ type: "stream-not-found" });
});

test("concurrent appends at one revision: one wins, the others are refused", async () => {
  const stream = newStream();
  await store.client.appendToStream(stream, event());
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => store.client.appendToStream(stream, event(), { expectedRevision: 0n })),
  );
  expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  expect(await collect(store.client.readStream(stream))).toHaveLength(2);
});

test("data, metadata and time come back as they were", async () => {
  const stream = newStream();
  const id = randomUUID();
  const before = Date.now();
  await store.client.appendToStream(stream, {
    ...event("made", { text: "ä", n: 1.5, list: [null, true] }, id),
    metadata: { $correlationId: "c-1" },
  });
  await store.client.appendToStream(stream, bytesEvent(3, "raw"));
  const [json, raw] = (await collect(store.client.readStream(stream))).map(eventOf);
  expect(json).toMatchObject({
    id,
    type: "made",
    isJson: true,
    data: { text: "ä", n: 1.5, list: [null, true] },
    metadata: { $correlationId: "c-1" },
  });
  expect(json?.created.getTime()).toBeGreaterThanOrEqual(before);
  expect(json?.created.getTime()).toBeLessThanOrEqual(Date.now());
  expect(raw).toMatchObject({ type: "raw", isJson: false, data: new Uint8Array(3), metadata: undefined });
});
