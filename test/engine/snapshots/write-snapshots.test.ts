import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { load } from "../../../engine/commands/load.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { createLogger, type Logger } from "../../../engine/http/logger.ts";
import { snapshotWriters } from "../../../engine/snapshots/write-snapshot.ts";
import { writeSnapshots } from "../../../engine/snapshots/write-snapshots.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { account } from "../commands/account.ts";
import { startProcess } from "../../local/eventstoredb/server-process.ts";
import {
  accountOf,
  accountWithSnapshotAt,
  accountWithSnapshots,
  answers,
  folded,
  forgetful,
  grow,
  policy,
  takeSnapshot,
} from "./long-accounts.ts";

const writers = snapshotWriters(accountWithSnapshots);

/** A log of which a test reads what it needs: message, stream and what is said of it. */
function logOf(lines: Record<string, unknown>[]): Logger {
  return createLogger("write-snapshots", {
    level: "info",
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
}

const quiet = createLogger("write-snapshots", { level: "silent" });

async function lastOf(store: EventStore, stream: string): Promise<StoredEvent> {
  const last = await store.lastEvent(stream);
  if (last === undefined) throw new Error(`${stream} is empty`);
  return last;
}

async function allOf(store: EventStore, stream: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(stream)) events.push(event);
  return events;
}

async function expectUsed(store: EventStore, stream: string, revision: bigint): Promise<void> {
  const loaded = await load(forgetful(store), accountWithSnapshots, stream);
  expect(loaded.reading.snapshot).toStrictEqual({ snapshot: "used", revision });
  expect(answers(loaded, ["k1", "k120"])).toStrictEqual(await folded(store, stream, ["k1", "k120"]));
}

describe("taking snapshots", () => {
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

  it("takes one of each stream of a batch, however many of its events the batch has, and only that is kept", async () => {
    const streams = (await Promise.all([150, 160, 170, 180, 190, 200].map((count) => accountOf(store, count)))).map(
      ({ stream }) => stream,
    );
    const events = (await Promise.all(streams.map((stream) => store.lastEvents(stream, 3)))).flat();
    const lines: Record<string, unknown>[] = [];
    expect(await writeSnapshots({ eventStore: store, log: logOf(lines) }, writers, events)).toStrictEqual({
      batchItemFailures: [],
    });
    expect(lines.map(({ stream, outcome, before }) => [stream, outcome, before]).sort()).toStrictEqual(
      streams.map((stream) => [stream, "written", "none"]).sort(),
    );
    for (const [index, stream] of streams.entries()) await expectUsed(store, stream, 149n + 10n * BigInt(index));

    const [stream = ""] = streams;
    await grow(store, stream, 150, 100);
    await takeSnapshot(store, stream);
    expect((await allOf(store, `snapshot-${stream}`)).map(({ revision }) => revision)).toStrictEqual([1n]);
    expect(await store.client.getStreamMetadata(`snapshot-${stream}`)).toMatchObject({ metadata: { maxCount: 1 } });
  });

  it("of the same batch again changes nothing", async () => {
    const { stream } = await accountOf(store, 150);
    const events = [await lastOf(store, stream)];
    await writeSnapshots({ eventStore: store, log: quiet }, writers, events);
    const before = await lastOf(store, `snapshot-${stream}`);
    await writeSnapshots({ eventStore: store, log: quiet }, writers, events);
    expect(await lastOf(store, `snapshot-${stream}`)).toStrictEqual(before);
  });

  it("of a stream that is short, or not there, takes none", async () => {
    const { stream } = await accountOf(store, 31);
    expect(await takeSnapshot(store, stream)).toStrictEqual({ outcome: "not-needed" });
    expect(await takeSnapshot(store, `account-${randomUUID()}`)).toStrictEqual({ outcome: "not-needed" });
    expect(await store.lastEvent(`snapshot-${stream}`)).toBeUndefined();
    expect(await store.lastEvent(`$$snapshot-${stream}`)).toBeUndefined();
  });

  it("holds what the events say and the keys, and no event twice", async () => {
    const { stream } = await accountOf(store, 150);
    await takeSnapshot(store, stream);
    await grow(store, stream, 150, 100);
    expect(await takeSnapshot(store, stream)).toMatchObject({
      outcome: "written",
      revision: 249n,
      before: { snapshot: "used", revision: 149n },
    });
    expect((await lastOf(store, `snapshot-${stream}`)).data).toMatchObject({
      stream,
      first: "0",
      revision: "249",
      eventId: (await lastOf(store, stream)).id,
      state: { owner: "Ada", balance: 249, seen: 250 },
    });
  });

  it("leaves what operators said of the snapshot stream, and takes the number of events to keep back to one", async () => {
    const { stream } = await accountOf(store, 150);
    await store.client.setStreamMetadata(`snapshot-${stream}`, { cacheControl: 7, acl: { readRoles: ["$all"] } });
    await takeSnapshot(store, stream);
    expect(await store.client.getStreamMetadata(`snapshot-${stream}`)).toMatchObject({
      metadata: { cacheControl: 7, acl: { readRoles: ["$all"] }, maxCount: 1 },
    });
  });

  it("after the snapshots were deleted takes new ones, again and again", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 160);
    for (const revision of [159n, 159n]) {
      await store.client.deleteStream(`snapshot-${stream}`);
      expect(await takeSnapshot(store, stream)).toMatchObject({ outcome: "written", before: { snapshot: "none" } });
      await expectUsed(store, stream, revision);
      expect(await store.client.getStreamMetadata(`snapshot-${stream}`)).toMatchObject({ metadata: { maxCount: 1 } });
    }
  });

  describe("by two at once", () => {
    /** Does something right before it appends a snapshot. */
    function hesitant(meanwhile: () => Promise<unknown>): EventStore {
      class Hesitant extends EventStore {
        override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
          if (append[0].startsWith("snapshot-")) await meanwhile();
          return super.append(...append);
        }
      }
      return new Hesitant(store.client);
    }
    const [writer] = writers;

    it.each([0, 150])(
      "the slower one leaves the newer snapshot of the other (with one of %i events before)",
      async (first) => {
        const { stream } = first === 0 ? await accountOf(store, 250) : await accountWithSnapshotAt(store, first, 250);
        const slow = hesitant(async () => {
          await grow(store, stream, 250, 40);
          expect(await takeSnapshot(store, stream)).toMatchObject({ outcome: "written", revision: 289n });
        });
        expect(await writer?.write(slow, stream)).toStrictEqual({ outcome: "overtaken" });
        await expectUsed(store, stream, 289n);
      },
    );

    it("the slower one leaves the newer snapshot also when that is written while it still reads", async () => {
      const { stream } = await accountOf(store, 250);
      let isRead = false;
      class Reading extends EventStore {
        override async *readStream(...read: Parameters<EventStore["readStream"]>): AsyncGenerator<StoredEvent, void> {
          yield* super.readStream(...read);
          if (read[0] !== stream || isRead || read[2] !== undefined) return;
          isRead = true;
          await grow(store, stream, 250, 40);
          expect(await takeSnapshot(store, stream)).toMatchObject({ outcome: "written", revision: 289n });
        }
      }
      expect(await writer?.write(new Reading(store.client), stream)).toStrictEqual({ outcome: "overtaken" });
      expect(isRead).toBe(true);
      await expectUsed(store, stream, 289n);
    });

    it("one of them takes it and nothing else comes of it, however they meet", async () => {
      const { stream } = await accountOf(store, 150);
      const event = await lastOf(store, stream);
      const answersOfAll = await Promise.all(
        Array.from({ length: 8 }, () => writeSnapshots({ eventStore: forgetful(store), log: quiet }, writers, [event])),
      );
      expect(answersOfAll).toStrictEqual(Array.from({ length: 8 }, () => ({ batchItemFailures: [] })));
      await expectUsed(store, stream, 149n);
      expect((await lastOf(store, `snapshot-${stream}`)).revision).toBe(0n);
    });
  });

  describe("is logged, and not tried for ever,", () => {
    async function logged(stream: string, of = writers): Promise<Record<string, unknown>[]> {
      const lines: Record<string, unknown>[] = [];
      const events = [{ ...(await lastOf(store, (await accountOf(store, 1)).stream)), stream }];
      const response = await writeSnapshots({ eventStore: store, log: logOf(lines) }, of, events);
      expect(response).toStrictEqual({ batchItemFailures: [] });
      return lines;
    }

    it("where the history is not understood", async () => {
      const { stream } = await accountOf(store, 150);
      await store.append(stream, 149n, [{ id: randomUUID(), type: "Renamed", data: {}, metadata: {} }]);
      expect(await logged(stream)).toMatchObject([
        { level: "error", stream, msg: "no snapshot taken", err: { code: "EVENT_NOT_UNDERSTOOD" } },
      ]);
    });

    it("where the stream is tombstoned, and where the snapshots are", async () => {
      const [one, two] = [await accountOf(store, 150), await accountOf(store, 150)];
      await store.client.tombstoneStream(one.stream);
      await store.client.tombstoneStream(`snapshot-${two.stream}`);
      const gone = { level: "warn", msg: "no snapshot taken", err: { code: "STREAM_DELETED" } };
      expect(await logged(one.stream)).toMatchObject([gone]);
      expect(await logged(two.stream)).toMatchObject([gone]);
    });

    it("where the state is larger than the store takes", async () => {
      const { stream } = await accountOf(store, 150);
      const format = { ...policy.format, write: () => "x".repeat(2_000_000) };
      const large = snapshotWriters({ ...accountWithSnapshots, snapshots: { ...policy, format } });
      expect(await logged(stream, large)).toMatchObject([{ level: "error", err: { code: "APPEND_TOO_LARGE" } }]);
    });

    it("where the aggregate's own code fails", async () => {
      const { stream } = await accountOf(store, 150);
      const write = (): never => {
        throw new RangeError("no such state");
      };
      const broken = snapshotWriters({
        ...accountWithSnapshots,
        snapshots: { ...policy, format: { ...policy.format, write } },
      });
      expect(await logged(stream, broken)).toMatchObject([{ level: "error", err: { message: "no such state" } }]);
    });

    it("where no aggregate of that category has snapshots", async () => {
      expect(snapshotWriters(account)).toStrictEqual([]);
      const { stream } = await accountOf(store, 150);
      expect(await logged(stream, [])).toMatchObject([
        { level: "error", stream, msg: "no aggregate of this category has snapshots here" },
      ]);
    });
  });
});

describe("a store that is killed while a snapshot is taken", () => {
  let data: string;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "tidemark-snapshots-"));
  });

  afterAll(async () => {
    await rm(data, { recursive: true, force: true });
  });

  it.each([
    ["before anything is written", "$$snapshot-", "before"],
    ["while the stream's metadata are written", "$$snapshot-", "during"],
    ["before the snapshot is written", "snapshot-", "before"],
    ["while the snapshot is written", "snapshot-", "during"],
  ])("%s: the events come again, and then it is taken", async (name, prefix, moment) => {
    const directory = join(data, name);
    const first = await startProcess(["--port", "0", "--data", directory]);
    const store = EventStore.connect(first.connectionString);
    const { stream } = await accountOf(store, 150);
    const other = await accountOf(store, 2);
    const events = [...(await store.lastEvents(stream, 2)), await lastOf(store, other.stream)];
    class Killing extends EventStore {
      override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
        if (!append[0].startsWith(prefix)) return super.append(...append);
        if (moment === "before") await first.kill("SIGKILL");
        const killed = moment === "during" ? first.kill("SIGKILL") : undefined;
        const [appended] = await Promise.all([super.append(...append), killed]);
        return appended;
      }
    }
    const killing = new Killing(store.client);
    const response = await writeSnapshots({ eventStore: killing, log: quiet }, writers, events);
    const failed = [{ itemIdentifier: `148@${stream}` }, { itemIdentifier: `149@${stream}` }];
    // What reached the disk before the kill, and was answered, is done.
    expect([failed, []]).toContainEqual(response.batchItemFailures);
    if (moment === "before") expect(response.batchItemFailures).toStrictEqual(failed);
    await store.dispose();

    const second = await startProcess(["--port", "0", "--data", directory]);
    const again = EventStore.connect(second.connectionString);
    const loaded = await load(forgetful(again), accountWithSnapshots, stream);
    expect(answers(loaded, ["k1"])).toStrictEqual(await folded(again, stream, ["k1"]));
    expect(await writeSnapshots({ eventStore: again, log: quiet }, writers, events)).toStrictEqual({
      batchItemFailures: [],
    });
    await expectUsed(again, stream, 149n);
    expect(await again.client.getStreamMetadata(`snapshot-${stream}`)).toMatchObject({ metadata: { maxCount: 1 } });
    await again.dispose();
    await second.kill("SIGTERM");
  });
});
