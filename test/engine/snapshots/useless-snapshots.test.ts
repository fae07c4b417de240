/** Whatever stands where a snapshot should stand, a command gets the answer that it would get without. */
import { randomUUID } from "node:crypto";
import { binaryEvent, jsonEvent } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handleCommand } from "../../../engine/commands/handle-command.ts";
import { load } from "../../../engine/commands/load.ts";
import { collect, judge } from "../../../engine/commands/load-by-snapshot.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { IgnoredSnapshot } from "../../../engine/snapshots/snapshot-use.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import {
  accountEvents,
  accountOf,
  accountWithSnapshotAt,
  accountWithSnapshots,
  answers,
  deposit,
  digestOf,
  folded,
  forgetful,
  grow,
  policy,
  takeSnapshot,
} from "./long-accounts.ts";

const origin = { correlationId: "correlation" };

describe("a snapshot that is of no use", () => {
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

  /** The content of a stream's snapshot, to be written back changed. */
  async function contentOf(stream: string, of = store): Promise<Record<string, unknown>> {
    const last = await of.lastEvent(`snapshot-${stream}`);
    // A snapshot's data is an object, or the test has not made one.
    return last?.data as Record<string, unknown>;
  }

  async function put(stream: string, type: string, data: unknown, into = store): Promise<void> {
    const last = await into.lastEvent(`snapshot-${stream}`);
    const event = { id: randomUUID(), type, data, metadata: {} };
    await into.append(`snapshot-${stream}`, last?.revision ?? "no_stream", [event]);
  }

  /** A load, a command and a resend give what they give without snapshots, and the load says why. */
  async function expectIgnored(stream: string, why: IgnoredSnapshot, of = store): Promise<void> {
    const id = stream.slice("account-".length);
    const before = await folded(of, stream, ["k1", "k150"]);
    const loaded = await load(forgetful(of), accountWithSnapshots, stream);
    expect(loaded.reading.snapshot).toStrictEqual({ snapshot: "ignored", why });
    expect(answers(loaded, ["k1", "k150"])).toStrictEqual(before);
    const { revision } = before;
    if (revision === "no_stream") throw new Error("the stream is empty");
    const request = {
      id,
      command: deposit(3),
      origin,
      idempotency: { key: "after", digest: digestOf(deposit(3)) },
    };
    const answer = { outcome: "accepted", revision: revision + 1n };
    expect(await handleCommand(forgetful(of), accountWithSnapshots, request)).toStrictEqual({
      ...answer,
      effect: "changed",
    });
    expect(await handleCommand(forgetful(of), accountWithSnapshots, request)).toStrictEqual({
      ...answer,
      effect: "repeated",
    });
  }

  /** And the next one taken is used again. */
  async function expectMended(stream: string, of = store): Promise<void> {
    expect(await takeSnapshot(of, stream)).toMatchObject({ outcome: "written" });
    const loaded = await load(forgetful(of), accountWithSnapshots, stream);
    expect(loaded.reading).toMatchObject({ events: 0, snapshot: { snapshot: "used" } });
    expect(answers(loaded)).toStrictEqual(await folded(of, stream));
  }

  it.each<[string, (content: Record<string, unknown>) => unknown, IgnoredSnapshot]>([
    ["of another shape", () => ({ hello: "world" }), "damaged"],
    ["that is no object", () => 5, "damaged"],
    ["that is null", () => null, "damaged"],
    ["with a field too many", (content) => ({ ...content, more: 1 }), "damaged"],
    ["with a changed state", (content) => ({ ...content, state: { owner: "Ada", balance: 1, seen: 150 } }), "damaged"],
    ["with a changed revision", (content) => ({ ...content, revision: "148" }), "damaged"],
    ["with a changed beginning", (content) => ({ ...content, first: "1" }), "damaged"],
    ["with changed keys", (content) => ({ ...content, keys: "" }), "damaged"],
    ["with another checksum of the right form", (content) => ({ ...content, checksum: "0".repeat(64) }), "damaged"],
    ["with a revision that is none", (content) => ({ ...content, revision: "-1" }), "damaged"],
    ["with a revision that no stream has", (content) => ({ ...content, revision: (2n ** 63n).toString() }), "damaged"],
    ["with another fingerprint", (content) => ({ ...content, fingerprint: "f0" }), "stale"],
  ])("%s is ignored, and replaced by the next", async (_, changed, why) => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    await put(stream, "Snapshot", changed(await contentOf(stream)));
    await expectIgnored(stream, why);
    await expectMended(stream);
  });

  it("under another type is ignored", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    await put(stream, "Something", await contentOf(stream));
    await expectIgnored(stream, "damaged");
    await expectMended(stream);
  });

  it("that is not JSON is ignored", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    const bytes = binaryEvent({ type: "Snapshot", data: new Uint8Array([0, 255, 7]) });
    await store.client.appendToStream(`snapshot-${stream}`, bytes);
    await expectIgnored(stream, "damaged");
    await expectMended(stream);
  });

  it("that is a link to nowhere is ignored", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    await store.client.appendToStream(`snapshot-${stream}`, jsonEvent({ type: "$>", data: "7@nowhere" }));
    await expectIgnored(stream, "damaged");
    await expectMended(stream);
  });

  it("with a state that the aggregate cannot read is ignored, whatever its checksum says", async () => {
    const { stream } = await accountOf(store, 150);
    const format = { ...policy.format, write: () => ({ balance: "much" }) };
    await takeSnapshot(store, stream, { ...accountWithSnapshots, snapshots: { ...policy, format } });
    await expectIgnored(stream, "damaged");
    await expectMended(stream);
  });

  it("copied from another stream is ignored", async () => {
    const [one, two] = [await accountWithSnapshotAt(store, 150, 200), await accountOf(store, 200)];
    await put(two.stream, "Snapshot", await contentOf(one.stream));
    await expectIgnored(two.stream, "of-another-stream");
    await expectMended(two.stream);
  });

  it("made by other code is ignored, and so is it by that other code when this one has taken its own", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    const changed = { ...accountWithSnapshots, snapshots: { ...policy, fingerprint: "f2" } };
    const stale = { snapshot: "ignored", why: "stale" };
    expect((await load(store, changed, stream)).reading.snapshot).toStrictEqual(stale);
    expect(await takeSnapshot(store, stream, changed)).toMatchObject({ outcome: "written", before: stale });
    expect((await load(forgetful(store), changed, stream)).reading).toMatchObject({
      events: 0,
      snapshot: { snapshot: "used" },
    });
    await expectIgnored(stream, "stale");
  });

  it("made by other code is not used out of the memory of the process either", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    const process = forgetful(store);
    await load(process, accountWithSnapshots, stream);
    const changed = { ...accountWithSnapshots, snapshots: { ...policy, fingerprint: "f2" } };
    expect((await load(process, changed, stream)).reading.snapshot).toStrictEqual({
      snapshot: "ignored",
      why: "stale",
    });
  });

  it("whose stream is tombstoned cannot be read, and commands go on", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    await store.client.tombstoneStream(`snapshot-${stream}`);
    await expectIgnored(stream, "unreadable");
  });

  it("whose stream is deleted is as if there was none", async () => {
    const { stream } = await accountWithSnapshotAt(store, 150, 200);
    await store.client.deleteStream(`snapshot-${stream}`);
    const loaded = await load(forgetful(store), accountWithSnapshots, stream);
    expect(loaded.reading.snapshot).toStrictEqual({ snapshot: "none" });
    expect(answers(loaded)).toStrictEqual(await folded(store, stream));
    await expectMended(stream);
  });

  describe("because the event store was restored from a backup", () => {
    let restored: EventStoreServer;
    let after: EventStore;

    beforeAll(async () => {
      restored = await startEventStore();
      after = EventStore.connect(restored.connectionString);
    });

    afterAll(async () => {
      await after.dispose();
      await restored.stop();
    });

    /** A stream as the backup has it: `count` of its events, and the snapshot that was taken of `snapshotAt` events. */
    async function restoredTo(count: number, snapshotAt: number): Promise<{ id: string; stream: string }> {
      const { id, stream } = await accountWithSnapshotAt(store, snapshotAt, snapshotAt);
      for await (const event of store.readStream(stream, 0n, BigInt(count))) {
        const { id: eventId, type, data, metadata } = event;
        await after.append(stream, event.revision === 0n ? "no_stream" : event.revision - 1n, [
          { id: eventId, type, data, metadata },
        ]);
      }
      await put(stream, "Snapshot", await contentOf(stream), after);
      return { id, stream };
    }

    it("and is ahead of its stream: the command succeeds, and the next snapshot takes its place", async () => {
      const { stream } = await restoredTo(120, 150);
      await expectIgnored(stream, "ahead", after);
      await expectMended(stream, after);
    });

    it("and other events have come to its revision", async () => {
      const { stream } = await restoredTo(120, 150);
      await grow(after, stream, 120, 60);
      await expectIgnored(stream, "other-history", after);
      await expectMended(stream, after);
    });

    it("and others came first, then a resend of the very command whose event it was made at", async () => {
      const { stream } = await restoredTo(148, 150);
      await grow(after, stream, 148, 1);
      const resent = (await store.lastEvent(stream)) ?? { id: "", type: "", data: {}, metadata: {} };
      const { id, type, data, metadata } = resent;
      await after.append(stream, 148n, [{ id, type, data, metadata }]);
      await grow(after, stream, 150, 3);
      await expectIgnored(stream, "other-history", after);
    });

    it("and another event was recorded at its revision, at the very same time", async () => {
      const { stream } = await accountWithSnapshotAt(store, 150, 200);
      const content = (await contentOf(stream)) as { revision: string; recordedAt: string; eventId: string };
      const [event] = await collect(store.readStream(stream, BigInt(content.revision), 1n));
      if (event === undefined) throw new Error("the snapshot was made at an event");
      const mark = { revision: event.revision, eventId: event.id, recordedAt: content.recordedAt };
      expect(judge(mark, 0n, event, 0n)).toBe("usable");
      expect(judge({ ...mark, eventId: randomUUID() }, 0n, event, 0n)).toBe("other-history");
      expect(judge({ ...mark, recordedAt: new Date(0).toISOString() }, 0n, event, 0n)).toBe("other-history");
      expect(judge({ ...mark, revision: 148n }, 0n, event, 0n)).toBe("truncated");
      expect(judge(mark, 1n, event, 0n)).toBe("truncated");
      expect(judge(mark, 0n, undefined, 0n)).toBe("ahead");
    });

    it("while a process goes on that has used it", async () => {
      const { id, stream } = await accountWithSnapshotAt(store, 150, 150);
      const process = forgetful(store);
      await load(process, accountWithSnapshots, stream);
      await store.client.deleteStream(stream);
      await store.append(stream, 149n, accountEvents(0, 3));
      const loaded = await load(process, accountWithSnapshots, stream);
      expect(answers(loaded)).toStrictEqual(await folded(store, stream));
      const command = deposit(1);
      expect(await handleCommand(process, accountWithSnapshots, { id, command, origin })).toMatchObject({
        outcome: "accepted",
        revision: 153n,
      });
    });
  });
});
