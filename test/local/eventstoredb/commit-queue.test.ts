/** Group commit: who fails, and what a failure may not do. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CommitQueue } from "../../../local/eventstoredb/log/commit-queue.ts";
import { openLogDatabase } from "../../../local/eventstoredb/log/log-database.ts";
import { LogWriter } from "../../../local/eventstoredb/log/log-writer.ts";
import { StreamDirectory } from "../../../local/eventstoredb/log/stream-directory.ts";

const directory = mkdtempSync(join(tmpdir(), "event-store-queue-"));
const database = openLogDatabase(directory);
afterAll(() => {
  database.close();
  rmSync(directory, { recursive: true });
});
const writer = new LogWriter(database, new StreamDirectory(database), Date.now);
const append = (stream: string, id: string) => (): unknown =>
  writer.append({
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
