/** Changes mean the same to a row in DynamoDB, to one that replay folds in memory, and to the one that checks them both. */
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attributesOf, changeRow, isSameRow, type PlainRow } from "../../../engine/consistency/plain-row.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { attributesOfItem, marshallRow, rowItemKey } from "../../../engine/views/item.ts";
import { applyEvents, type LiveWriter } from "../../../engine/views/live-writer.ts";
import type { OwnedRowChange, RowAttributes, RowValue } from "../../../engine/views/projection.ts";
import {
  andThen,
  emptyRow,
  hasAttributes,
  noWrite,
  RowChangeError,
  rowOf,
  type RowWrite,
} from "../../../engine/views/row-write.ts";
import { updateExpression } from "../../../engine/views/update-expression.ts";
import { faultyDynamoDB, owned, report, useViews } from "./views-for-test.ts";

const views = useViews();
let writer: LiveWriter;
let writes = 0;

const counting = faultyDynamoDB(["UpdateItemCommand", "PutItemCommand"], (call, send) => {
  writes = call;
  return send();
});

beforeAll(async () => {
  writer = { ...(await views.writer(owned)), dynamodb: counting };
});

afterAll(() => counting.destroy());

const fold = (changes: readonly OwnedRowChange[]): RowWrite => changes.reduce<RowWrite>(andThen, emptyRow);

/** What replay would store, as a reader sees it. */
const replayed = (changes: readonly OwnedRowChange[]): RowAttributes => attributesOfItem(marshallRow(fold(changes)));

const plain = (changes: readonly OwnedRowChange[]): RowAttributes => {
  const row: PlainRow = new Map();
  for (const change of changes) changeRow(row, change);
  return attributesOf(row);
};

/** Events are made here, not stored: a store holds JSON, which has no -0. */
const eventsOf = (stream: string, changes: readonly OwnedRowChange[]): StoredEvent[] =>
  changes.map((change, index) => ({
    id: randomUUID(),
    stream,
    revision: BigInt(index),
    position: { commit: BigInt(index + 1), prepare: BigInt(index + 1) },
    type: "delete" in change ? "Closed" : "Changed",
    data: "delete" in change ? {} : change,
    metadata: {},
    recordedAt: new Date(0),
  }));

/** Applies the changes live, in batches of the given sizes and the rest in one, and reads the row. */
async function applied(changes: readonly OwnedRowChange[], sizes: readonly number[] = []): Promise<RowAttributes> {
  const id = randomUUID();
  const left = eventsOf(`account-${id}`, changes);
  for (const size of [...sizes, changes.length]) {
    const batch = left.splice(0, size);
    const before = writes;
    expect(await applyEvents(writer, batch)).toStrictEqual(report(batch.length));
    // A batch whose changes do not compose is refused and then written event by event: right, but by luck.
    expect(writes - before).toBe(batch.length === 0 ? 0 : 1);
  }
  const Key = rowItemKey({ partition: id, sort: "account" });
  const get = new GetItemCommand({ TableName: writer.generation.table, Key, ConsistentRead: true });
  return attributesOfItem((await views.dynamodb.send(get)).Item ?? {});
}

const largest = Number.MAX_SAFE_INTEGER;

/** Attributes that hold numbers or nothing, so that adding to them is legal. Most names are reserved in DynamoDB. */
const numberName = fc.constantFrom("count", "size", "total");
const anyName = fc.constantFrom("name", "status", "order", "a.b", "#x :y", "ö");

const { value } = fc.letrec<{ value: RowValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<RowValue>("", "text", 0, -0, 7, largest, -largest, true, false, null),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("name", "x", "y"), tie("value"), { maxKeys: 3 }),
  ),
}));

const small = fc.oneof(fc.integer({ min: -100, max: 100 }), fc.constant(-0));
// Near the largest: additions leave the safe integers and come back to them.
const settable = fc.oneof(small, fc.constantFrom(largest - 50, 50 - largest, largest, 2n ** 53n, 10n ** 30n, 5n));

const change: fc.Arbitrary<OwnedRowChange> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<OwnedRowChange>({ delete: true }) },
  {
    weight: 8,
    arbitrary: fc.record(
      {
        set: fc
          .tuple(fc.dictionary(anyName, value, { maxKeys: 3 }), fc.dictionary(numberName, settable, { maxKeys: 2 }))
          .map(([any, number]) => ({ ...any, ...number })),
        add: fc.dictionary(numberName, fc.oneof(small, fc.constantFrom(largest, -largest, 3n)), { maxKeys: 3 }),
        remove: fc.array(fc.oneof(anyName, numberName), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    ),
  },
);

describe("any sequence of changes of one row", () => {
  it("gives the same row applied live in batches, folded by replay, and folded by the check", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 }),
        async (changes, sizes) => {
          const live = await applied(changes, sizes);
          expect(live).toStrictEqual(replayed(changes));
          expect(isSameRow(plain(changes), live), inspect({ plain: plain(changes), live })).toBe(true);
          expect(hasAttributes(fold(changes))).toBe(Object.keys(live).length > 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("gives the same row when replay goes on from the row it stored before", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.array(change, { maxLength: 6 }), (first, second) => {
        const resumed = second.reduce<RowWrite>(andThen, rowOf(replayed(first)));
        expect(attributesOfItem(marshallRow(resumed))).toStrictEqual(replayed([...first, ...second]));
      }),
      { numRuns: 200 },
    );
  });
});

describe("a row in DynamoDB", () => {
  const cases: readonly [string, readonly OwnedRowChange[], RowAttributes][] = [
    [
      "takes reserved words and signs as names",
      [
        {
          set: { name: "n", status: "s", "a.b": 1, "#a0": 2, ":v0": 3 },
          add: { count: 1, size: 2 },
          remove: ["order"],
        },
      ],
      { name: "n", status: "s", "a.b": 1, "#a0": 2, ":v0": 3, count: 1, size: 2 },
    ],
    [
      "keeps empty texts, lists and objects",
      [{ set: { a: "", b: [], c: {}, d: [""] } }],
      { a: "", b: [], c: {}, d: [""] },
    ],
    ["tells null from nothing", [{ set: { a: null, b: null } }, { remove: ["b"] }], { a: null }],
    [
      "keeps nested values whole",
      [{ set: { lines: [{ total: { amount: 1, tags: [null, [true, []]] } }] } }],
      { lines: [{ total: { amount: 1, tags: [null, [true, []]] } }] },
    ],
    ["keeps the largest safe integers", [{ set: { a: largest, b: -largest } }], { a: largest, b: -largest }],
    ["sums exactly up to the largest", [{ set: { a: largest - 1 } }, { add: { a: 1 } }], { a: largest }],
    [
      "sums exactly beyond it, and back again",
      [
        { set: { a: largest, b: -largest, c: largest } },
        { add: { a: 3, b: -3, c: largest } },
        { add: { c: -5, a: 1n } },
      ],
      { a: 2n ** 53n + 3n, b: -(2n ** 53n) - 2n, c: 2n ** 54n - 7n },
    ],
    [
      "takes what is exact for a number",
      [{ set: { a: 5n, b: 2n ** 60n } }, { add: { b: 5n - 2n ** 60n } }],
      { a: 5, b: 5 },
    ],
    ["has no -0", [{ set: { a: -0, b: [-0] }, add: { c: -0 } }, { add: { a: -0 } }], { a: 0, b: [0], c: 0 }],
    ["sums from 0 what is not there", [{ add: { a: 5 } }, { add: { a: -7 } }], { a: -2 }],
    ["sums from 0 what was removed", [{ set: { a: 9 } }, { remove: ["a"] }, { add: { a: 2 } }], { a: 2 }],
    ["replaces a nested value as a whole", [{ set: { a: { x: 1 } } }, { set: { a: { y: 2 } } }], { a: { y: 2 } }],
    [
      "sets, then adds, then removes within one change",
      [{ set: { a: 1, b: 1 }, add: { a: 2 }, remove: ["b"] }],
      { a: 3 },
    ],
    ["is gone when its last attribute is removed", [{ set: { a: 1 } }, { remove: ["a"] }], {}],
    ["is gone when it is deleted", [{ set: { a: 1 } }, { delete: true }], {}],
    ["begins anew after its deletion", [{ set: { a: 1, b: 2 } }, { delete: true }, { add: { b: 1 } }], { b: 1 }],
  ];

  it.each(cases)("%s", async (_, changes, expected) => {
    expect(await applied(changes)).toStrictEqual(expected);
    expect(
      await applied(
        changes,
        changes.map(() => 1),
      ),
    ).toStrictEqual(expected);
    expect(replayed(changes)).toStrictEqual(expected);
    expect(isSameRow(plain(changes), expected)).toBe(true);
  });
});

describe("a change that no row can take", () => {
  it.each(["", "pk", "sk", "_revision", "_"])('names "%s", which the engine keeps', (name) => {
    const kept = `attribute name "${name}": the engine keeps "pk", "sk" and names that start with "_"`;
    for (const refused of [{ set: { [name]: 1 } }, { add: { [name]: 1 } }, { remove: [name] }]) {
      for (const before of [noWrite, emptyRow]) {
        expect(() => andThen(before, refused)).toThrow(new RowChangeError(kept));
      }
    }
  });

  it.each([
    [0, 0.5],
    [0, Number.NaN],
    [0.5, 1],
  ])("sums %d and %d, one of which is not whole", (before, amount) => {
    const message = `cannot add ${amount} to "a": sums are of whole numbers, so that order cannot matter`;
    expect(() => andThen(rowOf({ a: before }), { add: { a: amount } })).toThrow(new RowChangeError(message));
  });

  it("sums to more digits than a table can hold", () => {
    const most = 10n ** 38n - 1n;
    const message = `attribute "a": ${10n ** 38n} has more than the 38 digits that a table can hold`;
    expect(andThen(rowOf({ a: most - 1n }), { add: { a: 1 } }).set.get("a")).toBe(most);
    expect(() => andThen(rowOf({ a: most }), { add: { a: 1 } })).toThrow(new RowChangeError(message));
  });

  it.each<RowValue>(["1", true, null, [1], { a: 1 }])("adds to %j", (held) => {
    const message = `cannot add to "a": it holds ${typeof held}, not a number`;
    expect(() => andThen(rowOf({ a: held }), { add: { a: 1 } })).toThrow(new RowChangeError(message));
  });

  it("leaves the write before it as it was", () => {
    const before = andThen(noWrite, { set: { a: 1 }, add: { b: 1 }, remove: ["c"] });
    expect(() => andThen(before, { set: { a: 2 }, add: { pk: 1 } })).toThrow(RowChangeError);
    expect(before).toStrictEqual({
      replace: false,
      set: new Map([["a", 1]]),
      add: new Map([["b", 1]]),
      remove: new Set(["c"]),
    });
  });
});

describe("the update expression of a write", () => {
  it("sends every name and value through a placeholder", () => {
    const write = andThen(noWrite, { set: { name: "Ada" }, add: { count: 2 }, remove: ["order"] });
    expect(updateExpression(write, { _revision: { N: "7" } })).toStrictEqual({
      UpdateExpression: "SET #a0 = :v0, #a1 = :v1 ADD #a2 :v2 REMOVE #a3",
      ExpressionAttributeNames: { "#a0": "name", "#a1": "_revision", "#a2": "count", "#a3": "order" },
      ExpressionAttributeValues: { ":v0": { S: "Ada" }, ":v1": { N: "7" }, ":v2": { N: "2" } },
    });
  });

  it("has only the clauses that it needs", () => {
    expect(updateExpression(noWrite, { _revision: { N: "7" } }).UpdateExpression).toBe("SET #a0 = :v0");
    expect(updateExpression(andThen(noWrite, { add: { a: 1 } }), {}).UpdateExpression).toBe("ADD #a0 :v0");
    expect(updateExpression(andThen(noWrite, { remove: ["a"] }), {}).UpdateExpression).toBe("REMOVE #a0");
  });
});
