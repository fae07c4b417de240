/** When a back-fill writes what it has folded. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { getItems } from "../../../engine/consistency/table-items.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { WriteBackCache, type WriteBackCacheOptions } from "../../../engine/replay/write-back-cache.ts";
import { createGenerationTable } from "../../../engine/views/generation-table.ts";
import { type ItemKey, rowItemKey } from "../../../engine/views/item.ts";
import { faultyDynamoDB, newTable, owned, useViews } from "../views/views-for-test.ts";
import { quick } from "./replay-for-test.ts";

const views = useViews();
const lease = {
  signal: new AbortController().signal,
  assertHeld: () => undefined,
  noteUncertainWrite: () => undefined,
};
const settings = { ...quick, rowsInMemory: 1_000, rowsHeldBack: 16, batchesAtOnce: 1 };

/** A cache of rows that were changed once each, and how many batches it has sent. */
async function cacheOf(rows: number, options: Partial<WriteBackCacheOptions> = {}) {
  let batches = 0;
  let atOnce = 0;
  let most = 0;
  const dynamodb = faultyDynamoDB("BatchWriteItemCommand", async (_call, send) => {
    batches += 1;
    most = Math.max(most, (atOnce += 1));
    try {
      await sleep(20);
      return await send();
    } finally {
      atOnce -= 1;
    }
  });
  onTestFinished(() => dynamodb.destroy());
  const table = newTable();
  await createGenerationTable(views.dynamodb, table, owned);
  const cache = new WriteBackCache({ dynamodb, table, lease, settings, tableIsEmpty: true, ...options });
  const [event] = await views.append(`account-${table}`, [{ type: "Changed", data: {} }]);
  if (event === undefined) throw new Error("an event was appended");
  for (let id = 0; id < rows; id += 1) fold(cache, event, id);
  const changeAgain = (id: number): void => fold(cache, event, id, 1n);
  const stored = async (id: number) => [...(await getItems(views.dynamodb, table, [keyOf(id)])).values()];
  return { cache, changeAgain, stored, sent: () => ({ batches, most }) };
}

const keyOf = (id: number): ItemKey => rowItemKey({ partition: `row ${id}`, sort: "row" });

function fold(cache: WriteBackCache, event: StoredEvent, id: number, later = 0n): void {
  const item = cache.item(keyOf(id));
  const position = { ...event.position, commit: event.position.commit + later };
  if (item.fold({ ...event, position }, [{ add: { sum: 1 } }], true)) cache.changed(item);
}

describe("a cache that writes back", () => {
  it("begins the next batch when one ends, up to as many as may be under way, and holds back a few", async () => {
    const { cache, sent } = await cacheOf(128);
    await cache.makeRoom();
    // Of 128 that have changed it keeps 16, an eighth; nothing is asked of it meanwhile.
    await expect.poll(() => cache.written).toBe(112);
    await sleep(50);
    expect(sent()).toStrictEqual({ batches: 5, most: 1 });
    await cache.flush();
    expect(cache.written).toBe(128);
  });

  it("keeps fewer while few have changed: DynamoDB would have nothing to do", async () => {
    const { cache } = await cacheOf(33);
    await cache.makeRoom();
    await expect.poll(() => cache.written).toBe(29);
    await cache.settle();
    expect(cache.written).toBe(29);
  });

  it("begins no write by itself while live delivery is to have the room", async () => {
    const { cache, sent } = await cacheOf(128, { givesWay: () => true });
    await cache.makeRoom();
    await expect.poll(() => cache.written).toBe(25);
    await sleep(50);
    expect(sent().batches).toBe(1);
    await cache.flush();
    expect(cache.written).toBe(128);
  });

  it("writes nothing more when it has settled: its worker may be gone", async () => {
    const { cache, sent } = await cacheOf(128);
    await cache.makeRoom();
    await cache.settle();
    expect(cache.written).toBe(25);
    await sleep(50);
    expect(sent().batches).toBe(1);
  });

  it("takes a change of a row whose write is under way, and writes it again when that has ended", async () => {
    const two = { ...settings, rowsHeldBack: 0, batchesAtOnce: 2 };
    const { cache, changeAgain, stored, sent } = await cacheOf(25, { settings: two });
    await cache.makeRoom();
    changeAgain(7);
    await cache.flush();
    expect(cache.written).toBe(26);
    expect(sent()).toStrictEqual({ batches: 2, most: 1 });
    expect(await stored(7)).toMatchObject([{ sum: { N: "2" } }]);
  });

  it("ends with what a write failed by, and begins no other", async () => {
    const dynamodb = faultyDynamoDB("BatchWriteItemCommand", () => Promise.reject(new Error("no such luck")));
    onTestFinished(() => dynamodb.destroy());
    const { cache } = await cacheOf(128, { dynamodb });
    await cache.makeRoom();
    await expect(cache.flush()).rejects.toThrow("no such luck");
    await cache.settle();
    expect(cache.written).toBe(0);
  });
});
