/** The command: its ready line, its exit codes, its refusals, its end. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { readdir, readFile, rm, symlink, writeFile, truncate, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  EventStoreDBClient,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  StreamNotFoundError,
} from "@eventstore/db-client";
import { afterAll, expect, test } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { consume } from "../../contract/consumer.ts";
import { bytesEvent, collect, connect, event, events, follow, newStream, rejection } from "./event-store-for-test.ts";
import { connectNeverReading } from "./never-reading.ts";
import { mainFile, runToEnd, startProcess } from "./server-process.ts";

const base = mkdtempSync(join(tmpdir(), "event-store-process-"));
afterAll(() => rm(base, { recursive: true }));
let directories = 0;
const directory = (): string => join(base, `data-${(directories += 1)}`);

test("prints one line when ready, and ends with 0 within 2 s of SIGTERM and SIGINT while clients are connected", async () => {
  const data = directory();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const server = await startProcess(["--port", "0", "--data", data, "--json"]);
    expect(JSON.parse(server.readyLine)).toEqual({
      ready: true,
      connectionString: server.connectionString,
      port: server.port,
      dataDirectory: data,
      pid: server.pid,
    });
    const client = connect(server);
    const followed = follow(client.subscribeToStream(newStream()));
    await followed.caughtUp();
    await client.appendToStream(newStream(), event());
    const before = Date.now();
    const { code, stdout } = await server.kill(signal);
    expect(Date.now() - before).toBeLessThan(2000);
    expect([code, stdout.trim().split("\n")]).toEqual([0, [server.readyLine.trim()]]);
    await client.dispose();
  }
});

test("SIGTERM answers the appends that are under way and ends whoever listens or does not read; more signals do no harm", async () => {
  const data = directory();
  const server = await startProcess(["--port", "0", "--data", data]);
  const client = connect(server);
  for (let batch = 0; batch < 5; batch += 1) await client.appendToStream("large", bytesEvent(1_000_000));
  const followed = follow(client.subscribeToAll());
  await followed.reached(5);
  await client.createPersistentSubscriptionToStream("s", "g", streamSettings({ startFrom: START }));
  const consumer = consume(client.subscribeToPersistentSubscriptionToStream("s", "g"), () => "nothing");
  await client.appendToStream("s", event());
  await consumer.reached(1);
  const neverReads = await connectNeverReading(server.port, "large");
  const appends = Array.from({ length: 200 }, () => client.appendToStream("s", event()));
  await appends[0];
  const before = Date.now();
  const ended = server.kill("SIGTERM");
  const answered = await Promise.all(appends);
  process.kill(server.pid, "SIGTERM");
  process.kill(server.pid, "SIGINT");
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
  expect(Date.now() - before).toBeLessThan(2000);
  expect(answered.map(({ nextExpectedRevision }) => nextExpectedRevision)).toEqual(
    answered.map((_, index) => BigInt(index + 1)),
  );
  neverReads.destroy();
  await client.dispose().catch(() => undefined);
  const again = await startEventStore({ dataDirectory: data });
  const reader = connect(again);
  expect(await collect(reader.readStream("s"))).toHaveLength(201);
  await reader.dispose();
  await again.stop();
});

test("ends when the shell ends that npm runs it in: npm passes signals on to that shell only", async () => {
  const shell = spawn("sh", ["-c", `"$0" "$1" --port 0 --data "$2"; true`, process.execPath, mainFile, directory()], {
    env: { ...process.env, npm_lifecycle_event: "eventstore" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(shell.stdout, "data");
  const outputClosed = once(shell.stdout.resume(), "close");
  shell.kill("SIGTERM");
  // The pipe closes when the last process that has it ends, which is the server.
  await outputClosed;
});

test("a port in use: an error that names port and flag, exit 1", async () => {
  const server = await startEventStore();
  const { code, stderr } = await runToEnd(["--port", String(server.port), "--data", directory()]);
  await server.stop();
  expect(code).toBe(1);
  expect(stderr).toBe(
    `error: Port ${server.port} on 127.0.0.1 is in use. Stop what listens there, or name another one with --port.\n`,
  );
});

test("a second server on one directory is refused, in another process and in this one; the lock dies with its process", async () => {
  const data = directory();
  const first = await startProcess(["--port", "0", "--data", data]);
  const { code, stderr } = await runToEnd(["--port", "0", "--data", data, "--json"]);
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: "DATA_DIRECTORY_LOCKED" } });
  expect(await rejection(startEventStore({ dataDirectory: data }))).toMatchObject({ code: "DATA_DIRECTORY_LOCKED" });
  await first.kill("SIGKILL");
  const second = await startEventStore({ dataDirectory: data });
  expect(await rejection(startEventStore({ dataDirectory: data }))).toMatchObject({ code: "DATA_DIRECTORY_LOCKED" });
  await second.stop();
});

test("what a start left that was killed while it made the file is taken away by the next one", async () => {
  const data = directory();
  await mkdir(data);
  await writeFile(join(data, "event-store.db.new-1"), "half");
  await (await startEventStore({ dataDirectory: data })).stop();
  expect(await readdir(data)).toEqual(["event-store.db"]);
});

test("the lock holds through a symbolic link, too", async () => {
  const data = directory();
  const link = directory();
  const first = await startProcess(["--port", "0", "--data", data]);
  await symlink(data, link);
  expect(await runToEnd(["--port", "0", "--data", link])).toMatchObject({ code: 1, stdout: "" });
  expect(await rejection(startEventStore({ dataDirectory: link }))).toMatchObject({ code: "DATA_DIRECTORY_LOCKED" });
  await first.kill("SIGTERM");
});

test("of servers that start at the same moment on a new directory one runs, the others are told that it is in use", async () => {
  for (let round = 0; round < 3; round += 1) {
    const data = directory();
    const starts = await Promise.allSettled([1, 2, 3].map(() => startProcess(["--port", "0", "--data", data])));
    const running = starts.filter((start) => start.status === "fulfilled");
    const refused = starts.filter((start) => start.status === "rejected").map(({ reason }) => String(reason));
    expect([running.length, refused.length]).toEqual([1, 2]);
    for (const reason of refused) expect(reason).toContain("is in use by another event store");
    for (const { value } of running) await value.kill("SIGTERM");
    expect(await readdir(data)).toEqual(["event-store.db"]);
  }
});

test.each([
  [
    "no database at all",
    (file: string) => writeFile(file, "this is not a database, but it is long enough to be read as one ".repeat(50)),
  ],
  [
    "a database of another program",
    (file: string) => {
      const database = new DatabaseSync(file);
      database.exec("CREATE TABLE other (id INTEGER)");
      database.close();
      return Promise.resolve();
    },
  ],
])("%s is refused by name and left as it is", async (_name, make) => {
  const data = directory();
  const file = join(data, "event-store.db");
  await mkdir(data);
  await make(file);
  const before = await readFile(file);
  const { code, stderr } = await runToEnd(["--port", "0", "--data", data]);
  expect(code).toBe(1);
  expect(stderr).toContain(file);
  expect(await readFile(file)).toEqual(before);
  expect(await rejection(startEventStore({ dataDirectory: data }))).toMatchObject({
    code: "DATA_DIRECTORY_DAMAGED",
    file,
  });
});

test("a database that was cut short is refused by name", async () => {
  const data = directory();
  const server = await startEventStore({ dataDirectory: data });
  const client = connect(server);
  await client.appendToStream("s", events(500));
  await client.dispose();
  await server.stop();
  const file = join(data, "event-store.db");
  await truncate(file, 20_000);
  expect(await rejection(startEventStore({ dataDirectory: data }))).toMatchObject({
    code: "DATA_DIRECTORY_DAMAGED",
    file,
  });
});

test("a directory that cannot be made is refused by name", async () => {
  const file = join(base, "a-file");
  await writeFile(file, "");
  expect(await rejection(startEventStore({ dataDirectory: join(file, "data") }))).toMatchObject({
    code: "DATA_DIRECTORY_UNUSABLE",
  });
});

test("an address that others can reach needs --insecure", async () => {
  const { code, stderr } = await runToEnd(["--port", "0", "--host", "0.0.0.0", "--data", directory()]);
  expect([code, stderr.includes("--insecure")]).toEqual([1, true]);
});

test("a port that is none is refused", async () => {
  expect(await runToEnd(["--port", "banana"])).toMatchObject({ code: 1 });
});

test("the limit of appends is named by a flag or by the real server's variable, and is a size", async () => {
  const parameters = ["--port", "0", "--in-memory"];
  const byFlag = await startProcess([...parameters, "--max-append-size", "100"]);
  const byVariable = await startProcess(parameters, ["env", "EVENTSTORE_MAX_APPEND_SIZE=100"]);
  for (const server of [byFlag, byVariable]) {
    const client = connect(server);
    await client.appendToStream("s", bytesEvent(100));
    expect(await rejection(client.appendToStream("s", bytesEvent(101)))).toMatchObject({ maxAppendSize: 100 });
    await client.dispose();
    await server.kill("SIGTERM");
  }
  for (const none of ["0", "1MB", "16777217"]) {
    const { code, stderr } = await runToEnd([...parameters, "--max-append-size", none]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("A size is a number of bytes from 1 to 16767216.")]);
  }
});

test("several servers in one process know nothing of each other, and a temporary one leaves nothing behind", async () => {
  const servers = await Promise.all([1, 2, 3].map(() => startEventStore()));
  const clients = servers.map(connect);
  await Promise.all(clients.map((client, index) => client.appendToStream("s", events(index + 1))));
  const last = await Promise.all(
    clients.map(async (client) => (await client.appendToStream("s", event())).nextExpectedRevision),
  );
  expect(last).toEqual([1n, 2n, 3n]);
  await Promise.all(clients.map((client) => client.dispose()));
  await Promise.all(servers.map((server) => server.stop()));
  for (const server of servers)
    await expect(readFile(join(server.dataDirectory ?? "", "event-store.db"))).rejects.toMatchObject({
      code: "ENOENT",
    });
});

test("--follower runs a late follower beside it, for clients that are to know a cluster", async () => {
  const server = await startProcess(["--port", "0", "--in-memory", "--follower", "600000", "--json"]);
  const ready = JSON.parse(server.readyLine) as { follower: { connectionString: string; port: number } };
  const client = EventStoreDBClient.connectionString(
    `esdb://127.0.0.1:${server.port},127.0.0.1:${ready.follower.port}?tls=false&nodePreference=leader`,
  );
  await client.appendToStream("s", events(1));
  expect(await collect(client.readStream("s"))).toHaveLength(1);
  const late = EventStoreDBClient.connectionString(ready.follower.connectionString);
  expect(await rejection(collect(late.readStream("s")))).toBeInstanceOf(StreamNotFoundError);
  await Promise.all([client.dispose(), late.dispose()]);
  expect((await server.kill("SIGTERM")).code).toBe(0);
  expect((await runToEnd(["--follower", "soon"])).stderr).toContain("A lag is a whole number of milliseconds.");
});

test("an address that the machine does not have is refused by name", async () => {
  const { code, stderr } = await runToEnd(["--host", "192.0.2.1", "--insecure", "--in-memory", "--json"]);
  expect([code, JSON.parse(stderr)]).toEqual([
    1,
    {
      error: {
        code: "HOST_UNUSABLE",
        message: "192.0.2.1 is no address of this machine. Leave --host out, or name one that it has.",
      },
    },
  ]);
});
