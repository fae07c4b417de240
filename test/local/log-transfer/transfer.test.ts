/** The log of one server in another: whole, in order, byte for byte, whatever stops the transfer on the way. */
import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ANY,
  binaryEvent,
  jsonEvent,
  NO_STREAM,
  persistentSubscriptionToStreamSettingsFromDefaults as settings,
  StreamDeletedError,
  StreamNotFoundError,
  type EventStoreDBClient,
} from "@eventstore/db-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startEventStore, type EventStoreServer } from "../../../local/eventstoredb/event-store-server.ts";
import { exportLog, type ExportResult } from "../../../local/log-transfer/export-log.ts";
import { importLog } from "../../../local/log-transfer/import-log.ts";
import { formatLine, isTransferred, parseLine, type LogRecord } from "../../../local/log-transfer/log-line.ts";
import { readLog } from "../../../local/log-transfer/raw-calls.ts";
import { collect, connect, event, events, rejection } from "../eventstoredb/event-store-for-test.ts";

let directory: string;
let file: string;
const servers: EventStoreServer[] = [];
const clients: EventStoreDBClient[] = [];
let source: EventStoreDBClient;
let target: EventStoreDBClient;

const newServer = async (): Promise<EventStoreDBClient> => {
  const server = await startEventStore({ inMemory: true });
  servers.push(server);
  const client = connect(server);
  clients.push(client);
  return client;
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "log-transfer-"));
  file = join(directory, "log.ndjson");
  source = await newServer();
  target = await newServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(directory, { recursive: true });
});

const quiet = { signal: new AbortController().signal, progress: () => undefined };
const exported = (): Promise<ExportResult> => exportLog(source, file, quiet);

/** What of a log must be the same on both sides; position and time are the server's own. */
const contents = async (client: EventStoreDBClient): Promise<unknown[]> => {
  const found: unknown[] = [];
  for await (const { stream, revision, id, type, contentType, data, metadata } of readLog(client, undefined)) {
    if (!isTransferred(stream)) continue;
    // What a server writes by itself has an id of its own.
    const own = stream.startsWith("$$") || type === "$streamDeleted";
    const [bytes, about] = [Buffer.from(data).toString("hex"), Buffer.from(metadata).toString("hex")];
    found.push([stream, revision, own ? "" : id, type, contentType, bytes, about]);
  }
  return found;
};

/** A log with everything that could go wrong in another. */
const fill = async (client: EventStoreDBClient): Promise<void> => {
  await client.appendToStream("order-1", events(700));
  await client.appendToStream("order-2", event());
  await client.appendToStream("order-1", [
    binaryEvent({ type: "bytes", data: Uint8Array.from([0, 255, 10, 13]), metadata: Uint8Array.from([1, 254]) }),
    jsonEvent({ type: "text", data: "two\nlines, \u2028 and \u{1F600}", metadata: { by: "me" } }),
  ]);
  await client.setStreamMetadata("order-2", { maxCount: 1, acl: { readRoles: ["a"] } });
  await client.appendToStream("order-2", events(2));
  await client.deleteStream("order-2");
  await client.appendToStream("order-2", event("again"));
  await client.appendToStream("gone", events(3));
  await client.tombstoneStream("gone");
  await client.tombstoneStream("never-was", { expectedRevision: NO_STREAM });
  await client.appendToStream("deleted", events(2));
  await client.deleteStream("deleted");
  // Nothing but the server's own metadata tells of the append that brought it back.
  await client.appendToStream("back", events(3));
  await client.deleteStream("back");
  await client.appendToStream("back", []);
  await client.setStreamMetadata("back", { maxCount: 5 });
  await client.appendToStream("back", event());
  await client.setStreamMetadata("back", { truncateBefore: 2 });
  await client.appendToStream("twice", event());
  await client.deleteStream("twice");
  await client.deleteStream("twice");
  await client.setStreamMetadata("twice", { truncateBefore: 1 });
  await client.deleteStream("twice");
  await client.deleteStream("twice");
  await client.appendToStream("twice", event());
  const big = {
    ...event("big"),
    contentType: "application/octet-stream" as const,
    data: Buffer.from(`{"n":9007199254740993}`),
  };
  await client.appendToStream("order-1", big);
  await client.appendToStream("links", { ...big, id: randomUUID(), type: "$>", data: Buffer.from("0@order-1") });
};

describe("a log", () => {
  test("comes to another server whole and in order, byte for byte; a repeat of either step changes nothing", async () => {
    await fill(source);
    const first = await exported();
    const bytes = await readFile(file);
    expect(await exported()).toEqual({ written: 0, position: first.position });
    expect(await readFile(file)).toEqual(bytes);
    expect(await importLog(target, file, quiet)).toEqual({ events: first.written });
    const before = await contents(source);
    expect(await contents(target)).toEqual(before);
    expect(before).toHaveLength(first.written);
    expect(await importLog(target, file, quiet)).toEqual({ events: first.written });
    expect(await contents(target)).toEqual(before);
    expect(await rejection(collect(target.readStream("gone")))).toBeInstanceOf(StreamDeletedError);
    expect(await rejection(collect(target.readStream("never-was")))).toBeInstanceOf(StreamDeletedError);
    expect(await rejection(collect(target.readStream("deleted")))).toBeInstanceOf(StreamNotFoundError);
    expect(await collect(target.readStream("order-2"))).toHaveLength(1);
  });

  test("is exported a piece at a time: each run goes on where the file ends, also in the middle of a line", async () => {
    await source.appendToStream("s", events(5));
    await exported();
    await source.appendToStream("s", events(5));
    expect((await exported()).written).toBe(5);
    const whole = await readFile(file, "utf8");
    await truncate(file, whole.length - 20);
    expect((await exported()).written).toBe(1);
    expect(await readFile(file, "utf8")).toBe(whole);
    expect(whole.trim().split("\n")).toHaveLength(11);
  });

  test("that is stopped on its way in goes on where it was, also between a tombstone and what came before", async () => {
    await fill(source);
    await exported();
    const lines = (await readFile(file, "utf8")).split(/(?<=\n)/);
    const piece = join(directory, "piece.ndjson");
    for (const share of [0.1, 0.98, 0.985, 0.99, 0.995]) {
      await writeFile(piece, lines.slice(0, Math.ceil(lines.length * share)).join(""));
      await importLog(target, piece, quiet);
    }
    const stopped = AbortSignal.abort("SIGINT");
    await expect(importLog(target, file, { ...quiet, signal: stopped })).rejects.toBe("SIGINT");
    await importLog(target, file, quiet);
    expect(await contents(target)).toEqual(await contents(source));
  });

  test("leaves at home what a server keeps for itself", async () => {
    await source.createPersistentSubscriptionToStream("s", "g", settings());
    await source.setStreamMetadata("$settings", { maxCount: 3 });
    await source.appendToStream("s", event());
    await exported();
    const streams = (await readFile(file, "utf8"))
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => parseLine(line).stream);
    expect(streams).toEqual(["s"]);
  });
});

describe("an import is refused", () => {
  beforeEach(async () => {
    await source.appendToStream("s", events(3));
    await exported();
  });

  test("where the server has other events in the stream", async () => {
    await target.appendToStream("s", event());
    await expect(importLog(target, file, quiet)).rejects.toMatchObject({
      code: "STREAM_DIFFERS",
      message: expect.stringContaining("s has other events on the server than in the file, at revision 0") as unknown,
    });
    expect(await collect(target.readStream("s"))).toHaveLength(1);
  });

  test("where the server has tombstoned a stream that lives in the file", async () => {
    await target.tombstoneStream("s", { expectedRevision: ANY });
    await expect(importLog(target, file, quiet)).rejects.toMatchObject({
      code: "STREAM_DIFFERS",
      message: "s is deleted on the server and not in the file: import into an empty server",
    });
  });

  test("where revisions are missing in the file", async () => {
    const [header = "", , second = "", third = ""] = (await readFile(file, "utf8")).split(/(?<=\n)/);
    await writeFile(file, header + second + third);
    await expect(importLog(target, file, quiet)).rejects.toMatchObject({ code: "REVISIONS_MISSING" });
    expect(await rejection(collect(target.readStream("s")))).toBeInstanceOf(StreamNotFoundError);
  });

  test.each([
    ["is no export", "anything\n", "FILE_UNUSABLE", "does not begin as an exported log does"],
    ["is empty", "", "FILE_UNUSABLE", "does not begin as an exported log does"],
  ])("where the file %s", async (_, text, code, message) => {
    await writeFile(file, text);
    await expect(importLog(target, file, quiet)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as unknown,
    });
  });

  test("at a line that is no event or is cut off, by its place; what came before is there", async () => {
    const size = (await readFile(file)).length;
    await appendFile(file, `{"stream":"s"}\n`);
    await expect(importLog(target, file, quiet)).rejects.toMatchObject({
      code: "LINE_INVALID",
      message: expect.stringContaining(`at byte ${size} is no event`) as unknown,
    });
    await truncate(file, size + 5);
    await expect(importLog(target, file, quiet)).rejects.toMatchObject({
      code: "LINE_INVALID",
      message: expect.stringContaining("ends in the middle of a line") as unknown,
    });
    await truncate(file, size);
    await importLog(target, file, quiet);
    expect(await contents(target)).toEqual(await contents(source));
  });
});

test.each([["shopping list\n"], ["no line feed"], ["one\ntwo\nlast"], ['{"format":"other"']])(
  "an export into a file that is something else leaves that as it is: %j",
  async (text) => {
    await source.appendToStream("s", event());
    await writeFile(file, text);
    await expect(exported()).rejects.toMatchObject({ code: "FILE_UNUSABLE" });
    expect(await readFile(file, "utf8")).toBe(text);
  },
);

test("an export that was killed in the middle of its first line begins anew", async () => {
  await source.appendToStream("s", event());
  await writeFile(file, '{"format":"tide');
  expect((await exported()).written).toBe(1);
});

test.each([
  ["longer", 9],
  ["shorter", 1],
])("an export goes on with the log that it began with only, not with a %s one", async (_, count) => {
  await source.appendToStream("s", events(5));
  await exported();
  const before = await readFile(file, "utf8");
  await target.appendToStream("other", events(count));
  await expect(exportLog(target, file, quiet)).rejects.toMatchObject({
    code: "FILE_UNUSABLE",
    message: expect.stringContaining("is the export of another log") as unknown,
  });
  expect(await readFile(file, "utf8")).toBe(before);
});

test("a file that somebody else writes to is not written any further", async () => {
  for (let batch = 0; batch < 20; batch += 1) await source.appendToStream("s", events(500));
  let disturbed = false;
  const progress = (): void => {
    if (!disturbed) appendFileSync(file, "mine\n");
    disturbed = true;
  };
  await expect(exportLog(source, file, { ...quiet, progress })).rejects.toMatchObject({
    code: "FILE_UNUSABLE",
    message: expect.stringContaining("by somebody else") as unknown,
  });
});

test("no file comes of an export from a server that does not answer", async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await expect(exported()).rejects.toThrow();
  await expect(readFile(file)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a line holds any bytes, and no two are alike", () => {
  const record: LogRecord = {
    position: 18446744073709551615n,
    stream: "order-ä\n",
    revision: 9223372036854775807n,
    id: randomUUID(),
    type: 'a "type"',
    contentType: "application/json",
    created: new Date("2026-11-24T10:00:00.123Z"),
    data: Uint8Array.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]),
    metadata: Uint8Array.from([0xc3, 0x28]),
  };
  const line = formatLine(record);
  expect(line.indexOf("\n")).toBe(line.length - 1);
  const parsed = parseLine(line);
  expect({ ...parsed, data: Uint8Array.from(parsed.data), metadata: Uint8Array.from(parsed.metadata) }).toEqual(record);
});
