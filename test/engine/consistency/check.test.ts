import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { CheckReport } from "../../../engine/consistency/generation-check.ts";
import type { Difference } from "../../../engine/consistency/difference.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { formatPosition } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { deleteGenerationTable } from "../../../engine/views/generation-table.ts";
import { keyOfRowItem, guardAttributes, guardItemKey, rowItemKey } from "../../../engine/views/item.ts";
import type { RowKey } from "../../../engine/views/projection.ts";
import { rejection } from "../../local/eventstoredb/event-store-for-test.ts";
import { scavenged } from "./scavenged-log.ts";
import { useStores } from "./stores-for-views.ts";
import {
  closed,
  type Kind,
  moved,
  opened,
  purposeKey,
  unlisted,
  unreadable,
  type ViewUnderCheck,
  walletKey,
} from "./view-under-check.ts";

const stores = useStores();
const kinds: readonly Kind[] = ["one-per-stream", "shared"];

/** Two wallets, everything delivered. Of `w1` 5 events and of `w2` 2. */
async function filled(kind: Kind): Promise<ViewUnderCheck> {
  const view = await stores.view(kind);
  await view.append("w1", opened, moved(5), unlisted, moved(-2, "rent"));
  await view.append("w2", opened, moved(10));
  await view.append("w1", moved(1));
  await view.deliver();
  return view;
}

/** The row that tests damage: of `w1` alone, or of both wallets. */
const rowKeyOf = (kind: Kind): RowKey => (kind === "shared" ? purposeKey("food") : walletKey("w1"));
const rightRow = { shared: { moves: 3, amount: 16 }, "one-per-stream": { owner: "ada", balance: 4 } };

const verdict = ({ differences, undecided, differenceCount, undecidedCount }: CheckReport): object => {
  expect([differenceCount, undecidedCount]).toStrictEqual([differences.length, undecided.length]);
  return undecided.length === 0 ? differences : { differences, undecided };
};

async function expectDifferences(view: ViewUnderCheck, ...expected: readonly Difference[]): Promise<void> {
  expect(verdict(await view.check())).toStrictEqual(expected);
}

describe.each(kinds)("a check of a view of rows that are %s", (kind) => {
  it("finds nothing in a view that is right, and counts what it compared", async () => {
    const view = await filled(kind);
    expect(await view.check()).toStrictEqual({
      view: view.projection.name,
      generation: "g1",
      version: 1,
      rows: 2,
      guards: 2,
      events: 7,
      differenceCount: 0,
      lateCount: 0,
      differences: [],
      undecidedCount: 0,
      undecided: [],
      scavengedStreams: 0,
    });
  });

  it("finds nothing in a view without events", async () => {
    const view = await stores.view(kind);
    expect(await view.check()).toMatchObject({ rows: 0, guards: 0, events: 0, differenceCount: 0, undecidedCount: 0 });
  });

  it("finds a damaged attribute, nested ones too", async () => {
    const view = await filled(kind);
    const [name, value] = kind === "shared" ? ["amount", 15] : ["owner", { is: ["ada"] }];
    await view.damageRow(rowKeyOf(kind), name, value);
    const expected = rightRow[kind];
    await expectDifferences(view, {
      kind: "row-differs",
      key: rowKeyOf(kind),
      expected,
      actual: { ...expected, [name]: value },
    });
  });

  it("finds an attribute too many", async () => {
    const view = await filled(kind);
    await view.damageRow(rowKeyOf(kind), "extra", null);
    const expected = rightRow[kind];
    await expectDifferences(view, {
      kind: "row-differs",
      key: rowKeyOf(kind),
      expected,
      actual: { ...expected, extra: null },
    });
  });

  it("finds numbers that no row can hold, and does not fall over them", async () => {
    const view = await filled(kind);
    const key = rowItemKey(rowKeyOf(kind));
    const item = { ...(await view.item(key)) };
    await view.put(key, { ...item, large: { N: "90071992547409930" } });
    const expected = rightRow[kind];
    await expectDifferences(view, {
      kind: "row-differs",
      key: rowKeyOf(kind),
      expected,
      // A bigint is no row value; damage is what no type foresees.
      actual: { ...expected, large: 90071992547409930n },
    });
    await view.put(key, { ...item, large: { N: "90071992547409930.5" } });
    const { differences } = await view.check();
    expect(differences).toMatchObject([{ kind: "row-differs", key: rowKeyOf(kind), expected }]);
  });

  it("finds a deleted row", async () => {
    const view = await filled(kind);
    await view.remove(rowItemKey(rowKeyOf(kind)));
    const missing: Difference = { kind: "row-missing", key: rowKeyOf(kind), expected: rightRow[kind] };
    // The guard of a row that one stream owns goes with it.
    if (kind === "shared") await expectDifferences(view, missing);
    else {
      const behind = { stream: view.streamOf("w1"), expected: await view.guardAt("w1", 4n), actual: undefined };
      await expectDifferences(view, missing, { kind: "guard-behind", ...behind });
    }
  });

  it("finds a row too many", async () => {
    const view = await filled(kind);
    const key = { partition: "nobody", sort: "knows" };
    await view.damageRow(key, "moves", 1);
    await expectDifferences(view, { kind: "row-unexpected", key, actual: { moves: 1 } });
  });

  it("finds a guard that is ahead", async () => {
    const view = await filled(kind);
    const expected = await view.guardAt("w1", 4n);
    const actual = { ...expected, revision: 9n };
    await view.damageGuard("w1", actual);
    await expectDifferences(view, { kind: "guard-ahead", stream: view.streamOf("w1"), expected, actual });
  });

  it("finds a guard that is behind, and that the row holds more than it lets in", async () => {
    const view = await filled(kind);
    const actual = await view.guardAt("w1", 3n);
    await view.damageGuard("w1", actual);
    const before = kind === "shared" ? { moves: 2, amount: 15 } : { owner: "ada", balance: 3 };
    await expectDifferences(
      view,
      { kind: "row-differs", key: rowKeyOf(kind), expected: before, actual: rightRow[kind] },
      { kind: "guard-behind", stream: view.streamOf("w1"), expected: await view.guardAt("w1", 4n), actual },
    );
  });

  it("finds a guard at a wrong position", async () => {
    const view = await filled(kind);
    const expected = await view.guardAt("w1", 4n);
    const actual = { ...expected, position: (await view.guardAt("w1", 3n)).position };
    await view.damageGuard("w1", actual);
    await expectDifferences(view, { kind: "guard-position", stream: view.streamOf("w1"), expected, actual });
  });

  it("finds a guard of a stream that has no events", async () => {
    const view = await filled(kind);
    const actual = await view.guardAt("w1", 4n);
    await view.put(view.guardKey("w3"), guardAttributes(actual));
    await expectDifferences(view, {
      kind: "guard-orphan",
      key: keyOfRowItem({ ...view.guardKey("w3") }),
      stream: kind === "shared" ? view.streamOf("w3") : "w3",
      actual,
    });
  });

  it("finds a guard in the wrong kind of place", async () => {
    const view = await filled(kind);
    const actual = await view.guardAt("w1", 4n);
    const stray = kind === "shared" ? rowItemKey(walletKey("w1")) : guardItemKey(view.streamOf("w1"));
    await view.put(stray, guardAttributes(actual));
    await expectDifferences(view, {
      kind: "guard-orphan",
      key: keyOfRowItem({ ...stray }),
      stream: kind === "shared" ? "w1" : view.streamOf("w1"),
      actual,
    });
  });

  it("finds all of many differences and lists the first", async () => {
    const view = await stores.view(kind);
    const wallets = Array.from({ length: 130 }, (_, wallet) => wallet);
    await Promise.all(wallets.map((wallet) => view.append(`w${wallet}`, opened, moved(wallet, `p${wallet}`))));
    await view.deliver();
    const keyOf = (wallet: number): RowKey => (kind === "shared" ? purposeKey(`p${wallet}`) : walletKey(`w${wallet}`));
    await Promise.all(wallets.slice(0, 120).map((wallet) => view.damageRow(keyOf(wallet), "amount", -1)));
    const report = await view.check({ differencesListed: 7 });
    expect([report.rows, report.guards, report.differenceCount, report.differences.length]).toStrictEqual([
      130, 130, 120, 7,
    ]);
    expect((await view.check()).differences).toHaveLength(100);
  });

  it("reads a table of several pages whole", async () => {
    const view = await filled(kind);
    for (let page = 0; page < 4; page += 1) {
      await view.damageRow({ partition: `stray ${page}`, sort: "row" }, "text", "x".repeat(390_000));
    }
    const { differenceCount, rows } = await view.check();
    expect([differenceCount, rows]).toStrictEqual([4, 6]);
  });

  it("finds and counts the same where nothing fits in memory, and reads the log once", async () => {
    const view = await stores.view(kind);
    for (let wallet = 0; wallet < 40; wallet += 1)
      await view.append(`w${wallet}`, opened, moved(wallet, `p${wallet % 25}`));
    await view.deliver();
    await view.append("w7", moved(1, "p7"), unlisted);
    await view.append("w8", unreadable);
    await view.damageGuard("w9", { ...(await view.guardAt("w9", 1n)), revision: 5n });
    await view.damageRow(kind === "shared" ? purposeKey("p3") : walletKey("w3"), "extra", 1);
    let reads = 0;
    class Counted extends EventStore {
      override readAll(...range: Parameters<EventStore["readAll"]>): ReturnType<EventStore["readAll"]> {
        if (range[0] === undefined) reads += 1;
        return super.readAll(...range);
      }
    }
    const inMemory = await view.check({}, new Counted(view.store.client));
    expect(inMemory.differenceCount).toBe(4);
    const onDisk = await view.check({ heldInMemory: 1 }, new Counted(view.store.client));
    expect(reads).toBe(2);
    expect(onDisk).toStrictEqual(inMemory);
  });

  it("waits for an event that is not yet delivered", async () => {
    const view = await filled(kind);
    await view.append("w1", moved(100));
    await view.append("w3", opened, moved(1));
    const waiting: number[] = [];
    const checking = view.check({
      waitForGuardsMs: 20_000,
      onWaiting: (guards) => {
        waiting.push(guards);
        setTimeout(() => void view.deliver(), 100);
      },
    });
    const report = await checking;
    expect(verdict(report)).toStrictEqual([]);
    expect([report.rows, report.guards]).toStrictEqual([kind === "shared" ? 2 : 3, 3]);
    expect(waiting).toStrictEqual([2]);
  });

  it("judges what has arrived during the wait with the rest", async () => {
    const view = await filled(kind);
    await view.append("w1", moved(100));
    const damageAndDeliver = async (): Promise<void> => {
      await view.damageRow(rowKeyOf(kind), "extra", 1);
      await view.deliver();
    };
    const { differences } = await view.check({ waitForGuardsMs: 20_000, onWaiting: () => void damageAndDeliver() });
    const expected = kind === "shared" ? { moves: 4, amount: 116 } : { owner: "ada", balance: 104 };
    expect(differences).toStrictEqual([
      { kind: "row-differs", key: rowKeyOf(kind), expected, actual: { ...expected, extra: 1 } },
    ]);
  });

  it("reports delivery that is stuck: how far each guard is and should be", async () => {
    const view = await filled(kind);
    await view.append("w1", moved(100));
    await view.append("w3", unlisted);
    const started = performance.now();
    const report = await view.check({ waitForGuardsMs: 300 });
    expect(performance.now() - started).toBeGreaterThanOrEqual(300);
    expect(verdict(report)).toStrictEqual([
      {
        kind: "guard-behind",
        stream: view.streamOf("w1"),
        expected: await view.guardAt("w1", 5n),
        actual: await view.guardAt("w1", 4n),
      },
      { kind: "guard-behind", stream: view.streamOf("w3"), expected: await view.guardAt("w3", 0n), actual: undefined },
    ]);
  });

  it("names an event that the projection cannot take, and compares its stream up to the event before", async () => {
    const view = await filled(kind);
    await view.append("w1", moved(100));
    await view.append("w1", unreadable, moved(1_000));
    const stream = view.streamOf("w1");
    const message = `event 6@${stream} of type Moved cannot be read: its data does not match the schema of its type`;
    const unread: Difference = { kind: "event-unreadable", stream, revision: 6n, message };
    await expectDifferences(view, unread, {
      kind: "guard-behind",
      stream,
      expected: await view.guardAt("w1", 5n),
      actual: await view.guardAt("w1", 4n),
    });
    await view.deliver();
    await expectDifferences(view, unread);
    await view.damageRow(rowKeyOf(kind), "extra", true);
    const row = kind === "shared" ? { moves: 4, amount: 116 } : { owner: "ada", balance: 104 };
    const differs = { key: rowKeyOf(kind), expected: row, actual: { ...row, extra: true } };
    await expectDifferences(view, unread, { kind: "row-differs", ...differs });
  });

  it("leaves a row undecided whose guard has passed an event that the projection cannot take", async () => {
    const view = await filled(kind);
    await view.append("w1", unreadable);
    await view.damageGuard("w1", await view.guardAt("w1", 5n));
    const { undecided, differences } = await view.check();
    const why = `event 5@${view.streamOf("w1")} cannot be applied`;
    expect(undecided).toContainEqual({ key: rowKeyOf(kind), why });
    expect(differences.map((difference) => difference.kind)).toStrictEqual(["event-unreadable"]);
  });

  it("names a stream whose guard no key can hold, and goes on", async () => {
    const view = await filled(kind);
    const long = "x".repeat(2_100);
    await view.append(long, unlisted);
    const { differences, differenceCount } = await view.check();
    expect(differenceCount).toBe(1);
    expect(differences).toMatchObject([{ kind: "event-unreadable", stream: view.streamOf(long), revision: 0n }]);
  });

  it("takes no truncated, deleted or tombstoned stream for a difference", async () => {
    const view = await filled(kind);
    for (const id of ["w3", "w4", "w5"]) await view.append(id, opened, moved(7), moved(8));
    const { client } = stores.store;
    await client.setStreamMetadata(view.streamOf("w3"), { truncateBefore: 2 });
    await client.deleteStream(view.streamOf("w4"));
    await client.tombstoneStream(view.streamOf("w5"));
    await client.setStreamMetadata(view.streamOf("w1"), { maxCount: 1 });
    await view.deliver();
    await expectDifferences(view);
    expect(await view.check()).toMatchObject({ guards: 5, events: 16, scavengedStreams: 0 });
    await view.damageRow(kind === "shared" ? purposeKey("food") : walletKey("w4"), "extra", 1);
    expect((await view.check()).differences).toHaveLength(1);
  });

  it("takes a guard that stands at the tombstone for right", async () => {
    const view = await filled(kind);
    await stores.store.client.tombstoneStream(view.streamOf("w1"));
    await view.damageGuard("w1", await view.guardAt("w1", 9_223_372_036_854_775_807n));
    await expectDifferences(view);
  });

  it("knows that a closed wallet's row is not there", async () => {
    const view = await filled(kind);
    await view.append("w1", closed);
    await view.deliver();
    await expectDifferences(view);
    expect((await view.check()).rows).toBe(kind === "shared" ? 2 : 1);
  });

  it("counts nothing before the offset of the generation, which moves the guards all the same", async () => {
    const before = await stores.view(kind);
    await before.append("w1", opened, moved(5), moved(6));
    const from = (await before.guardAt("w1", 2n)).position;
    await before.goLive("g2", from);
    await before.deliver();
    await expectDifferences(before);
    const key = kind === "shared" ? purposeKey("food") : walletKey("w1");
    await before.damageRow(key, "extra", 1);
    const expected = kind === "shared" ? { moves: 1, amount: 6 } : { balance: 6 };
    await expectDifferences(before, { kind: "row-differs", key, expected, actual: { ...expected, extra: 1 } });
    // Every event of this one is below.
    await before.append("w2", opened);
    await before.goLive("g3", (await before.guardAt("w2", 0n)).position);
    await before.deliver();
    await expectDifferences(before);
  });
});

describe("a check of a view whose log was scavenged", () => {
  const why = "it differs, but events that may have touched it were scavenged";

  it("decides every row but that of the stream, where a row is of one stream", async () => {
    const view = await filled("one-per-stream");
    await view.damageRow(walletKey("w2"), "balance", 0);
    const first = (event: StoredEvent): boolean => event.stream === view.streamOf("w1") && event.revision < 2n;
    const report = await view.check({}, scavenged(stores.store, first));
    expect(report).toMatchObject({
      scavengedStreams: 1,
      undecided: [{ key: walletKey("w1"), why }],
      undecidedCount: 1,
    });
    const actual = { owner: "ada", balance: 0 };
    expect(report.differences).toStrictEqual([
      { kind: "row-differs", key: walletKey("w2"), expected: { owner: "ada", balance: 10 }, actual },
    ]);
  });

  it("decides no row that differs, where rows are shared", async () => {
    const view = await filled("shared");
    const one = (event: StoredEvent): boolean => event.stream === view.streamOf("w1") && event.revision === 1n;
    const report = await view.check({}, scavenged(stores.store, one));
    expect(report).toMatchObject({ scavengedStreams: 1, differences: [], undecidedCount: 1 });
    expect(report.undecided).toStrictEqual([{ key: purposeKey("food"), why }]);
  });

  it("says nothing of a guard of which only the tombstone is left", async () => {
    const view = await filled("shared");
    await stores.store.client.tombstoneStream(view.streamOf("w2"));
    const all = (event: StoredEvent): boolean =>
      event.stream === view.streamOf("w2") && event.type !== "$streamDeleted";
    const report = await view.check({}, scavenged(stores.store, all));
    expect(report).toMatchObject({ scavengedStreams: 1, differences: [], undecidedCount: 1 });
  });
});

describe("a check", () => {
  it("fails when the read of the log ends before the tail that the leader gave", async () => {
    const view = await filled("shared");
    const tail = formatPosition(await stores.store.tail());
    const behind = scavenged(stores.store, ({ position }) => formatPosition(position) === tail);
    expect(await rejection(view.check({}, behind))).toMatchObject({ code: "EVENT_STORE_UNAVAILABLE" });
  });

  it("of a view without a live generation says what to do", async () => {
    const view = await filled("shared");
    await view.catalog.transition(await view.catalog.read(view.projection.name), []);
    expect(await rejection(view.check())).toMatchObject({ code: "VIEWS_UNAVAILABLE" });
  });

  it("of a generation whose version is not deployed refuses to guess", async () => {
    const view = await filled("shared");
    const entry = await view.catalog.read(view.projection.name);
    await view.catalog.transition(entry, [{ ...(await view.live()), version: 2 }]);
    expect(await rejection(view.check())).toMatchObject({ code: "VERSION_NOT_DEPLOYED" });
  });

  it("of a live generation whose table is gone says so", async () => {
    const view = await filled("shared");
    await deleteGenerationTable(view.dynamodb, (await view.live()).table);
    expect(await rejection(view.check())).toMatchObject({ code: "LIVE_TABLE_MISSING" });
  });

  it.each(["kept", "removed"])(
    "of a generation that is retired meanwhile, its table %s, checks the new one",
    async (table) => {
      const view = await filled("shared");
      let swaps = 1;
      class SwappedMeanwhile extends EventStore {
        override async tail(): ReturnType<EventStore["tail"]> {
          if (swaps > 0) {
            swaps -= 1;
            const old = await view.live();
            await view.goLive(`g-${randomUUID()}`);
            await view.append("w9", moved(1));
            await view.deliver();
            if (table === "removed") await deleteGenerationTable(view.dynamodb, old.table);
          }
          return super.tail();
        }
      }
      const report = await view.check({}, new SwappedMeanwhile(view.store.client));
      expect(report).toMatchObject({ generation: (await view.live()).id, differences: [], events: 8 });
    },
  );
});
