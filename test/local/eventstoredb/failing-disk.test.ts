/** A disk that is full, read-only or fails: who writes is told, who reads is served, and what was said stays true. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  type EventStoreDBClient,
} from "@eventstore/db-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { consume } from "../../contract/consumer.ts";
import { bytesEvent, collect, connect, event, eventOf, follow, rejection } from "./event-store-for-test.ts";
import { runToEnd, startProcess } from "./server-process.ts";

const works = (command: string, ...parameters: string[]): boolean => spawnSync(command, parameters).status === 0;

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "event-store-disk-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Appends until one is refused. Returns the error, and the ids that were acknowledged. */
const appendUntilRefused = async (client: EventStoreDBClient, acknowledged: string[]): Promise<unknown> => {
  for (let count = 0; count < 1000; count += 1) {
    const next = bytesEvent(100_000);
    try {
      await client.appendToStream("s", next);
    } catch (error) {
      return error;
    }
    acknowledged.push(next.id);
  }
  throw new Error("No append was refused.");
};
const idsIn = async (client: EventStoreDBClient): Promise<string[]> =>
  (await collect(client.readStream("s"))).map((resolved) => eventOf(resolved).id);

describe.skipIf(!works("unshare", "-rm", "true"))("a disk of 8 MiB", () => {
  let holder: ChildProcess;
  let disk = "";
  let within: string[] = [];
  let filler = "";
  beforeEach(async () => {
    disk = directory;
    // The file system lives as long as this process; servers come and go in it.
    holder = spawn("unshare", [
      "-rm",
      "sh",
      "-c",
      'mount -t tmpfs -o size=8m none "$0" && echo up && exec sleep 600',
      disk,
    ]);
    if (holder.stdout !== null) await once(holder.stdout, "data");
    within = ["nsenter", "-t", String(holder.pid), "-U", "-m", "--preserve-credentials"];
    filler = join(`/proc/${holder.pid}/root`, disk, "filler");
  });
  afterEach(async () => {
    const ended = once(holder, "close");
    holder.kill("SIGKILL");
    await ended;
  });
  const parameters = (): string[] => ["--port", "0", "--data", join(disk, "data")];
  const fill = (): void => {
    const block = Buffer.alloc(4096);
    try {
      for (;;) writeFileSync(filler, block, { flag: "a" });
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOSPC" });
    }
  };

  test("full: every way to write says so, reads and subscriptions go on, room is enough to go on, a restart agrees", async () => {
    const server = await startProcess(parameters(), within);
    const client = connect(server);
    const acknowledged: string[] = [];
    const first = event();
    await client.appendToStream("s", first);
    acknowledged.push(first.id);
    // These are in the log of writes only: the file has no room to take them over when the server starts again.
    for (const large of Array.from({ length: 15 }, () => bytesEvent(100_000))) {
      await client.appendToStream("s", large);
      acknowledged.push(large.id);
    }
    await client.createPersistentSubscriptionToStream("s", "g", streamSettings({ startFrom: START }));
    const consumer = consume(client.subscribeToPersistentSubscriptionToStream("s", "g"));
    const followed = follow(client.subscribeToAll());
    await followed.caughtUp();
    fill();
    const told = `${join(disk, "data", "event-store.db")} could not be written: the disk is full`;
    expect(String(await appendUntilRefused(client, acknowledged))).toContain(told);
    // With credentials the client takes the older call.
    const older = client.appendToStream("s", bytesEvent(100_000), { credentials: { username: "u", password: "p" } });
    expect(String(await rejection(older))).toContain(told);
    expect(String(await rejection(client.setStreamMetadata("s", { filler: "x".repeat(100_000) })))).toContain(told);
    expect(await idsIn(client)).toEqual(acknowledged);
    await consumer.reached(acknowledged.length);

    await server.kill("SIGKILL");
    await client.dispose().catch(() => undefined);
    const second = await startProcess(parameters(), within);
    const again = connect(second);
    expect(await idsIn(again)).toEqual(acknowledged);
    const still = follow(again.subscribeToStream("s"));
    await still.reached(acknowledged.length);
    expect(String(await appendUntilRefused(again, acknowledged))).toContain("the disk is full");
    rmSync(filler);
    const last = event();
    const result = await again.appendToStream("s", last);
    acknowledged.push(last.id);
    expect(result.nextExpectedRevision).toBe(BigInt(acknowledged.length - 1));
    await still.reached(acknowledged.length);
    expect(still.items.map((resolved) => eventOf(resolved).id)).toEqual(acknowledged);
    await again.dispose();
    expect(await second.kill("SIGTERM")).toMatchObject({ code: 0, stderr: "" });

    const third = await startProcess(parameters(), within);
    const finally_ = connect(third);
    expect(await idsIn(finally_)).toEqual(acknowledged);
    await finally_.dispose();
    await third.kill("SIGTERM");
  });

  test("read-only: refused at the start by name, and nothing is changed", async () => {
    const server = await startProcess(parameters(), within);
    const client = connect(server);
    await client.appendToStream("s", event());
    const before = await idsIn(client);
    await client.dispose();
    await server.kill("SIGTERM");
    const remount = (how: string): void => {
      expect(spawnSync(within[0] ?? "", [...within.slice(1), "mount", "-o", `remount,${how}`, disk]).status).toBe(0);
    };
    remount("ro");
    const { code, stderr } = await runToEnd([...parameters(), "--json"], within);
    expect([code, JSON.parse(stderr)]).toMatchObject([1, { error: { code: "DATA_DIRECTORY_UNUSABLE" } }]);
    expect(stderr).toContain("event-store.db");
    remount("rw");
    const second = await startProcess(parameters(), within);
    const again = connect(second);
    expect(await idsIn(again)).toEqual(before);
    await again.dispose();
    await second.kill("SIGTERM");
  });
});

test.skipIf(!works("prlimit", "--fsize=unlimited:", "true"))(
  "writes that the system refuses are never acknowledged and leave nothing; when it takes them again, appends go on",
  async () => {
    const parameters = ["--port", "0", "--data", directory];
    // No file may grow past this: the write fails as it does on a broken disk.
    const server = await startProcess(parameters, ["prlimit", `--fsize=${2 * 1024 * 1024}:`]);
    const client = connect(server);
    const followed = follow(client.subscribeToStream("s"));
    const acknowledged: string[] = [];
    for (let time = 0; time < 3; time += 1) {
      expect(String(await appendUntilRefused(client, acknowledged))).toContain(
        `${join(directory, "event-store.db")} could not be read or written: the disk reports an error`,
      );
      expect(await idsIn(client)).toEqual(acknowledged);
    }
    expect(works("prlimit", "--pid", String(server.pid), "--fsize=unlimited:")).toBe(true);
    const last = event();
    await client.appendToStream("s", last);
    acknowledged.push(last.id);
    await followed.reached(acknowledged.length);
    expect(followed.items.map((resolved) => eventOf(resolved).id)).toEqual(acknowledged);
    await server.kill("SIGKILL");
    await client.dispose().catch(() => undefined);
    const second = await startProcess(parameters);
    const again = connect(second);
    expect(await idsIn(again)).toEqual(acknowledged);
    await again.dispose();
    await second.kill("SIGTERM");
  },
);
