import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handleCommand, handleLoaded } from "../../../engine/commands/handle-command.ts";
import { load } from "../../../engine/commands/load.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { isSnapshotDue, isWorthWriting, type Reading } from "../../../engine/snapshots/snapshot-policy.ts";
import type { SnapshotUse } from "../../../engine/snapshots/snapshot-use.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { account } from "../commands/account.ts";
import { accountOf, accountWithSnapshots, deposit, forgetful, policy, takeSnapshot } from "./long-accounts.ts";

const reading = (events: number, change: Partial<Reading> = {}): Reading => ({
  events,
  milliseconds: 5,
  snapshot: { snapshot: "none" },
  ...change,
});

const ignored = (why: Extract<SnapshotUse, { snapshot: "ignored" }>["why"]): Partial<Reading> => ({
  snapshot: { snapshot: "ignored", why },
});

describe("a snapshot is due", () => {
  it.each<[string, Reading, number, boolean]>([
    ["when so many events have come", reading(99), 1, true],
    ["and not one event sooner", reading(98), 1, false],
    ["when one command brings the events over it", reading(95), 10, true],
    ["once, and not with each command after it", reading(100), 1, false],
    ["again after as many events more", reading(199), 1, true],
    ["never for nothing", reading(100), 0, false],
    ["when more than a page took long to read", reading(33, { milliseconds: 201 }), 1, true],
    ["and not when it took the time allowed", reading(33, { milliseconds: 200 }), 1, false],
    ["and not for a page: a snapshot would spare it nothing", reading(32, { milliseconds: 5_000 }), 1, false],
    ["at once when the one there is is stale", reading(40, ignored("stale")), 1, true],
    ["at once when it is damaged", reading(40, ignored("damaged")), 1, true],
    ["at once when it is of another stream", reading(40, ignored("of-another-stream")), 1, true],
    ["at once when it is ahead of the stream", reading(40, ignored("ahead")), 1, true],
    ["at once when it is of another history", reading(40, ignored("other-history")), 1, true],
    ["and not where nobody may read it", reading(40, ignored("unreadable")), 1, false],
    ["and not where the stream keeps being truncated", reading(40, ignored("truncated")), 1, false],
  ])("%s", (_, load, appended, due) => {
    expect(isSnapshotDue({}, load, appended)).toBe(due);
  });

  it("as the aggregate's own policy says", () => {
    expect(isSnapshotDue({ everyEvents: 7 }, reading(6), 1)).toBe(true);
    expect(isSnapshotDue({ slowLoadMs: 4 }, reading(33), 1)).toBe(true);
  });

  it("and worth writing when it spares a page, or what the policy asks for", () => {
    expect([31, 32].map((events) => isWorthWriting({}, reading(events)))).toStrictEqual([false, true]);
    expect([6, 7].map((events) => isWorthWriting({ everyEvents: 7 }, reading(events)))).toStrictEqual([false, true]);
  });
});

describe("a command that makes a snapshot due", () => {
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

  const origin = { correlationId: "correlation" };

  /** Revisions of the events that ask for a snapshot. */
  async function marked(stream: string): Promise<bigint[]> {
    const found: bigint[] = [];
    for await (const { revision, metadata } of store.readStream(stream)) {
      if (metadata.snapshotDue === true) found.push(revision);
      else expect(metadata).not.toHaveProperty("snapshotDue");
    }
    return found;
  }

  it("says so in the metadata of its last event, and only there", async () => {
    const { id, stream } = await accountOf(store, 98);
    await handleCommand(store, accountWithSnapshots, { id, command: deposit(1), origin });
    expect(await marked(stream)).toStrictEqual([]);
    await handleCommand(store, accountWithSnapshots, { id, command: deposit(1, 1, 1), origin });
    await handleCommand(store, accountWithSnapshots, { id, command: deposit(1), origin });
    expect(await marked(stream)).toStrictEqual([101n]);
  });

  it("counts from the snapshot on", async () => {
    const { id, stream } = await accountOf(store, 150);
    await takeSnapshot(store, stream);
    const process = forgetful(store);
    await handleCommand(process, accountWithSnapshots, { id, command: deposit(...Array<number>(99).fill(1)), origin });
    expect(await marked(stream)).toStrictEqual([]);
    await handleCommand(process, accountWithSnapshots, { id, command: deposit(1), origin });
    expect(await marked(stream)).toStrictEqual([249n]);
  });

  it("in a row of commands that load once asks once for each policy's worth of events", async () => {
    const { id, stream } = await accountOf(store, 90);
    let loaded = await load(store, accountWithSnapshots, stream);
    for (let command = 0; command < 115; command += 1) {
      ({ loaded } = await handleLoaded(store, accountWithSnapshots, { id, command: deposit(1), origin }, loaded));
    }
    expect(await marked(stream)).toStrictEqual([99n, 199n]);
    expect(loaded.reading).toMatchObject({ events: 205 });
  });

  it("after a slow load, or one that found a useless snapshot, asks once and not with each command of the row", async () => {
    const { id, stream } = await accountOf(store, 50);
    await takeSnapshot(store, stream);
    const changed = { ...accountWithSnapshots, snapshots: { ...policy, fingerprint: "f2" } };
    const slow = { ...accountWithSnapshots, snapshots: { ...policy, fingerprint: "f3", slowLoadMs: 0 } };
    let stale = await load(store, changed, stream);
    ({ loaded: stale } = await handleLoaded(store, changed, { id, command: deposit(1), origin }, stale));
    await handleLoaded(store, changed, { id, command: deposit(1), origin }, stale);
    expect(await marked(stream)).toStrictEqual([50n]);
    await store.client.deleteStream(`snapshot-${stream}`);
    let tardy = await load(store, slow, stream);
    ({ loaded: tardy } = await handleLoaded(store, slow, { id, command: deposit(1), origin }, tardy));
    await handleLoaded(store, slow, { id, command: deposit(1), origin }, tardy);
    expect(await marked(stream)).toStrictEqual([50n, 52n]);
  });

  it("of an aggregate without snapshots never asks", async () => {
    const { id, stream } = await accountOf(store, 99);
    await handleCommand(store, account, { id, command: deposit(1), origin });
    expect(await marked(stream)).toStrictEqual([]);
  });

  it("keeps its event ids: the mark is no part of them", async () => {
    const { id, stream } = await accountOf(store, 99);
    const request = { id, command: deposit(1), origin, idempotency: { key: "k", digest: "d" } };
    const known = await load(store, account, stream);
    expect(await handleCommand(store, accountWithSnapshots, request)).toMatchObject({ effect: "changed" });
    // One that does not know of the first, and of no snapshots either: the store takes it for a repeat.
    expect((await handleLoaded(store, account, request, known)).outcome).toMatchObject({ revision: 99n });
    expect(await marked(stream)).toStrictEqual([99n]);
  });
});
