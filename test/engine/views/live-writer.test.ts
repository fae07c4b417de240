/** Live delivery applies every committed event exactly once and in its stream's order, however it is delivered. */
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { Position } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { StreamHoleError } from "../../../engine/views/gap.ts";
import { applyEvents, type LiveWriter, readGuard } from "../../../engine/views/live-writer.ts";
import { RowChangeError } from "../../../engine/views/row-write.ts";
import {
  changed,
  closed,
  counted,
  errorNamed,
  faultyDynamoDB,
  type EventForTest,
  guardAt,
  owned,
  report,
  shared,
  unlisted,
  useViews,
} from "./views-for-test.ts";

const views = useViews();

const at = <Item>(items: readonly Item[], index: number): Item => {
  const item = items.at(index);
  if (item === undefined) throw new Error(`there is no item ${index}`);
  return item;
};

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A store that no longer has some revisions of a stream, as after a scavenge; the embedded one has none. */
class ScavengedStore extends EventStore {
  readonly #gone: ReadonlySet<bigint>;

  constructor(gone: readonly bigint[]) {
    super(views.store.client);
    this.#gone = new Set(gone);
  }

  override async *readStream(...read: Parameters<EventStore["readStream"]>): ReturnType<EventStore["readStream"]> {
    for await (const event of super.readStream(...read)) if (!this.#gone.has(event.revision)) yield event;
  }

  override async *readAll(...read: Parameters<EventStore["readAll"]>): ReturnType<EventStore["readAll"]> {
    for await (const event of super.readAll(...read)) if (!this.#gone.has(event.revision)) yield event;
  }
}

/** A writer that counts its transactions: one too large would be refused, split, and only be slow. */
function countingTransactions(writer: LiveWriter) {
  let transactions = 0;
  const dynamodb = faultyDynamoDB("TransactWriteItemsCommand", (call, send) => {
    transactions = call;
    return send();
  });
  onTestFinished(() => dynamodb.destroy());
  return { transactions: () => transactions, counting: { ...writer, dynamodb } };
}

/** The two kinds of projection, with events that add 1, 10, 100, ... so that a sum tells which of them are in it. */
const kinds = [
  {
    kind: "one row per stream",
    projection: owned,
    digit: (place: number): EventForTest => changed({ add: { sum: 10 ** place, events: 1 } }),
    rows: (stream: string, sum: number, events: number) => ({
      [`${stream.slice("account-".length)}/account`]: { sum, events },
    }),
  },
  {
    kind: "shared rows",
    projection: shared,
    digit: (place: number): EventForTest => counted({ row: 10 ** place }),
    rows: (_: string, sum: number, events: number) => ({ "totals/row": { sum, events } }),
  },
] as const;

describe.each(kinds)("live delivery into $kind", ({ projection, digit, rows }) => {
  const given = async (events: number) => {
    const stream = `account-${randomUUID()}`;
    return {
      stream,
      writer: await views.writer(projection),
      events: await views.append(stream, numbers(events).map(digit)),
    };
  };

  const holds = async (writer: LiveWriter, stream: string, sum: number, seen: StoredEvent): Promise<void> => {
    const events = sum.toString().replaceAll("0", "").length;
    expect(await views.contents(writer)).toStrictEqual({
      rows: rows(stream, sum, events),
      guards: { [stream]: guardAt(seen) },
    });
  };

  it("applies a batch once, and takes it for duplicates when it is delivered again, whole or in part", async () => {
    const { stream, writer, events } = await given(3);
    expect(await applyEvents(writer, events)).toStrictEqual(report(3));
    expect(await applyEvents(writer, events)).toStrictEqual(report(0, { duplicates: 1 }));
    expect(await applyEvents(writer, events.slice(0, 1))).toStrictEqual(report(0, { duplicates: 1 }));
    await holds(writer, stream, 111, at(events, -1));
  });

  it("applies an event once that is twice in a batch", async () => {
    const { stream, writer, events } = await given(2);
    expect(await applyEvents(writer, [...events, ...events])).toStrictEqual(report(2));
    await holds(writer, stream, 11, at(events, -1));
  });

  it("puts a batch into the order of its stream", async () => {
    const { stream, writer, events } = await given(4);
    expect(await applyEvents(writer, events.toReversed())).toStrictEqual(report(4));
    await holds(writer, stream, 1111, at(events, -1));
  });

  it("applies what is new in a batch that begins with duplicates", async () => {
    const { stream, writer, events } = await given(4);
    await applyEvents(writer, events.slice(0, 2));
    expect(await applyEvents(writer, events)).toStrictEqual(report(2));
    await holds(writer, stream, 1111, at(events, -1));
  });

  it("fills the gap before an event beyond the guard, and takes the late ones for duplicates", async () => {
    const { stream, writer, events } = await given(5);
    await applyEvents(writer, events.slice(0, 1));
    expect(await applyEvents(writer, events.slice(3, 4))).toStrictEqual(report(3, { gapsFilled: 1 }));
    await holds(writer, stream, 1111, at(events, 3));
    expect(await applyEvents(writer, events.slice(1, 3))).toStrictEqual(report(0, { duplicates: 1 }));
    await holds(writer, stream, 1111, at(events, 3));
  });

  it("fills the gaps within a batch, before the first guard too", async () => {
    const { stream, writer, events } = await given(7);
    expect(await applyEvents(writer, [at(events, 5), at(events, 2)])).toStrictEqual(report(6, { gapsFilled: 1 }));
    await holds(writer, stream, 111_111, at(events, 5));
  });

  it("fills the gap within a batch that begins right after the guard, without what is before it", async () => {
    const { stream, writer, events } = await given(5);
    await applyEvents(writer, events.slice(0, 2));
    expect(await applyEvents(writer, [at(events, 2), at(events, 4)])).toStrictEqual(report(3, { gapsFilled: 1 }));
    await holds(writer, stream, 11_111, at(events, 4));
  });

  it("skips types that the projection does not list, delivered or in a gap, and moves the guard over them", async () => {
    const stream = `account-${randomUUID()}`;
    const writer = await views.writer(projection);
    const events = await views.append(stream, [digit(0), unlisted, digit(2), unlisted, unlisted]);
    expect(await applyEvents(writer, events.slice(2, 3))).toStrictEqual(report(3, { gapsFilled: 1 }));
    await holds(writer, stream, 101, at(events, 2));
    expect(await applyEvents(writer, events.slice(4))).toStrictEqual(report(2, { gapsFilled: 1 }));
    await holds(writer, stream, 101, at(events, 4));
  });

  it.each([
    [
      "truncated before the delivered event",
      (stream: string) => views.store.client.setStreamMetadata(stream, { truncateBefore: 3 }),
    ],
    ["kept to its last event", (stream: string) => views.store.client.setStreamMetadata(stream, { maxCount: 1 })],
    ["soft-deleted", (stream: string) => views.store.client.deleteStream(stream)],
    ["deleted for good", (stream: string) => views.store.client.tombstoneStream(stream)],
  ])("fills the hole of a stream from $all that was %s, out of what others wrote meanwhile", async (_, hide) => {
    const { stream, writer, events } = await given(3);
    await views.append(
      `account-${randomUUID()}`,
      numbers(3).map((place) => digit(place + 5)),
    );
    events.push(...(await views.append(stream, [digit(3)])));
    await applyEvents(writer, events.slice(0, 1));
    await hide(stream);
    expect(await applyEvents(writer, events.slice(3))).toStrictEqual(report(3, { gapsFilled: 1 }));
    await holds(writer, stream, 1111, at(events, 3));
  });

  it("takes a tombstone for the end of the stream, not for an event beyond a gap", async () => {
    const { stream, writer, events } = await given(2);
    await views.store.client.tombstoneStream(stream);
    const logged: StoredEvent[] = [];
    for await (const event of views.eventStore.readAll()) if (event.stream === stream) logged.push(event);
    expect(logged.map(({ type }) => type)).toStrictEqual([...events.map(({ type }) => type), "$streamDeleted"]);
    expect(await applyEvents(writer, logged.slice(2))).toStrictEqual(report(0));
    expect(await applyEvents(writer, logged)).toStrictEqual(report(2));
    await holds(writer, stream, 11, at(events, 1));
  });

  it("fills a hole up to the delivered event, not beyond", async () => {
    const { stream, writer, events } = await given(5);
    await views.store.client.setStreamMetadata(stream, { truncateBefore: 5 });
    expect(await applyEvents(writer, events.slice(2, 3))).toStrictEqual(report(3, { gapsFilled: 1 }));
    await holds(writer, stream, 111, at(events, 2));
  });

  it("names a scavenged hole, changes nothing of that stream, and goes on with others", async () => {
    const { stream, writer, events } = await given(4);
    const other = `account-${randomUUID()}`;
    const others = await views.append(other, [digit(0)]);
    await applyEvents(writer, events.slice(0, 1));
    const scavenged = { ...writer, eventStore: new ScavengedStore([2n]) };
    const outcome = await applyEvents(scavenged, [at(events, 3), ...others]);
    expect(outcome).toStrictEqual({
      ...report(1, { gapsFilled: 1 }),
      failures: [
        {
          stream,
          revision: 1n,
          error: new StreamHoleError(`revision 2 of ${stream} is no longer in the store: it was scavenged`),
        },
      ],
    });
    expect((await views.contents(writer)).guards).toStrictEqual({
      [stream]: guardAt(at(events, 0)),
      [other]: guardAt(at(others, 0)),
    });
    // An event that was delivered needs no store, whatever was scavenged since.
    expect(await applyEvents(scavenged, events)).toStrictEqual(report(3));
  });

  it("does not take what a lagging follower has not seen yet for scavenged", async () => {
    const { stream, writer, events } = await given(4);
    /** Behind by all but the first event, for every read that does not ask for the leader. */
    class Follower extends EventStore {
      override async *readStream(...read: Parameters<EventStore["readStream"]>): ReturnType<EventStore["readStream"]> {
        for await (const event of super.readStream(...read)) if (event.revision === 0n) yield event;
      }

      override async *readAll(from?: Position, until?: Position): ReturnType<EventStore["readAll"]> {
        if (until === undefined) yield* super.readAll(from);
        else yield* super.readAll(from, at(events, 0).position);
      }
    }
    const behind = { ...writer, eventStore: new Follower(views.store.client) };
    expect(await applyEvents(behind, events.slice(3))).toStrictEqual(report(4, { gapsFilled: 1 }));
    await holds(writer, stream, 1111, at(events, 3));
  });

  it("lets only one of two writers apply each event when they race", async () => {
    const streams = numbers(5).map(() => `account-${randomUUID()}`);
    const writer = await views.writer(projection);
    const events: StoredEvent[] = [];
    for (const stream of streams) events.push(...(await views.append(stream, numbers(4).map(digit))));
    // Different batches of the same events, in different orders.
    const batches = [events, events.toReversed(), events.filter(({ revision }) => revision > 1n)];
    const reports = await Promise.all(batches.map((batch) => applyEvents(writer, batch)));
    expect(reports.map(({ failures }) => failures)).toStrictEqual([[], [], []]);
    expect(reports.reduce((sum, { applied }) => sum + applied, 0)).toBe(events.length);
    const { rows: found, guards } = await views.contents(writer);
    const total = projection === owned ? streams.map(() => 1111) : [1111 * streams.length];
    expect(Object.values(found).map(({ sum }) => sum)).toStrictEqual(total);
    expect(guards).toStrictEqual(
      Object.fromEntries(events.filter(({ revision }) => revision === 3n).map((last) => [last.stream, guardAt(last)])),
    );
  });

  it("moves the guard over events before the generation's start, delivered or in a gap, and changes no row", async () => {
    const stream = `account-${randomUUID()}`;
    const events = await views.append(stream, numbers(4).map(digit));
    const writer = await views.writer(projection, at(events, 2).position);
    expect(await applyEvents(writer, events.slice(0, 1))).toStrictEqual(report(1));
    expect(
      Object.values((await views.contents(writer)).rows).filter((row) => Object.keys(row).length > 0),
    ).toStrictEqual([]);
    expect(await readGuard(writer, stream)).toStrictEqual({ revision: 0n, position: at(events, 0).position });
    expect(await applyEvents(writer, events.slice(3))).toStrictEqual(report(3, { gapsFilled: 1 }));
    // The event at the start is in, those before it are not.
    await holds(writer, stream, 1100, at(events, 3));
  });

  it("applies the events before one that it cannot read, names that one, and goes on with other streams", async () => {
    const stream = `account-${randomUUID()}`;
    const other = `account-${randomUUID()}`;
    const unreadable = { type: at([digit(2)], 0).type, data: "not an object" };
    const writer = await views.writer(projection);
    const events = await views.append(stream, [digit(0), digit(1), unreadable, digit(3)]);
    const others = await views.append(other, [digit(4)]);
    for (const batch of [events, events.slice(3)]) {
      const { failures, ...counts } = await applyEvents(writer, [...batch, ...others]);
      expect(failures.map(({ stream: name, revision, error }) => [name, revision, error])).toStrictEqual([
        [stream, 2n, errorNamed("EventNotUnderstoodError")],
      ]);
      expect(counts).toStrictEqual(
        batch === events
          ? { applied: 3, duplicates: 0, gapsFilled: 0, waiting: [] }
          : { applied: 0, duplicates: 1, gapsFilled: 1, waiting: [] },
      );
      expect((await views.contents(writer)).guards).toStrictEqual({
        [stream]: guardAt(at(events, 1)),
        [other]: guardAt(at(others, 0)),
      });
    }
    expect((await views.contents(writer)).rows).toStrictEqual(
      projection === owned ? { ...rows(stream, 11, 2), ...rows(other, 10_000, 1) } : rows("any", 10_011, 3),
    );
  });

  it("has nothing to do for an empty batch", async () => {
    const writer = await views.writer(projection);
    expect(await applyEvents(writer, [])).toStrictEqual(report(0));
    expect(await views.items(writer.generation.table)).toStrictEqual([]);
  });
});

describe("live delivery of a row that one stream owns", () => {
  const given = async (events: readonly EventForTest[]) => {
    const id = randomUUID();
    const stream = `account-${id}`;
    return {
      id,
      stream,
      key: `${id}/account`,
      writer: await views.writer(owned),
      events: await views.append(stream, events),
    };
  };

  it("keeps a deleted row as a hidden item with its guard, so that its events stay duplicates", async () => {
    const { stream, key, writer, events } = await given([changed({ set: { name: "Ada" }, add: { sum: 1 } }), closed]);
    await applyEvents(writer, events.slice(0, 1));
    await applyEvents(writer, events.slice(1));
    const deleted = { rows: { [key]: {} }, guards: { [stream]: guardAt(at(events, 1)) } };
    expect(await views.contents(writer)).toStrictEqual(deleted);
    expect(await applyEvents(writer, events)).toStrictEqual(report(0, { duplicates: 1 }));
    expect(await applyEvents(writer, events.slice(0, 1))).toStrictEqual(report(0, { duplicates: 1 }));
    expect(await views.contents(writer)).toStrictEqual(deleted);
  });

  it("starts from nothing after a deletion, within a batch and across two", async () => {
    const { stream, key, writer, events } = await given([
      changed({ set: { name: "Ada", kept: true }, add: { sum: 5 } }),
      closed,
      changed({ add: { sum: 2 } }),
      closed,
      changed({ set: { name: "Bob" } }),
    ]);
    await applyEvents(writer, events.slice(0, 1));
    await applyEvents(writer, events.slice(1, 3));
    expect((await views.contents(writer)).rows).toStrictEqual({ [key]: { sum: 2 } });
    await applyEvents(writer, events.slice(3, 4));
    await applyEvents(writer, events.slice(4));
    expect(await views.contents(writer)).toStrictEqual({
      rows: { [key]: { name: "Bob" } },
      guards: { [stream]: guardAt(at(events, 4)) },
    });
  });

  it("refuses a change of an engine-kept name and of an unsafe number, and names the event", async () => {
    const bad: readonly [EventForTest, string][] = [
      [
        changed({ set: { _revision: 7 } }),
        'attribute name "_revision": the engine keeps "pk", "sk" and names that start with "_"',
      ],
      [changed({ add: { pk: 1 } }), 'attribute name "pk": the engine keeps "pk", "sk" and names that start with "_"'],
      [changed({ remove: ["sk"] }), 'attribute name "sk": the engine keeps "pk", "sk" and names that start with "_"'],
      [
        changed({ set: { a: [{ b: 1.5 }] } }),
        'attribute "a": 1.5 is no safe integer; give whole numbers, larger ones as bigint',
      ],
      [
        changed({ add: { a: 0.5 } }),
        'attribute "a": 0.5 is no safe integer; give whole numbers, larger ones as bigint',
      ],
    ];
    for (const [change, message] of bad) {
      const { stream, key, writer, events } = await given([changed({ set: { fine: 1 } }), change]);
      expect(await applyEvents(writer, events)).toStrictEqual({
        ...report(1),
        failures: [{ stream, revision: 1n, error: new RowChangeError(message) }],
      });
      expect((await views.contents(writer)).rows).toStrictEqual({ [key]: { fine: 1 } });
    }
  });

  it("finds the event that DynamoDB itself refuses within a batch: those before it are applied, it is named", async () => {
    // What the text holds is known to the table alone: the batch does not set it.
    const { stream, key, writer, events } = await given([
      changed({ set: { text: "no number" } }),
      changed({ add: { sum: 1 } }),
      changed({ add: { sum: 10 } }),
      changed({ add: { text: 1 } }),
      changed({ add: { sum: 100 } }),
    ]);
    await applyEvents(writer, events.slice(0, 1));
    for (const applied of [2, 0]) {
      const { failures, ...counts } = await applyEvents(writer, events.slice(1));
      expect(counts.applied).toBe(applied);
      expect(failures).toStrictEqual([
        { stream, revision: 3n, error: errorNamed("ValidationException"), refusedByTable: true },
      ]);
      expect(await views.contents(writer)).toStrictEqual({
        rows: { [key]: { text: "no number", sum: 11 } },
        guards: { [stream]: guardAt(at(events, 2)) },
      });
    }
  });
});

describe("live delivery of rows that many streams touch", () => {
  it("sums the same row of all streams of a batch in one write, which its counter shows", async () => {
    const writer = await views.writer(shared);
    const events: StoredEvent[] = [];
    for (const place of numbers(4)) {
      events.push(...(await views.append(`account-${randomUUID()}`, [counted({ row: 10 ** place })])));
    }
    await applyEvents(writer, events.slice(0, 3));
    await applyEvents(writer, events.slice(3));
    const row = (await views.items(writer.generation.table)).find(({ pk }) => pk?.S === "totals");
    expect(row).toStrictEqual({
      pk: { S: "totals" },
      sk: { S: "row" },
      sum: { N: "1111" },
      events: { N: "4" },
      _writes: { N: "2" },
    });
  });

  it("splits what does not fit one transaction of 100 items: many streams", async () => {
    const writer = await views.writer(shared);
    const events: StoredEvent[] = [];
    for (const index of numbers(130)) {
      events.push(...(await views.append(`account-${randomUUID()}`, [counted({ row: 1, [`own${index}`]: 1 })])));
    }
    const { transactions, counting } = countingTransactions(writer);
    expect(await applyEvents(counting, events)).toStrictEqual(report(130));
    // 49 guards, 49 rows of their own and the one they share; and the rest.
    expect(transactions()).toBe(3);
    const { rows, guards } = await views.contents(writer);
    expect(rows).toStrictEqual({
      "totals/row": { sum: 130, events: 130 },
      ...Object.fromEntries(numbers(130).map((index) => [`totals/own${index}`, { sum: 1, events: 1 }])),
    });
    expect(guards).toStrictEqual(Object.fromEntries(events.map((event) => [event.stream, guardAt(event)])));
  });

  it("splits what does not fit one transaction of 100 items: one stream, delivered or in a gap", async () => {
    const stream = `account-${randomUUID()}`;
    const events = await views.append(
      stream,
      numbers(5).map((event) => counted(Object.fromEntries(numbers(40).map((row) => [`${event}-${row}`, 1])))),
    );
    for (const [batch, gapsFilled] of [
      [events, 0],
      [[at(events, 0), at(events, 4)], 1],
    ] as const) {
      const writer = await views.writer(shared);
      const { transactions, counting } = countingTransactions(writer);
      expect(await applyEvents(counting, batch)).toStrictEqual(report(5, { gapsFilled }));
      // Two events of 40 rows with the guard; two; one.
      expect(transactions()).toBe(3);
      const { rows, guards } = await views.contents(writer);
      expect(Object.keys(rows).length).toBe(200);
      expect(new Set(Object.values(rows).map(({ sum }) => sum))).toStrictEqual(new Set([1]));
      expect(guards).toStrictEqual({ [stream]: guardAt(at(events, 4)) });
    }
  });

  it("takes an event of 99 rows and refuses one of 100, which no transaction holds with the guard", async () => {
    const writer = await views.writer(shared);
    const rowsOf = (count: number): EventForTest =>
      counted(Object.fromEntries(numbers(count).map((row) => [`row${row}`, 1])));
    const stream = `account-${randomUUID()}`;
    const events = await views.append(stream, [rowsOf(99), rowsOf(100)]);
    expect(await applyEvents(writer, events)).toStrictEqual({
      ...report(1),
      failures: [
        {
          stream,
          revision: 1n,
          error: new RowChangeError("one event changes 100 rows: at most 99 fit a transaction with the guard"),
        },
      ],
    });
    expect(await readGuard(writer, stream)).toStrictEqual({ revision: 0n, position: at(events, 0).position });
  });

  it("refuses row keys that are empty or the engine's, and names the event", async () => {
    for (const projection of [
      { ...shared, changes: () => [{ key: { partition: "", sort: "x" }, add: { sum: 1 } }] },
      { ...shared, changes: () => [{ key: { partition: "x", sort: "" }, add: { sum: 1 } }] },
      { ...shared, changes: () => [{ key: { partition: "_guard#account-1", sort: "_guard" }, add: { sum: 1 } }] },
    ]) {
      const writer = await views.writer(projection);
      const stream = `account-${randomUUID()}`;
      const outcome = await applyEvents(writer, await views.append(stream, [counted({ x: 1 })]));
      expect(outcome).toStrictEqual({
        ...report(0),
        failures: [{ stream, revision: 0n, error: errorNamed("RowChangeError") }],
      });
      expect(await views.items(writer.generation.table)).toStrictEqual([]);
    }
  });

  it("lets an event that DynamoDB refuses hold back neither the other streams of its transaction nor those before it", async () => {
    const writer = await views.writer(shared);
    const bad = `account-${randomUUID()}`;
    const good = numbers(3).map(() => `account-${randomUUID()}`);
    // A damaged row that holds no number to add to.
    const damaged = { pk: { S: "totals" }, sk: { S: "damaged" }, sum: { S: "text" } };
    await views.dynamodb.send(new PutItemCommand({ TableName: writer.generation.table, Item: damaged }));
    const refused = counted({ damaged: 1 });
    const events = await views.append(bad, [counted({ row: 1 }), counted({ row: 10 }), refused, counted({ row: 100 })]);
    const others: StoredEvent[] = [];
    for (const stream of good) others.push(...(await views.append(stream, [counted({ row: 1_000 })])));
    const { failures, ...counts } = await applyEvents(writer, [...events, ...others]);
    expect(counts).toStrictEqual({ applied: 5, duplicates: 0, gapsFilled: 0, waiting: [] });
    expect(failures).toStrictEqual([
      { stream: bad, revision: 2n, error: errorNamed("TransactionCanceledException"), refusedByTable: true },
    ]);
    expect(await views.contents(writer)).toStrictEqual({
      rows: { "totals/damaged": { sum: "text" }, "totals/row": { sum: 3_011, events: 5 } },
      guards: Object.fromEntries([at(events, 1), ...others].map((event) => [event.stream, guardAt(event)])),
    });
  });

  it("adds streams up one by one whose sum together is too large to be sure of", async () => {
    const writer = await views.writer(shared);
    const large = Number.MAX_SAFE_INTEGER;
    const events: StoredEvent[] = [];
    for (const amount of [large, large, -large]) {
      events.push(...(await views.append(`account-${randomUUID()}`, [counted({ row: amount })])));
    }
    expect(await applyEvents(writer, events)).toStrictEqual(report(3));
    expect((await views.contents(writer)).rows).toStrictEqual({ "totals/row": { sum: large, events: 3 } });
  });
});

describe("a stream whose name leads to no row key", () => {
  it.each([
    ["an empty id", "account-", 'key ["","account"]: its parts must be of'],
    ["an id that the engine keeps", "account-_guard#x", "none may start"],
    ["an id too long for a key", `account-${"x".repeat(2_100)}`, "its parts must be of 1 to 2048"],
  ])("fails alone and says why: %s", async (_, stream, says) => {
    const writer = await views.writer(owned);
    const good = await views.append(`account-${randomUUID()}`, [changed({ add: { sum: 1 } })]);
    const bad = await views.append(stream, [unlisted]);
    const { applied, failures } = await applyEvents(writer, [...bad, ...good]);
    expect({ applied, failures }).toStrictEqual({
      applied: 1,
      failures: [
        { stream, revision: bad[0]?.revision, error: expect.any(RowChangeError) as Error, refusedByTable: true },
      ],
    });
    expect((failures[0]?.error as Error).message).toContain(says);
  });
});
