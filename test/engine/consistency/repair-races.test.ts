/** A repair beside what happens at the same moment: a mark, a discard, another owner. */
import { randomUUID } from "node:crypto";
import { DeleteItemCommand, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { expect, it } from "vitest";
import { z } from "zod";
import type { Difference } from "../../../engine/consistency/difference.ts";
import { repair, type Repair, repairLive } from "../../../engine/consistency/repair.ts";
import { decide } from "../../../engine/quarantine/decisions.ts";
import { Quarantine } from "../../../engine/quarantine/quarantine.ts";
import { rowItemKey } from "../../../engine/views/item.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import { defineSharedProjection } from "../../../engine/views/projection.ts";
import { markGuard, passGuard } from "../../../engine/views/stream-write.ts";
import { createGenerationTable } from "../../../engine/views/generation-table.ts";
import { startOfAll } from "../../../engine/event-store/position.ts";
import { interceptedDynamoDB } from "../replay/replay-for-test.ts";
import { useStores } from "./stores-for-views.ts";
import { moved, opened, purposeKey, unreadable, walletKey } from "./view-under-check.ts";

const stores = useStores();

it("the mark of a stream that is given up while its row is put right stays", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", opened, moved(5));
  await view.deliver();
  await view.append("w1", unreadable);
  await view.damageRow(walletKey("w1"), "balance", 999);
  const { differences } = await view.check();
  const rows = differences.filter(({ kind }) => kind === "row-differs");
  const generation = await view.live();
  let puts = 0;
  const dynamodb = interceptedDynamoDB(async (call, send) => {
    if (call.command === "PutItem" && (puts += 1) === 1) {
      const mark = markGuard(generation.table, view.guardKey("w1"), 2n);
      await view.dynamodb.send(new TransactWriteItemsCommand({ TransactItems: [mark] }));
    }
    return send();
  });
  const { store: eventStore, projection } = view;
  const repairs: Repair[] = [];
  for await (const one of repair({ dynamodb, eventStore, projection, generation }, rows)) repairs.push(one);
  dynamodb.destroy();
  expect(repairs).toMatchObject([{ what: "row-repaired" }]);
  expect(await view.item(view.guardKey("w1"))).toMatchObject({ _quarantined: { N: "2" }, balance: { N: "5" } });
});

it("a mark that stands alone, before the first event of a stream, stays", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", unreadable);
  const generation = await view.live();
  const mark = markGuard(generation.table, view.guardKey("w1"), 0n);
  await view.dynamodb.send(new TransactWriteItemsCommand({ TransactItems: [mark] }));
  await view.damageRow(walletKey("w1"), "balance", 999);
  const { differences } = await view.check();
  const { store: eventStore, projection, dynamodb } = view;
  const repairs: Repair[] = [];
  for await (const one of repair({ dynamodb, eventStore, projection, generation }, differences)) repairs.push(one);
  expect({ differences, repairs, item: await view.item(view.guardKey("w1")) }).toMatchObject({
    item: { _quarantined: { N: "0" } },
  });
});

it("an event that is discarded while the log is read is not put into the row", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5));
  await view.append("w2", moved(10));
  await view.deliver();
  await view.append("w1", moved(1_000));
  await view.damageRow(purposeKey("food"), "amount", 999);
  const report = await view.check();
  const differences = report.differences.filter(({ kind }) => kind === "row-differs");
  const generation = await view.live();
  let done = false;
  const dynamodb = interceptedDynamoDB(async (call, send) => {
    if (call.command === "BatchGetItem" && !done) {
      done = true;
      const decision = {
        subject: view.projection.name,
        stream: view.streamOf("w1"),
        revision: 1n,
        reason: "wrong",
        decidedAt: "2026-01-01T00:00:00.000Z",
        lastError: "none",
      };
      const pass = passGuard(generation.table, view.guardKey("w1"), await view.guardAt("w1", 1n), undefined);
      expect(await view.quarantine.transact([decide(view.quarantine.table, decision), pass])).toBe(true);
    }
    return send();
  });
  const context = {
    dynamodb,
    eventStore: view.store,
    catalog: view.catalog,
    quarantine: new Quarantine(view.dynamodb, view.quarantine.table),
  };
  const repairs: Repair[] = [];
  for await (const one of repairLive(context, [view.projection], { ...report, differences })) repairs.push(one);
  dynamodb.destroy();
  const item = await view.item(rowItemKey(purposeKey("food")));
  expect({ repairs, item }).not.toMatchObject({ item: { amount: { N: "1015" } } });
});

it("a row that is put right stays its owner's", async () => {
  const category = `o${randomUUID().slice(0, 8)}`;
  const eventTypes = { Named: { version: 1, schema: z.strictObject({ name: z.string() }) } } as const;
  const key = { partition: "all", sort: "one" };
  const projection = defineSharedProjection({
    name: `owned-${category}`,
    version: 1,
    categories: [category],
    eventTypes,
    owned: ["name"],
    on: { Named: ({ data: { name } }) => [{ key, set: { name } }] },
  });
  const { store: eventStore, dynamodb } = stores;
  const generation = { table: projection.name, from: startOfAll };
  await createGenerationTable(dynamodb, generation.table, projection);
  const append = (id: string, name: string, at: "no_stream" | bigint) =>
    eventStore.append(`${category}-${id}`, at, [{ id: randomUUID(), type: "Named", data: { name }, metadata: {} }]);
  const a = await append("a", "ada", "no_stream");
  const b = await append("b", "bob", "no_stream");
  if (a.outcome !== "appended" || b.outcome !== "appended") throw new Error("an append was refused");
  const scope = { dynamodb, eventStore, projection, generation };
  const last = async (id: string) => {
    const event = await eventStore.lastEvent(`${category}-${id}`);
    if (event === undefined) throw new Error("there is no event");
    return event;
  };
  // The second is delivered first and owns the row; the first is refused.
  expect((await applyEvents(scope, [await last("b")])).failures).toStrictEqual([]);
  expect((await applyEvents(scope, [await last("a")])).failures).toHaveLength(1);
  const difference: Difference = { kind: "row-missing", key, expected: { name: "bob" } };
  await dynamodb.send(new DeleteItemCommand({ TableName: generation.table, Key: { ...rowItemKey(key) } }));
  const repairs: Repair[] = [];
  for await (const one of repair(scope, [difference])) repairs.push(one);
  expect(repairs).toMatchObject([{ what: "row-repaired", after: { name: "bob" } }]);
  await append("b", "bobby", 0n);
  expect((await applyEvents(scope, [await last("b")])).failures).toStrictEqual([]);
});
