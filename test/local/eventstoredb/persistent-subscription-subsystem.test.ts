/** The groups of a server together: what a consumer that connects may meet. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openEventLog, type EventLog } from "../../../local/eventstoredb/log/event-log.ts";
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
