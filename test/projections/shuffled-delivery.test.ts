/** However the events of the same streams are delivered, each view ends in the rows and guards of their plain fold. */
import { jsonEvent } from "@eventstore/db-client";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { attributesOf, changeRow, type PlainRow } from "../../engine/consistency/plain-row.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { applyEvents } from "../../engine/views/live-writer.ts";
import { type Projection, readsStream, type RowValue } from "../../engine/views/projection.ts";
import { changesOf } from "../../engine/views/stream-write.ts";
import { projections } from "../../projections/registry.ts";
import { guardAt, type TableContents, useViews } from "../engine/views/views-for-test.ts";
import { histories } from "./histories.ts";

const views = useViews();

let stored: StoredEvent[];

/** The events that a projection reads. */
const eventsOf = (projection: Projection): StoredEvent[] =>
  stored.filter(({ stream }) => readsStream(projection, stream));

beforeAll(async () => {
  stored = [];
  for (const { stream, events } of histories()) {
    await views.store.client.appendToStream(
      stream,
      events.map(({ type, data, metadata = {} }) => jsonEvent({ type, data, metadata })),
    );
    for await (const event of views.eventStore.readStream(stream)) stored.push(event);
  }
});

/** Rows and guards of a projection over all its events, without any of the code that writes views. */
function foldOf(projection: Projection): TableContents {
  const rows = new Map<string, PlainRow>();
  const guards: Record<string, string> = {};
  for (const event of eventsOf(projection)) {
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
const delivery = (events: readonly StoredEvent[]): fc.Arbitrary<StoredEvent[][]> => {
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

describe.each(projections)("$name", (projection) => {
  it.each([1, 3])("is the fold of its events, delivered in any way to writers of the number %d", async (writers) => {
    const expected = foldOf(projection);
    expect(Object.keys(expected.guards).length).toBe(9);
    await fc.assert(
      fc.asyncProperty(delivery(eventsOf(projection)), async (batches) => {
        const writer = await views.writer(projection);
        const queue = batches.values();
        const work = async (): Promise<void> => {
          for (const batch of queue) expect((await applyEvents(writer, batch)).failures).toStrictEqual([]);
        };
        await Promise.all(Array.from({ length: writers }, work));
        expect(await views.contents(writer)).toStrictEqual(expected);
      }),
      { numRuns: 5 },
    );
  });
});
