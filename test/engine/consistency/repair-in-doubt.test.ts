/** What a repair must leave as it is: rows of which nobody can say what is right, and guards that are. */
import { type DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkView } from "../../../engine/consistency/check.ts";
import type { Difference } from "../../../engine/consistency/difference.ts";
import { explainRow } from "../../../engine/consistency/explain.ts";
import { judgeRow } from "../../../engine/consistency/judge-row.ts";
import { repair, repairLive, type Repair } from "../../../engine/consistency/repair.ts";
import type { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { guardAttributes, guardItemKey, guardNames, rowItemKey } from "../../../engine/views/item.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { scavenged } from "./scavenged-log.ts";
import { useStores } from "./stores-for-views.ts";
import { moved, opened, purposeKey, unlisted, unreadable, type ViewUnderCheck, walletKey } from "./view-under-check.ts";

const stores = useStores();

async function repairOf(
  view: ViewUnderCheck,
  differences: readonly Difference[],
  more: { dynamodb?: DynamoDBClient; eventStore?: EventStore; projection?: Projection } = {},
): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const scope = {
    dynamodb: view.dynamodb,
    eventStore: view.store,
    projection: view.projection,
    generation: await view.live(),
    ...more,
  };
  for await (const one of repair(scope, differences)) repairs.push(one);
  return repairs;
}

/** The same view after a deploy whose schema refuses what was taken before. */
function stricter(projection: Projection, refused: number): Projection {
  const amount = z.int().refine((value) => value !== refused);
  const eventTypes = {
    ...projection.eventTypes,
    Moved: { version: 1, schema: z.strictObject({ amount, purpose: z.string() }) },
    ...(refused === 0 ? { Opened: { version: 1, schema: z.strictObject({ owner: z.literal("bob") }) } } : {}),
  };
  return { ...projection, eventTypes };
}

const checkWith = (view: ViewUnderCheck, projection: Projection, eventStore = view.store) =>
  checkView(
    { dynamodb: view.dynamodb, eventStore, catalog: view.catalog, quarantine: view.quarantine },
    projection.name,
    [projection],
    { waitForGuardsMs: 0 },
  );

it("a right shared row is not emptied because code cannot read an earlier event of a stream any more", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5), moved(13, "rent"), moved(7, "trips"));
  await view.deliver();
  const trips = await view.item(rowItemKey(purposeKey("trips")));
  const projection = stricter(view.projection, 13);
  const { differences } = await checkWith(view, projection);
  const repairs = await repairOf(view, differences, { projection });
  expect({
    differences: differences.map(({ kind }) => kind),
    item: await view.item(rowItemKey(purposeKey("trips"))),
    repairs,
  }).toMatchObject({ item: trips });
});

it("a right row of one stream is not deleted with its guard because code cannot read its first event any more", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", opened, moved(5));
  await view.deliver();
  const row = await view.item(rowItemKey(walletKey("w1")));
  const projection = stricter(view.projection, 0);
  const { differences } = await checkWith(view, projection);
  const repairs = await repairOf(view, differences, { projection });
  expect({
    differences: differences.map(({ kind }) => kind),
    item: await view.item(rowItemKey(walletKey("w1"))),
    repairs,
  }).toMatchObject({ item: row });
});

it("a right row whose first event cannot be read any more is not called wrong", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", opened, moved(5));
  await view.deliver();
  const projection = stricter(view.projection, 0);
  const judged = await judgeRow(
    { dynamodb: view.dynamodb, eventStore: view.store, projection, generation: await view.live() },
    walletKey("w1"),
  );
  expect(judged).toMatchObject({ outcome: "undecided" });
});

it("events are not applied twice where the guard is lost and a scavenge leaves the rows undecided", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5), moved(1));
  await view.append("w2", moved(10), moved(20));
  await view.deliver();
  const gone = (event: StoredEvent): boolean => event.stream === view.streamOf("w2") && event.revision === 0n;
  const store = scavenged(stores.store, gone);
  await view.remove(view.guardKey("w1"));
  const report = await view.check({}, store);
  const before = await view.item(rowItemKey(purposeKey("food")));
  const { dynamodb, catalog, quarantine } = view;
  const repairs: Repair[] = [];
  for await (const one of repairLive({ dynamodb, eventStore: store, catalog, quarantine }, [view.projection], report))
    repairs.push(one);
  expect({ report, repairs, item: await view.item(rowItemKey(purposeKey("food"))) }).toMatchObject({ item: before });
});

it.each(["one-per-stream", "shared"] as const)(
  "%s: a scavenge between check and repair does not make a repair wipe out what is gone",
  async (kind) => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5), moved(1));
    await view.append("w2", opened, moved(10));
    await view.deliver();
    const key = kind === "shared" ? purposeKey("food") : walletKey("w1");
    await view.damageRow(key, kind === "shared" ? "moves" : "owner", 99);
    const { differences } = await view.check();
    const gone = (event: StoredEvent): boolean => event.stream === view.streamOf("w1") && event.revision < 2n;
    const repairs = await repairOf(view, differences, { eventStore: scavenged(stores.store, gone) });
    expect(repairs).toMatchObject([{ what: "left" }]);
  },
);

it("what a check leaves undecided after a scavenge is not told as wrong", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5), moved(1));
  await view.append("w2", moved(10));
  await view.deliver();
  const gone = (event: StoredEvent): boolean => event.stream === view.streamOf("w1") && event.revision === 0n;
  const store = scavenged(stores.store, gone);
  expect(await view.check({}, store)).toMatchObject({ differences: [], undecidedCount: 1 });
  const judged = await judgeRow(
    { dynamodb: view.dynamodb, eventStore: store, projection: view.projection, generation: await view.live() },
    purposeKey("food"),
  );
  expect(judged).toMatchObject({ outcome: "undecided" });
});

it("an event before the offset that cannot be read holds nothing back", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", opened, unreadable, moved(5), moved(2));
  await view.goLive("g2", (await view.guardAt("w1", 2n)).position);
  await view.deliver();
  const generation = await view.live();
  const { store: eventStore, projection, dynamodb } = view;
  expect(await judgeRow({ dynamodb, eventStore, projection, generation }, walletKey("w1"))).toStrictEqual({
    outcome: "agrees",
  });
  const explanation = await explainRow({ eventStore, projection, generation, decisions: [], asked: "w1" });
  expect(explanation).toMatchObject({ row: { balance: 7 }, unreadable: [] });
});

describe.each(["one-per-stream", "shared"] as const)("a view of rows that are %s", (kind) => {
  it.each(["deleteStream", "tombstoneStream"] as const)(
    "events of a stream that was hidden by %s are applied",
    async (how) => {
      const view = await stores.view(kind);
      await view.append("w2", opened, moved(10));
      await view.deliver();
      await view.append("w1", opened, moved(5));
      await view.store.client[how](view.streamOf("w1"));
      const { differences } = await view.check();
      expect(differences.map(({ kind: of }) => of)).toContain("guard-behind");
      const repairs = await repairOf(view, differences).catch((error: unknown) => error);
      expect(repairs).toContainEqual({ what: "events-applied", stream: view.streamOf("w1"), events: 2 });
    },
  );
});

it("a hidden row that only holds a guard keeps it when an attribute too many is taken away", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", unlisted, unlisted);
  await view.deliver();
  const before = await view.item(view.guardKey("w1"));
  await view.damageRow(walletKey("w1"), "balance", 3);
  const { differences } = await view.check();
  const repairs = await repairOf(view, differences);
  expect({ repairs, item: await view.item(view.guardKey("w1")) }).toMatchObject({ item: before });
  expect(await view.check()).toMatchObject({ differences: [] });
});

it("the guard of no stream in a row that nobody sees is removed", async () => {
  const view = await stores.view("one-per-stream");
  await view.append("w1", opened);
  await view.deliver();
  await view.put(rowItemKey(walletKey("ghost")), guardAttributes(await view.guardAt("w1", 0n)));
  const { differences } = await view.check();
  const repairs = await repairOf(view, differences);
  expect({ differences, repairs, after: (await view.check()).differences }).toMatchObject({ after: [] });
});

it("a row at the tombstone's revision guard can be repaired", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5));
  await view.append("w2", moved(10));
  await view.deliver();
  await view.store.client.tombstoneStream(view.streamOf("w1"));
  const tombstone = (await view.events()).at(-1);
  if (tombstone === undefined) throw new Error();
  await view.damageGuard("w1", { revision: tombstone.revision, position: tombstone.position });
  await view.damageRow(purposeKey("food"), "amount", 999);
  const { differences } = await view.check();
  const repairs = await repairOf(view, differences);
  expect({ differences, repairs }).toMatchObject({ repairs: [{ what: "row-repaired" }] });
});

it("a second guard item of a stream under another sort key does not cost the stream its guard", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5));
  await view.deliver();
  const { table } = await view.live();
  const guard = guardAttributes(await view.guardAt("w1", 0n));
  await view.dynamodb.send(
    new PutItemCommand({
      TableName: table,
      Item: { pk: guardItemKey(view.streamOf("w1")).pk, sk: { S: "x" }, ...guard },
    }),
  );
  const { differences } = await view.check();
  const repairs = await repairOf(view, differences);
  expect({ differences, repairs, guard: await view.item(view.guardKey("w1")) }).toMatchObject({ guard: guard });
});

it.each(["one-per-stream", "shared"] as const)(
  "%s: a guard that lost its position is made anew, with the rows that it lets in",
  async (kind) => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5));
    await view.deliver();
    const item = Object.entries((await view.item(view.guardKey("w1"))) ?? {});
    await view.put(view.guardKey("w1"), Object.fromEntries(item.filter(([name]) => name !== guardNames.commit)));
    await repairOf(view, (await view.check()).differences);
    expect(await view.check()).toMatchObject({ differences: [], undecided: [] });
  },
);

it("a guard that strayed into a shared row is taken out of it, and the row stays", async () => {
  const view = await stores.view("shared");
  await view.append("w1", moved(5));
  await view.deliver();
  const key = rowItemKey(purposeKey("food"));
  const row = await view.item(key);
  await view.put(key, { ...row, ...guardAttributes(await view.guardAt("w1", 0n)) });
  await repairOf(view, (await view.check()).differences);
  expect(await view.item(key)).toStrictEqual(row);
});

it.each(["one-per-stream", "shared"] as const)(
  "%s: a guard that is ahead is not put behind an event that cannot be applied",
  async (kind) => {
    const view = await stores.view(kind);
    await view.append("w1", opened, moved(5), moved(13), moved(1));
    const projection = stricter(view.projection, 13);
    const { dynamodb, store: eventStore } = view;
    await applyEvents({ dynamodb, eventStore, projection, generation: await view.live() }, await view.events());
    await view.damageGuard("w1", { ...(await view.guardAt("w1", 3n)), revision: 9n });
    await repairOf(view, (await checkWith(view, projection)).differences, { projection });
    expect(await checkWith(view, projection)).toMatchObject({
      differences: [{ kind: "event-unreadable" }],
      undecided: [],
    });
    // With code that can take the event.
    await view.deliver();
    expect(await view.check()).toMatchObject({ differences: [], undecided: [] });
  },
);

it("a stream whose name no key can hold puts no row in doubt, scavenged or not", async () => {
  const view = await stores.view("shared");
  const endless = "x".repeat(2_100);
  await view.append("w1", moved(5));
  await view.append(endless, moved(1), moved(2));
  await view.deliver((await view.events()).filter(({ stream }) => stream === view.streamOf("w1")));
  await view.damageRow(purposeKey("food"), "amount", 999);
  const eventStore = scavenged(
    stores.store,
    ({ stream, revision }) => stream === view.streamOf(endless) && revision === 0n,
  );
  const { dynamodb, projection } = view;
  const judged = await judgeRow(
    { dynamodb, eventStore, projection, generation: await view.live() },
    purposeKey("food"),
  );
  expect(judged).toMatchObject({ outcome: "differs", difference: { expected: { amount: 5 } } });
  const difference: Difference = { kind: "row-missing", key: purposeKey("food"), expected: {} };
  expect(await repairOf(view, [difference], { eventStore })).toMatchObject([
    { what: "row-repaired", after: { amount: 5 } },
  ]);
});
