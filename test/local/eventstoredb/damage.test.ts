/** Damage of a data directory's files: found, told by name, and told from what kill -9 leaves behind. */
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  type EventStoreDBClient,
} from "@eventstore/db-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { consume } from "../../contract/consumer.ts";
import type { ProposedEvent } from "../../../local/eventstoredb/log/event.ts";
import { openEventLog, type EventLog } from "../../../local/eventstoredb/log/event-log.ts";
import { bytesEvent, collect, connect, event, events, eventOf, follow, rejection } from "./event-store-for-test.ts";
import { newSeed, seededRandom } from "./seeded-random.ts";
import { startProcess } from "./server-process.ts";

let dataDirectory = "";
let file = "";
let logFile = "";
beforeEach(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "event-store-damage-"));
  file = join(dataDirectory, "event-store.db");
  logFile = `${file}-wal`;
});
afterEach(() => rm(dataDirectory, { recursive: true }));

/** Leaves what a server leaves that was killed after ten acknowledged appends. */
const appendAndKill = async (): Promise<void> => {
  const server = await startProcess(["--port", "0", "--data", dataDirectory]);
  const client = connect(server);
  for (let batch = 0; batch < 10; batch += 1) await client.appendToStream("s", events(100));
  await server.kill("SIGKILL");
  await client.dispose().catch(() => undefined);
};
const count = async (): Promise<number> => {
  const server = await startEventStore({ dataDirectory });
  const client = connect(server);
  const found = await collect(client.readStream("s"));
  await client.dispose();
  await server.stop();
  return found.length;
};
const write = async (to: string, position: number, bytes: Buffer): Promise<void> => {
  const handle = await open(to, "r+");
  await handle.write(bytes, 0, bytes.length, position);
  await handle.close();
};

test("kill -9 in the middle of a checkpoint, when the file is shorter than it says, costs nothing", async () => {
  await appendAndKill();
  const log = await readFile(logFile);
  const pageSize = log.readUInt32BE(8);
  // A checkpoint copies pages in their order, so the first thing it writes is the page with the size of all.
  let firstPage: Buffer | undefined;
  for (let at = 32; at + 24 + pageSize <= log.length; at += 24 + pageSize) {
    if (log.readUInt32BE(at) === 1) firstPage = log.subarray(at + 24, at + 24 + pageSize);
  }
  await write(file, 0, firstPage ?? Buffer.alloc(0));
  expect((await stat(file)).size).toBeLessThan((firstPage?.readUInt32BE(28) ?? 0) * pageSize);
  expect(await count()).toBe(1000);
});

test("a last write that was cut off was never acknowledged: the server starts with what came before it", async () => {
  await appendAndKill();
  await truncate(logFile, (await stat(logFile)).size - 100);
  expect(await count()).toBe(900);
});

test.each([
  ["its header", () => 0],
  ["its middle", (size: number) => Math.floor(size / 2)],
])(
  "a log of writes that is damaged in %s is refused by name: acknowledged events would be missing",
  async (_, place) => {
    await appendAndKill();
    const { size } = await stat(logFile);
    await write(logFile, place(size), Buffer.from("damage"));
    const before = await readFile(logFile);
    expect(await rejection(startEventStore({ dataDirectory }))).toMatchObject({
      code: "DATA_DIRECTORY_DAMAGED",
      file: logFile,
    });
    expect(await readFile(logFile)).toEqual(before);
  },
);

test("a damaged page anywhere in the file is refused by name", async () => {
  await appendAndKill();
  await count();
  const good = `${file}.good`;
  await copyFile(file, good);
  const pages = (await stat(file)).size / 8192;
  for (const page of [1, 2, Math.floor(pages / 2), pages - 1]) {
    await copyFile(good, file);
    await write(file, page * 8192, Buffer.alloc(8192, 0xab));
    expect(await rejection(startEventStore({ dataDirectory }))).toMatchObject({ code: "DATA_DIRECTORY_DAMAGED", file });
  }
});

test("a server that is at work is told by its lock, whatever its log of writes looks like at the moment", async () => {
  const server = await startEventStore({ dataDirectory });
  const log = await readFile(logFile);
  await writeFile(logFile, Buffer.from("damage"), { flag: "r+" });
  expect(await rejection(startEventStore({ dataDirectory }))).toMatchObject({ code: "DATA_DIRECTORY_LOCKED" });
  await writeFile(logFile, log, { flag: "r+" });
  await server.stop();
});

const proposed = (index: number): ProposedEvent => ({
  id: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
  type: `type-${index % 5}`,
  isJson: true,
  data: Buffer.from(JSON.stringify({ index, filler: "x".repeat(150) })),
  metadata: new Uint8Array(0),
});
const streams = Array.from({ length: 6 }, (_, index) => `s-${index}`);
const fillLog = async (): Promise<void> => {
  const log = await openEventLog(dataDirectory);
  for (let batch = 0; batch < 60; batch += 1) {
    const batchOf20 = Array.from({ length: 20 }, (_, index) => proposed(batch * 20 + index));
    await log.append({ stream: `s-${batch % 6}`, expectedRevision: "any", events: batchOf20 });
  }
  const metadata = { ...proposed(2000), type: "$metadata", data: Buffer.from('{"$maxCount":50}') };
  await log.append({ stream: "$$s-1", expectedRevision: "any", events: [metadata] });
  await log.delete({ stream: "s-2", expectedRevision: "any" });
  await log.append({ stream: "empty", expectedRevision: "any", events: [] });
  log.close();
};
/** Everything that a log shows, in one text. */
const shown = (log: EventLog): string => {
  const lines: string[] = [];
  for (let position: bigint | undefined = -1n; position !== undefined;) {
    const page = log.all.forwards(position, 100);
    for (const { position: at, revision, streamId, typeId, record } of page.events)
      lines.push(`${at} ${revision} ${streamId} ${typeId} ${Buffer.from(record).toString("base64")}`);
    position = page.last;
  }
  for (const stream of [...streams, "$$s-1", "none"]) {
    for (let from: bigint | undefined = 0n; from !== undefined;) {
      const page = log.streams.forwards(stream, from, 100);
      lines.push(`${stream} ${page.kind}`);
      if (page.kind === "page") lines.push(page.events.map(({ position }) => position).join());
      from = page.kind === "page" ? page.next : undefined;
    }
    const last = log.streams.backwards(stream, log.lastRevision(stream), 3);
    lines.push(last.kind === "page" ? last.events.map(({ position }) => position).join() : last.kind);
  }
  return lines.join("\n");
};

const seed = newSeed();

test(`a bit that flips anywhere is refused at the start, or met by a read, or changes nothing (TIDEMARK_SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  await fillLog();
  const log = await openEventLog(dataDirectory);
  const good = shown(log);
  log.close();
  const bytes = await readFile(file);
  const outcomes = { refused: 0, met: 0, unchanged: 0 };
  for (let flip = 0; flip < 300; flip += 1) {
    const flipped = Buffer.from(bytes);
    const at = random.between(0, bytes.length - 1);
    const bit = random.between(0, 7);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
    await rm(logFile, { force: true });
    await writeFile(file, flipped);
    let damagedLog: EventLog | undefined;
    try {
      damagedLog = await openEventLog(dataDirectory);
      expect([at, bit, shown(damagedLog) === good]).toEqual([at, bit, true]);
      outcomes.unchanged += 1;
    } catch (error) {
      if (damagedLog === undefined) outcomes.refused += 1;
      else outcomes.met += 1;
      expect([at, bit, error]).toMatchObject([at, bit, { code: "DATA_DIRECTORY_DAMAGED", file }]);
    } finally {
      damagedLog?.close();
    }
  }
  expect(outcomes.met).toBeGreaterThan(outcomes.refused);
  expect(outcomes.met + outcomes.refused).toBeGreaterThan(outcomes.unchanged);
});

test("a definition of a table that names a column in another case is refused: its rows would not be found", async () => {
  await fillLog();
  const bytes = await readFile(file);
  await rm(logFile, { force: true });
  await write(file, bytes.indexOf("revision INTEGER"), Buffer.from("R"));
  expect(await rejection(startEventStore({ dataDirectory }))).toMatchObject({ code: "DATA_DIRECTORY_DAMAGED", file });
});

/** More than a start checks whole. */
const appendMegabytes = async (client: EventStoreDBClient): Promise<void> => {
  for (let megabyte = 0; megabyte < 70; megabyte += 1) await client.appendToStream("bulk", bytesEvent(1_000_000));
};

test("damage that only a read can meet is told by it, with the file's name; what is not damaged is served", async () => {
  const server = await startEventStore({ dataDirectory });
  const client = connect(server);
  const marked = "a text that is found nowhere else";
  await client.appendToStream("good", events(3));
  await client.appendToStream("bad", [event(), event("happened", { marked }), event()]);
  await appendMegabytes(client);
  await client.dispose();
  await server.stop();
  const bytes = await readFile(file);
  // What was moved within the file leaves a copy where it was.
  for (let at = bytes.indexOf(marked); at >= 0; at = bytes.indexOf(marked, at + 1))
    await write(file, at, Buffer.from("A"));

  const second = await startEventStore({ dataDirectory });
  const again = connect(second);
  const told = `${file} is damaged. Restore it from a backup`;
  expect(String(await rejection(collect(again.readStream("bad"))))).toContain(told);
  expect(String(await rejection(collect(again.readAll({ direction: "forwards" }))))).toContain(told);
  expect(String(await follow(again.subscribeToStream("bad")).failed())).toContain(told);
  expect(String(await follow(again.subscribeToAll()).failed())).toContain(told);
  await again.createPersistentSubscriptionToStream("bad", "g", streamSettings({ startFrom: START }));
  const consumer = consume(again.subscribeToPersistentSubscriptionToStream("bad", "g"));
  await expect.poll(() => consumer.errors.map(String).join()).toContain(told);
  expect(consumer.delivered).toEqual([]);
  expect(await collect(again.readStream("good"))).toHaveLength(3);
  expect((await again.appendToStream("good", event())).nextExpectedRevision).toBe(3n);
  expect((await collect(again.readStream("bad", { maxCount: 1 }))).map((read) => eventOf(read).revision)).toEqual([0n]);
  await again.dispose();
  await second.stop();
});

test.each<[string, () => Promise<unknown>, string]>([
  ["an empty file", () => writeFile(file, ""), "is empty"],
  ["a directory", () => rm(file).then(() => mkdir(file)), "cannot be opened"],
  ["a text", () => writeFile(file, "no database ".repeat(1000)), "is damaged"],
  ["no file at all, beside a log of writes", () => rm(file).then(() => writeFile(logFile, "left")), "is missing"],
  ["a file whose end is gone", async () => truncate(file, (await stat(file)).size - 8192), "is damaged"],
  ["a file whose end is gone within a page", async () => truncate(file, (await stat(file)).size - 100), "is damaged"],
])("%s in place of the events is refused by name and left as it is", async (_, damage, told) => {
  await fillLog();
  await damage();
  const before = await readdir(dataDirectory);
  const error = await rejection(startEventStore({ dataDirectory }));
  expect(error).toMatchObject({ name: "DataDirectoryError", file });
  expect(String(error)).toContain(told);
  expect(await readdir(dataDirectory)).toEqual(before);
});

const alter = (sql: string): void => {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
};

test("a file of a newer format is refused by name", async () => {
  await fillLog();
  alter("PRAGMA user_version = 3");
  const error = await rejection(startEventStore({ dataDirectory }));
  expect(error).toMatchObject({ code: "DATA_DIRECTORY_DAMAGED", file });
  expect(String(error)).toContain("has format 3, this server reads formats up to 2");
});

test("a file of format 1 is taken over whole, once, and has checksums from then on", async () => {
  await fillLog();
  const log = await openEventLog(dataDirectory);
  const good = shown(log);
  log.close();
  alter(`
    ALTER TABLE events ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
    UPDATE events SET size = length(record) + 56;
    ALTER TABLE events DROP COLUMN checksum;
    PRAGMA user_version = 1;
  `);
  for (let start = 0; start < 2; start += 1) {
    const upgraded = await openEventLog(dataDirectory);
    expect(shown(upgraded)).toBe(good);
    upgraded.close();
  }
  alter("UPDATE events SET created = created + 1 WHERE position = 0");
  const damaged = await openEventLog(dataDirectory);
  expect(() => damaged.all.forwards(-1n, 1)).toThrow(`${file} is damaged`);
  damaged.close();
});
