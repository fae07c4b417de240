/** Group commit: who fails, what a failure may not do, and what is remembered of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CommitQueue, type Transactions } from "../../../local/eventstoredb/log/commit-queue.ts";
import { openLogDatabase } from "../../../local/eventstoredb/log/log-database.ts";
import { LogWriter, type AppendOutcome } from "../../../local/eventstoredb/log/log-writer.ts";
import { AllReader } from "../../../local/eventstoredb/log/all-reader.ts";
import { StreamDirectory } from "../../../local/eventstoredb/log/stream-directory.ts";

const directory = mkdtempSync(join(tmpdir(), "event-store-queue-"));
const database = openLogDatabase(directory);
afterAll(() => {
  database.close();
  rmSync(directory, { recursive: true });
});
const writer = new LogWriter(database, new StreamDirectory(database), Date.now);
const append = (stream: string, id: string) => (): unknown => appendTo(writer, stream, id);
const appendTo = (to: LogWriter, stream: string, id: string): AppendOutcome =>
  to.append({
    stream,
    expectedRevision: "any",
    events: [{ id, type: "t", isJson: true, data: new Uint8Array(0), metadata: new Uint8Array(0) }],
  });
const stored = (): unknown => database.prepare("SELECT count(*) AS events FROM events").get()?.["events"];

test("one write that fails for a reason of its own fails alone, and nothing of it stays", async () => {
  const queue = new CommitQueue(database, writer, () => undefined);
  const fails = (): never => {
    append("two", "00000000-0000-4000-8000-000000000002")();
    throw new Error("of its own");
  };
  const outcomes = await Promise.allSettled([
    queue.submit(append("one", "00000000-0000-4000-8000-000000000001")),
    queue.submit(fails),
    queue.submit(append("two", "00000000-0000-4000-8000-000000000003")),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(stored()).toBe(2);
});

test("a listener that fails makes nothing be written twice: the events were on disk before it was told", async () => {
  const before = Number(stored());
  const queue = new CommitQueue(database, writer, () => {
    throw new Error("the listener's");
  });
  const written = Promise.all([
    queue.submit(append("three", "00000000-0000-4000-8000-000000000004")),
    queue.submit(append("four", "00000000-0000-4000-8000-000000000005")),
  ]);
  // Writes at once, where the failure can be caught; at work it ends the process.
  expect(() => queue.close()).toThrow("the listener's");
  await written;
  expect(Number(stored()) - before).toBe(2);
});

/** As SQLite reports an fsync that failed. */
const syncFailed = (): Error => Object.assign(new Error("disk I/O error"), { errcode: 1034 });

test("after a sync that failed nothing is acknowledged, and what is in memory is what is on disk", async () => {
  const ownDirectory = mkdtempSync(join(tmpdir(), "event-store-sync-"));
  const own = openLogDatabase(ownDirectory);
  const names = new StreamDirectory(own);
  const ownWriter = new LogWriter(own, names, Date.now);
  const all = new AllReader(own, names);
  let failing = false;
  const disk: Transactions = {
    exec: (sql) => {
      if (failing && sql === "COMMIT") throw syncFailed();
      own.exec(sql);
    },
    get isTransaction() {
      return own.isTransaction;
    },
    location: () => own.location(),
  };
  const heard: number[] = [];
  const queue = new CommitQueue(disk, ownWriter, ({ events }) => heard.push(events.length));
  const submit = (stream: string, id: number): Promise<AppendOutcome> =>
    queue.submit((to) => appendTo(to, stream, `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`));
  const checkpoints = "$persistentsubscription-$all::g-checkpoint";

  expect(await submit("a", 1)).toMatchObject({ kind: "appended", revision: 0n, position: 0n });
  failing = true;
  const refused = await Promise.allSettled([submit("a", 2), submit("b", 1), submit("b", 3), submit(checkpoints, 4)]);
  for (const outcome of refused) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "STORAGE_FAILED", file: own.location() } });
  }
  expect(heard).toEqual([1]);
  expect(all.forwards(-1n, 100).events).toHaveLength(1);
  failing = false;

  // Known from before the failure, and known to have been in the first stream.
  expect(await submit("a", 1)).toMatchObject({ kind: "repeated", revision: 0n });
  // Not known from the failure. The row of the hidden stream that was not made is this stream's now.
  const second = await submit("b", 3);
  expect(second).toMatchObject({ kind: "appended", revision: 0n });
  expect(await submit("a", 2)).toMatchObject({ kind: "appended", revision: 1n });
  expect(all.forwards(-1n, 100).events.map(({ revision }) => revision)).toEqual([0n, 0n, 1n]);
  const [first, next] = all.forwards(-1n, 100).events;
  // Positions go on without a gap, as if the failed commits had not been.
  expect(next?.position).toBe(BigInt((first?.record.length ?? 0) + 56));

  expect(await submit(checkpoints, 4)).toMatchObject({ kind: "appended", revision: 0n });
  expect(all.forwards(-1n, 100).events).toHaveLength(3);
  own.close();
  const reopened = openLogDatabase(ownDirectory);
  expect(new AllReader(reopened, new StreamDirectory(reopened)).forwards(-1n, 100).events).toHaveLength(3);
  reopened.close();
  rmSync(ownDirectory, { recursive: true });
});
