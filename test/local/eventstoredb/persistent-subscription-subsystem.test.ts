/** The groups of a server together: what a consumer that connects may meet, and what a crash finds on disk. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openEventLog, type EventLog } from "../../../local/eventstoredb/log/event-log.ts";
import {
  CheckpointWriter,
  loadCheckpoint,
} from "../../../local/eventstoredb/persistent-subscriptions/checkpoint-writer.ts";
import { loadConfiguration } from "../../../local/eventstoredb/persistent-subscriptions/configuration.ts";
import type { Group, GroupConsumer } from "../../../local/eventstoredb/persistent-subscriptions/group.ts";
import type { GroupSettings } from "../../../local/eventstoredb/persistent-subscriptions/settings.ts";
import { PersistentSubscriptions } from "../../../local/eventstoredb/persistent-subscriptions/subsystem.ts";

const directory = mkdtempSync(join(tmpdir(), "event-store-subsystem-"));
let log: EventLog;
let subscriptions: PersistentSubscriptions;
beforeAll(async () => {
  log = await openEventLog(directory);
  subscriptions = new PersistentSubscriptions(log);
});
afterAll(async () => {
  await subscriptions.stop();
  log.close();
  rmSync(directory, { recursive: true });
});

const settings: GroupSettings = {
  resolveLinkTos: false,
  startFrom: 0n,
  extraStatistics: false,
  messageTimeout: 30_000,
  maxRetryCount: 10,
  checkPointAfter: 2000,
  minCheckPointCount: 10,
  maxCheckPointCount: 1000,
  maxSubscriberCount: 1,
  liveBufferSize: 500,
  readBatchSize: 20,
  historyBufferSize: 500,
  consumerStrategy: "RoundRobin",
};
const joinAs =
  (id: string, dropped: string[] = []) =>
  (group: Group): void => {
    const consumer: GroupConsumer = {
      id,
      bufferSize: 10,
      username: "",
      connectionName: "",
      deliver: () => undefined,
      drop: () => dropped.push(id),
    };
    group.connect(consumer);
  };

test("of two consumers that connect at the same time for one place, one gets it", async () => {
  const key = { source: "s", group: "one-place" };
  await subscriptions.create({ ...key, settings, filter: undefined });
  const outcomes = await Promise.all([
    subscriptions.connect(key, joinAs("first")),
    subscriptions.connect(key, joinAs("second")),
  ]);
  expect(outcomes).toEqual([{ kind: "done" }, { kind: "maximum-subscribers-reached" }]);
});

test("a consumer that connects while the subsystem restarts is dropped or joins the new group, and never waits for ever", async () => {
  const key = { source: "s", group: "restarted" };
  await subscriptions.create({ ...key, settings, filter: undefined });
  const dropped: string[] = [];
  const connecting = subscriptions.connect(key, joinAs("consumer", dropped));
  const restarting = subscriptions.restart();
  await Promise.all([connecting, restarting]);
  const joined = subscriptions.group(key)?.consumers.has("consumer") === true;
  expect([joined, dropped]).toEqual(joined ? [true, []] : [false, ["consumer"]]);
});

/** What a server would find that started after each commit of the change. */
const afterEachCommit = async <Found>(change: () => Promise<unknown>, look: () => Found): Promise<readonly Found[]> => {
  const found: Found[] = [];
  const stop = log.onCommit(() => {
    found.push(look());
  });
  await change();
  stop();
  return found;
};

test("a crash while a group is deleted never leaves its checkpoint to one that is created under its name", async () => {
  const key = { source: "s", group: "deleted" };
  await subscriptions.create({ ...key, settings, filter: undefined });
  const writer = new CheckpointWriter(log, key);
  writer.write(5n);
  await writer.stop();
  expect(loadCheckpoint(log, key)).toBe(5n);
  const found = await afterEachCommit(
    () => subscriptions.delete(key),
    () => ({
      exists: loadConfiguration(log).some(({ group }) => group === key.group),
      checkpoint: loadCheckpoint(log, key),
    }),
  );
  expect(found.at(0)).toEqual({ exists: true, checkpoint: undefined });
  expect(found.at(-1)).toEqual({ exists: false, checkpoint: undefined });
});

test("a group that cannot be written down is not there", async () => {
  const key = { source: "unwritten", group: "g" };
  const full: EventLog = { ...log, append: () => Promise.reject(new Error("The disk is full.")) };
  const others = new PersistentSubscriptions(full);
  await expect(others.create({ ...key, settings, filter: undefined })).rejects.toThrow("The disk is full.");
  expect([others.group(key), others.list(key.source)]).toEqual([undefined, []]);
  await others.stop();
});

test("what is written down is what was asked for, filters with commas in them too", async () => {
  const filters = [
    { on: "stream" as const, regex: "", prefixes: ["one,", "two", ",three"] },
    { on: "event-type" as const, regex: "", prefixes: ["a", "b"] },
    { on: "event-type" as const, regex: "^(a|b),c$", prefixes: [] },
    undefined,
  ];
  const definitions = filters.map((filter) => ({
    source: "$all",
    group: randomUUID(),
    filter,
    settings: { ...settings, startFrom: "end" as const, resolveLinkTos: true, maxSubscriberCount: 0 },
  }));
  for (const definition of definitions) await subscriptions.create(definition);
  const names: readonly string[] = definitions.map(({ group }) => group);
  expect(loadConfiguration(log).filter(({ group }) => names.includes(group))).toEqual(definitions);
});

test("groups are listed by source, and in the order in which they were created", async () => {
  for (const [source, group] of [
    ["list-b", "2"],
    ["list-a", "3"],
    ["list-b", "1"],
  ] as const) {
    await subscriptions.create({ source, group, settings, filter: undefined });
  }
  await subscriptions.update({ source: "list-b", group: "2" }, { ...settings, maxRetryCount: 1 });
  const listed = (subscriptions.list() ?? []).map(({ definition }) => definition);
  expect(
    listed.filter(({ source }) => source.startsWith("list-")).map(({ source, group }) => `${source} ${group}`),
  ).toEqual(["list-a 3", "list-b 2", "list-b 1"]);
  const written = loadConfiguration(log).filter(({ source }) => source.startsWith("list-"));
  expect(written.map(({ group, settings: { maxRetryCount } }) => `${group} ${maxRetryCount}`)).toEqual([
    "2 1",
    "3 10",
    "1 10",
  ]);
});
