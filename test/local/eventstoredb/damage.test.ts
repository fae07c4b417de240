/** Damage of a data directory's files: found, told by name, and told from what kill -9 leaves behind. */
import { copyFile, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { collect, connect, events, rejection } from "./event-store-for-test.ts";
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
