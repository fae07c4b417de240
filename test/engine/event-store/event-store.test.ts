import { randomUUID } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { binaryEvent, jsonEvent } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import {
  AppendTooLargeError,
  EventStoreUnavailableError,
  StreamDeletedError,
} from "../../../engine/event-store/errors.ts";
import { comparePositions, startOfAll } from "../../../engine/event-store/position.ts";
import type { NewEvent, StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";

const event = (number: number): NewEvent => ({
  id: randomUUID(),
  type: "Counted",
  data: { number },
  metadata: { $correlationId: "c", schemaVersion: 1 },
});

async function all(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const revisions = (events: readonly StoredEvent[]): bigint[] => events.map(({ revision }) => revision);

describe("the event store", () => {
  let server: EventStoreServer;
  let store: EventStore;

  beforeAll(async () => {
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
  });

  afterAll(async () => {
    await store.dispose();
    await server.stop();
  });

  async function streamOf(count: number): Promise<{ stream: string; events: NewEvent[] }> {
    const stream = `counter-${randomUUID()}`;
    const events = Array.from({ length: count }, (_, number) => event(number));
    await store.append(stream, "no_stream", events);
    return { stream, events };
  }

  it("is disposed of even when a read was left with events still on their way", async () => {
    const { stream } = await streamOf(2_000);
    const other = EventStore.connect(server.connectionString);
    for await (const { revision } of other.readStream(stream)) if (revision === 10n) break;
    for await (const { stream: first } of other.readAll()) if (first !== "") break;
    await other.dispose();
  });

  it("appends and gives back what was appended", async () => {
    const stream = `counter-${randomUUID()}`;
    const first = event(1);
    expect(await store.append(stream, "no_stream", [first, event(2)])).toStrictEqual({
      outcome: "appended",
      revision: 1n,
    });
    const [read] = await all(store.readStream(stream));
    const { position, recordedAt, ...rest } = read ?? { position: undefined, recordedAt: undefined };
    expect(rest).toStrictEqual({ ...first, stream, revision: 0n });
    expect(comparePositions(position ?? startOfAll, startOfAll)).toBe(1);
    expect(recordedAt).toBeInstanceOf(Date);
  });

  it("reports a conflict with both revisions", async () => {
    const { stream } = await streamOf(3);
    const conflict = { outcome: "conflict", expected: 0n, actual: 2n };
    expect(await store.append(stream, 0n, [event(9)])).toStrictEqual(conflict);
    const created = { outcome: "conflict", expected: "no_stream", actual: 2n };
    expect(await store.append(stream, "no_stream", [event(9)])).toStrictEqual(created);
  });

  it("reports a conflict when an existing stream was expected and there is none", async () => {
    const conflict = { outcome: "conflict", expected: 4n, actual: "no_stream" };
    expect(await store.append(`counter-${randomUUID()}`, 4n, [event(1)])).toStrictEqual(conflict);
  });

  it("gives a repeated append its first outcome, also after the stream has moved on", async () => {
    const { stream, events } = await streamOf(2);
    await store.append(stream, 1n, [event(3)]);
    expect(await store.append(stream, "no_stream", events)).toStrictEqual({ outcome: "appended", revision: 1n });
    expect(revisions(await all(store.readStream(stream)))).toStrictEqual([0n, 1n, 2n]);
  });

  it("reads exact ranges, at both ends and past them", async () => {
    const { stream } = await streamOf(5);
    expect(revisions(await all(store.readStream(stream, 2n, 2n)))).toStrictEqual([2n, 3n]);
    expect(revisions(await all(store.readStream(stream, 4n, 9n)))).toStrictEqual([4n]);
    expect(revisions(await all(store.readStream(stream, 5n)))).toStrictEqual([]);
    expect(revisions(await all(store.readStream(`counter-${randomUUID()}`)))).toStrictEqual([]);
  });

  it("finds the last event of a stream", async () => {
    const { stream } = await streamOf(3);
    expect((await store.lastEvent(stream))?.revision).toBe(2n);
    expect(await store.lastEvent(`counter-${randomUUID()}`)).toBeUndefined();
  });

  it("reads $all from a position to a position, both included", async () => {
    const { stream } = await streamOf(4);
    const events = await all(store.readStream(stream));
    const [, second, third] = events;
    const between = await all(store.readAll(second?.position, third?.position));
    expect(between.map(({ revision, stream: of }) => [of, revision])).toStrictEqual([
      [stream, 1n],
      [stream, 2n],
    ]);
  });

  it("takes the tail to be the last event of all", async () => {
    const { stream } = await streamOf(1);
    const [only] = await all(store.readStream(stream));
    expect(await store.tail()).toStrictEqual(only?.position);
    expect(comparePositions(await store.tail(), startOfAll)).toBe(1);
  });

  it("survives hundreds of reads that are left early", async () => {
    const { stream } = await streamOf(3);
    for (let left = 0; left < 300; left += 1) {
      for await (const read of store.readStream(stream)) if (read.revision === 0n) break;
    }
    expect(revisions(await all(store.readStream(stream)))).toStrictEqual([0n, 1n, 2n]);
  });

  it("tells metadata that nobody can read from none", async () => {
    const stream = `counter-${randomUUID()}`;
    const data = { by: 1 };
    const bytes = (metadata: Uint8Array) => binaryEvent({ type: "Counted", data: Buffer.from("{}"), metadata });
    await store.client.appendToStream(stream, [
      jsonEvent({ type: "Counted", data }),
      jsonEvent({ type: "Counted", data, metadata: { actor: "Ada" } }),
      jsonEvent({ type: "Counted", data, metadata: ["Ada"] }),
      jsonEvent({ type: "Counted", data, metadata: "Ada" }),
      bytes(new Uint8Array()),
      bytes(Buffer.from("{")),
    ]);
    const metadata = (await all(store.readStream(stream))).map((event) => event.metadata);
    const unreadable = { unreadable: true };
    expect(metadata).toStrictEqual([{}, { actor: "Ada" }, unreadable, unreadable, {}, unreadable]);
  });

  it("tells a tombstoned stream from a missing one", async () => {
    const { stream } = await streamOf(1);
    await store.client.tombstoneStream(stream);
    await expect(all(store.readStream(stream))).rejects.toThrow(StreamDeletedError);
    await expect(store.append(stream, 0n, [event(1)])).rejects.toThrow(StreamDeletedError);
  });

  it("refuses an append that is too large, by its own error", async () => {
    const large = { ...event(1), data: { text: "x".repeat(1_100_000) } };
    await expect(store.append(`counter-${randomUUID()}`, "no_stream", [large])).rejects.toThrow(AppendTooLargeError);
  });
});

describe("an event store that accepts connections and says nothing", () => {
  let silent: Server;
  let store: EventStore;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const deadlines = { appendMs: 300, readProgressMs: 300 };
    store = EventStore.connect(`esdb://127.0.0.1:${port}?tls=false`, deadlines);
  });

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await store.dispose();
    silent.close();
  });

  it("fails an append by our deadline", async () => {
    await expect(store.append("counter-1", "no_stream", [event(1)])).rejects.toThrow(EventStoreUnavailableError);
  });

  it("fails a read by our deadline", async () => {
    await expect(all(store.readStream("counter-1"))).rejects.toThrow(EventStoreUnavailableError);
  });
});

describe("an event store that is not there", () => {
  it("fails as unavailable, and is used again as soon as it is", async () => {
    const first = await startEventStore();
    const { port } = first;
    await first.stop();
    const store = EventStore.connect(first.connectionString);
    await expect(store.append("counter-1", "no_stream", [event(1)])).rejects.toThrow(EventStoreUnavailableError);
    await expect(all(store.readStream("counter-1"))).rejects.toThrow(EventStoreUnavailableError);

    const second = await startEventStore({ port });
    await expect
      .poll(async () => store.append("counter-1", "no_stream", [event(1)]).catch(() => "unavailable"), {
        timeout: 15_000,
      })
      .toStrictEqual({ outcome: "appended", revision: 0n });
    await store.dispose();
    await second.stop();
  });
});
