/** However the events of the same streams are delivered, each view ends in the rows and guards of their plain fold. */
import { randomUUID } from "node:crypto";
import { jsonEvent } from "@eventstore/db-client";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { attributesOf, changeRow, type PlainRow } from "../../engine/consistency/plain-row.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { applyEvents } from "../../engine/views/live-writer.ts";
import type { Projection, RowValue } from "../../engine/views/projection.ts";
import { changesOf } from "../../engine/views/stream-write.ts";
import { orderSummary } from "../../projections/order-summary.ts";
import { salesByMonth } from "../../projections/sales-by-month.ts";
import { guardAt, type TableContents, useViews } from "../engine/views/views-for-test.ts";
import {
  cancelled,
  cancelledAfterConfirmation,
  completed,
  confirmed,
  type OrderEventForTest,
  type OrderForTest,
  placed,
  rejected,
} from "./order-events.ts";

const views = useViews();

/** Nine orders of three customers in three months and two currencies, some with other events between. */
const orders = Array.from({ length: 9 }, (_, index) => ({
  orderId: `${index}-${randomUUID()}`,
  customerId: `CUST${index % 3}`,
  orderedAt: `1996-0${7 + (index % 3)}-0${1 + index}T00:00:00.000Z`,
  amount: 10 ** (index % 6),
  currency: index % 2 === 0 ? "USD" : "EUR",
}));

/** What becomes of the orders in turn; two of nine stay as they were placed. */
const fates: readonly ((order: OrderForTest) => readonly OrderEventForTest[])[] = [
  (order) => [cancelled(order, "too late")],
  (order) => [confirmed(order), cancelledAfterConfirmation(order)],
  (order) => [rejected(order)],
  () => [],
  (order) => [confirmed(order), completed(order)],
];

const fateOf = (index: number, order: OrderForTest) => fates[index % fates.length]?.(order) ?? [];

const other: OrderEventForTest = { type: "OrderNoted", data: {} };

let events: StoredEvent[];

beforeAll(async () => {
  events = [];
  for (const [index, order] of orders.entries()) {
    const history = [
      placed(order),
      ...Array.from({ length: index % 3 }, () => other),
      ...fateOf(index, order),
      ...(index % 2 === 0 ? [other] : []),
    ];
    const stream = `order-${order.orderId}`;
    await views.store.client.appendToStream(
      stream,
      history.map(({ type, data, metadata = {} }) => jsonEvent({ type, data, metadata })),
    );
    for await (const event of views.eventStore.readStream(stream)) events.push(event);
  }
});

/** Rows and guards of a projection over all events, without any of the code that writes views. */
function foldOf(projection: Projection): TableContents {
  const rows = new Map<string, PlainRow>();
  const guards: Record<string, string> = {};
  for (const event of events) {
    for (const { key, change } of changesOf(projection, event)) {
      const name = `${key.partition}/${key.sort}`;
      const row = rows.get(name) ?? new Map<string, RowValue>();
      changeRow(row, change);
      rows.set(name, row);
    }
    guards[event.stream] = guardAt(event);
  }
  return { rows: Object.fromEntries([...rows].map(([name, row]) => [name, attributesOf(row)])), guards };
}

/**
 * A delivery: every event any number of times, none included, in any order, cut into batches anywhere. Only the last event
 * of a stream comes for certain, since an event that no delivery hints at is the business of the consistency check.
 */
const delivery = (): fc.Arbitrary<StoredEvent[][]> => {
  const lasts = new Set(new Map(events.map((event) => [event.stream, event])).values());
  return fc
    .tuple(...events.map((event) => fc.integer({ min: lasts.has(event) ? 1 : 0, max: 3 })))
    .chain((times) => {
      const hints = events.flatMap((event, index) => Array.from({ length: times[index] ?? 0 }, () => event));
      return fc.tuple(
        fc.shuffledSubarray(hints, { minLength: hints.length, maxLength: hints.length }),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: hints.length, maxLength: hints.length }),
      );
    })
    .map(([hints, sizes]) => {
      const left = [...hints];
      return sizes.map((size) => left.splice(0, size)).filter(({ length }) => length > 0);
    });
};

describe.each([orderSummary, salesByMonth])("$name", (projection) => {
  it.each([1, 3])("is the fold of its events, delivered in any way to writers of the number %d", async (writers) => {
    const expected = foldOf(projection);
    expect(Object.keys(expected.guards).length).toBe(orders.length);
    await fc.assert(
      fc.asyncProperty(delivery(), async (batches) => {
        const writer = await views.writer(projection);
        const queue = batches.values();
        const work = async (): Promise<void> => {
          for (const batch of queue) expect((await applyEvents(writer, batch)).failures).toStrictEqual([]);
        };
        await Promise.all(Array.from({ length: writers }, work));
        expect(await views.contents(writer)).toStrictEqual(expected);
      }),
      { numRuns: 8 },
    );
  });
});
