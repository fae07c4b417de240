/** Checks of some rows: a sample that can take each of them, and one row by its name. */
import { describe, expect, it } from "vitest";
import { checkView } from "../../../engine/consistency/check.ts";
import type { CheckReport, RowsAsked } from "../../../engine/consistency/generation-check.ts";
import { repairLive } from "../../../engine/consistency/repair.ts";
import { rowText } from "../../../engine/consistency/difference.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { RowNotFoundError } from "../../../engine/consistency/row-name.ts";
import { RowSample } from "../../../engine/consistency/row-sample.ts";
import { itemText, keyOfItem } from "../../../engine/consistency/table-items.ts";
import { guardAttributes, guardItemKey, keyOfRowItem, rowItemKey } from "../../../engine/views/item.ts";
import type { RowKey } from "../../../engine/views/projection.ts";
import { interceptedDynamoDB } from "../replay/replay-for-test.ts";
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
const wallets = 12;

const keyOf = (kind: Kind, wallet: number): RowKey =>
  kind === "shared" ? purposeKey(`p${wallet}`) : walletKey(`w${wallet}`);

/** As many rows as wallets, of both kinds. */
async function filled(kind: Kind, count = wallets): Promise<ViewUnderCheck> {
  const view = await stores.view(kind);
  for (let wallet = 0; wallet < count; wallet += 1) {
    await view.append(`w${wallet}`, opened, unlisted, moved(wallet, `p${wallet}`));
  }
  await view.deliver();
  return view;
}

const check = (view: ViewUnderCheck, only: RowsAsked, options = {}): Promise<CheckReport> =>
  view.check({ only, ...options });
const all = { sample: 10_000, seed: "any" };

const isProof = process.env["TIDEMARK_PROOF"] !== undefined;

describe.each(kinds)("a sample of a view of rows that are %s", (kind) => {
  it("that takes all of them finds all right, and says which it took", async () => {
    const view = await filled(kind);
    expect(await check(view, all)).toMatchObject({
      rows: wallets,
      guards: wallets,
      events: 3 * wallets,
      differenceCount: 0,
      undecidedCount: 0,
      only: all,
    });
  });

  it("looks at no more rows than it was asked for, and the same ones for the same seed", async () => {
    const view = await filled(kind, 40);
    for (let wallet = 0; wallet < 40; wallet += 1) await view.damageRow(keyOf(kind, wallet), "extra", 1);
    const found = async (seed: string): Promise<readonly unknown[]> => {
      const { differences, rows } = await check(view, { sample: 6, seed });
      expect(rows).toBe(differences.length);
      expect(rows).toBeLessThanOrEqual(6);
      expect(rows).toBeGreaterThanOrEqual(3);
      return differences.map((difference) => ("key" in difference ? rowText(difference.key) : difference.kind)).sort();
    };
    const first = await found("a");
    expect(await found("a")).toStrictEqual(first);
    expect(await found("b")).not.toStrictEqual(first);
  });

  it("finds a row that is missing, and one too many", async () => {
    const view = await filled(kind);
    await view.remove(rowItemKey(keyOf(kind, 3)));
    await view.put(rowItemKey({ partition: "nobody", sort: "knows" }), { amount: { N: "1" } });
    const { differences } = await check(view, all);
    const ofRows = differences.filter((difference) => difference.kind !== "guard-behind");
    const found = ofRows.map((difference) => ("key" in difference ? [difference.kind, difference.key] : []));
    expect(found).toHaveLength(2);
    expect(found).toContainEqual(["row-missing", keyOf(kind, 3)]);
    expect(found).toContainEqual(["row-unexpected", { partition: "nobody", sort: "knows" }]);
  });

  it.each([
    ["ahead", "guard-ahead", 9n, 2n],
    ["behind", "guard-behind", 0n, 0n],
    ["at a wrong place", "guard-position", 2n, 0n],
  ] as const)("finds a guard that is %s", async (_, what, revision, placeOf) => {
    const view = await filled(kind);
    await view.damageGuard("w5", { ...(await view.guardAt("w5", placeOf)), revision });
    const { differences } = await check(view, all);
    expect(differences.map((difference) => difference.kind)).toContain(what);
  });

  it("takes no event that is unreadable, before the offset or on its way for damage", async () => {
    const view = await filled(kind);
    await view.append("w1", closed);
    await view.append("w20", unlisted);
    await view.deliver();
    await view.append("w2", moved(1, "p2"));
    await view.append("w3", unreadable);
    const told: number[] = [];
    const onWaiting = (guards: number): void => {
      told.push(guards);
      setTimeout(() => void view.deliver(), 50);
    };
    const report = await check(view, all, { waitForGuardsMs: 20_000, onWaiting });
    expect({ told, differences: report.differences, undecided: report.undecided }).toStrictEqual({
      told: [1],
      differences: [expect.objectContaining({ kind: "event-unreadable", stream: view.streamOf("w3") })],
      undecided: [],
    });
    await view.goLive("g2", (await view.guardAt("w6", 2n)).position);
    await view.deliver();
    const ofNew = await check(view, all);
    expect(ofNew.differences.map((difference) => difference.kind)).toStrictEqual(["event-unreadable"]);
  });

  it.runIf(isProof)(
    "has taken every row once, after as many seeds as it takes",
    async () => {
      const view = await filled(kind);
      const { dynamodb, store: eventStore, projection } = view;
      const sampled = { dynamodb, eventStore, projection, generation: await view.live() };
      const until = await eventStore.tail();
      const texts = Array.from({ length: wallets }, (_, wallet) => itemText(rowItemKey(keyOf(kind, wallet))));
      const ofLog = new Set<string>();
      const ofTable = new Set<string>();
      for (let seed = 0; seed < 60; seed += 1) {
        const sample = await RowSample.taken(sampled, 4, `seed ${seed}`, until);
        for (const item of sample.items) ofTable.add(itemText(keyOfItem(item)));
        const known = new Set(sample.items.map((item) => itemText(keyOfItem(item))));
        texts.forEach((text) => sample.has(text));
        const taken = texts.filter((text) => sample.has(text));
        const others = taken.filter((text) => !known.has(text));
        expect(others.length).toBeLessThanOrEqual(2);
        for (const text of others) ofLog.add(text);
      }
      expect([...ofLog].sort()).toStrictEqual(texts.toSorted());
      expect([...ofTable].filter((text) => texts.includes(text)).sort()).toStrictEqual(texts.toSorted());
    },
    60_000,
  );

  it("reads little of the table, however large that is", async () => {
    const view = await filled(kind, 300);
    let items = 0;
    const dynamodb = interceptedDynamoDB(async (_, send) => {
      const answer = await send();
      items += itemsIn(answer);
      return answer;
    });
    const { store: eventStore, catalog, quarantine, projection } = view;
    const context = { dynamodb, eventStore, catalog, quarantine };
    const only = { sample: 4, seed: "s" };
    const report = await checkView(context, projection.name, [projection], { only });
    dynamodb.destroy();
    expect(report).toMatchObject({ differenceCount: 0, undecidedCount: 0 });
    // Up to 5 items in each of the 8 halvings, then rows and guards; the table has 300 or more.
    expect(items).toBeLessThan(100);
    expect(report.rows).toBeGreaterThanOrEqual(2);
  }, 60_000);

  it.each<[what: string, only: RowsAsked]>([
    ["of some rows", { sample: 4, seed: "s" }],
    ["of one row", { row: kind === "shared" ? "purposes / p3" : "w3" }],
  ])("%s is sent no events of other categories", async (_, only) => {
    const view = await filled(kind);
    await filled(kind, 100);
    class Counted extends EventStore {
      read = 0;
      override async *readAll(...range: Parameters<EventStore["readAll"]>): ReturnType<EventStore["readAll"]> {
        for await (const event of super.readAll(...range)) {
          this.read += 1;
          yield event;
        }
      }
      override async *roundsOf(...range: Parameters<EventStore["roundsOf"]>): ReturnType<EventStore["roundsOf"]> {
        for await (const round of super.roundsOf(...range)) {
          this.read += round.length;
          yield round;
        }
      }
    }
    const counted = new Counted(view.store.client);
    expect(await view.check({ only }, counted)).toMatchObject({ differenceCount: 0, undecidedCount: 0 });
    // Once for the sample and once for its rows, and here and there an event that stands where a read begins.
    expect(counted.read).toBeGreaterThanOrEqual(3 * wallets);
    expect(counted.read).toBeLessThan(2 * 3 * wallets + 20);
  });

  it("of one row by its name finds what is wrong with that one, and nothing of others", async () => {
    const view = await filled(kind);
    await view.damageRow(keyOf(kind, 3), "extra", 1);
    await view.damageRow(keyOf(kind, 4), "extra", 1);
    const { partition, sort } = keyOf(kind, 3);
    const row = `${partition} / ${sort}`;
    expect(await check(view, { row })).toMatchObject({
      rows: 1,
      guards: 1,
      differences: [{ kind: "row-differs", key: keyOf(kind, 3) }],
      differenceCount: 1,
      only: { row },
    });
    expect(await check(view, { row: kind === "shared" ? "p5" : "w5" })).toMatchObject({ rows: 1, differenceCount: 0 });
  });

  it("of one row finds that it is missing, or too many", async () => {
    const view = await filled(kind);
    await view.remove(rowItemKey(keyOf(kind, 3)));
    await view.put(rowItemKey({ partition: "no / body", sort: "knows" }), { amount: { N: "1" } });
    const missing = await check(view, { row: kind === "shared" ? "p3" : "w3" });
    expect(missing.differences[0]).toMatchObject({ kind: "row-missing", key: keyOf(kind, 3) });
    expect(await check(view, { row: "no / body / knows" })).toMatchObject({
      differences: [{ kind: "row-unexpected", key: { partition: "no / body", sort: "knows" } }],
    });
  });

  it("of one row refuses a name of none and one of several", async () => {
    const view = await filled(kind);
    await expect(check(view, { row: "nobody / knows" })).rejects.toThrow(
      new RowNotFoundError(
        "ROW_NOT_FOUND",
        'no event touches a row "nobody / knows", and none in the table is named so in full: give its partition, its sort key, or both as partition / sort',
      ),
    );
    const several = kind === "shared" ? "purposes" : "wallet";
    await expect(check(view, { row: several })).rejects.toThrow(`"${several}" names 12 rows, give one: `);
    expect(await check(view, { row: "nobody / knows", mayBeGone: true })).toMatchObject({
      rows: 0,
      differenceCount: 0,
    });
  });
});

/** How many items an answer of DynamoDB holds. */
function itemsIn(answer: unknown): number {
  if (typeof answer !== "object" || answer === null || !("output" in answer)) return 0;
  const { Items, Responses } = answer.output as { Items?: unknown[]; Responses?: Record<string, unknown[]> };
  return (Items?.length ?? 0) + Object.values(Responses ?? {}).flat().length;
}

it("a sample finds a guard of no stream, which no log knows", async () => {
  const view = await filled("shared");
  const ghost = guardItemKey(view.streamOf("ghost"));
  await view.put(ghost, guardAttributes(await view.guardAt("w1", 0n)));
  expect((await check(view, all)).differences).toMatchObject([
    { kind: "guard-orphan", key: keyOfRowItem({ ...ghost }), stream: view.streamOf("ghost") },
  ]);
});

it("a repair of some shared rows applies no missing event: other rows may count it already", async () => {
  const view = await filled("shared");
  await view.append("w3", moved(7, "p3"), moved(9, "p4"));
  await view.deliver();
  // Both rows count what the guard has not let in any more.
  await view.damageGuard("w3", await view.guardAt("w3", 2n));
  const context = {
    dynamodb: view.dynamodb,
    eventStore: view.store,
    catalog: view.catalog,
    quarantine: view.quarantine,
  };
  const report = await check(view, { row: "p3" });
  const repairs = [];
  for await (const repaired of repairLive(context, [view.projection], report)) repairs.push(repaired);
  expect(repairs).toMatchObject([
    { what: "row-repaired", key: purposeKey("p3"), after: { moves: 1, amount: 3 } },
    {
      what: "left",
      why: "rows that were not checked may count its events already: applied now, they could count twice",
    },
  ]);
  // A whole check can.
  const whole = await view.check();
  const rest = [];
  for await (const repaired of repairLive(context, [view.projection], whole)) rest.push(repaired.what);
  expect(rest).toStrictEqual(["row-repaired", "events-applied"]);
  expect(await view.check()).toMatchObject({ differences: [], undecided: [] });
});
