/** Whatever is damaged, single rows are put right by their guards, beside traffic, and another check finds nothing. */
import { type DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { mostRepairs, repair, type Repair, TooMuchToRepairError } from "../../../engine/consistency/repair.ts";
import { describeDifference, type Difference } from "../../../engine/consistency/difference.ts";
import { guardAttributes, guardItemKey, rowItemKey, writesOfItem } from "../../../engine/views/item.ts";
import type { RowKey } from "../../../engine/views/projection.ts";
import { interceptedDynamoDB } from "../replay/replay-for-test.ts";
import { useStores } from "./stores-for-views.ts";
import {
  closed,
  type Kind,
  moved,
  opened,
  purposeKey,
  unreadable,
  type ViewUnderCheck,
  walletKey,
} from "./view-under-check.ts";

const stores = useStores();
const kinds: readonly Kind[] = ["one-per-stream", "shared"];

async function filled(kind: Kind): Promise<ViewUnderCheck> {
  const view = await stores.view(kind);
  await view.append("w1", opened, moved(5), moved(-2, "rent"));
  await view.append("w2", opened, moved(10));
  await view.append("w1", moved(1));
  await view.append("w3", opened, closed);
  await view.deliver();
  return view;
}

const rowKeys = (kind: Kind): readonly [RowKey, RowKey] =>
  kind === "shared" ? [purposeKey("food"), purposeKey("rent")] : [walletKey("w1"), walletKey("w2")];

async function repaired(view: ViewUnderCheck, dynamodb: DynamoDBClient = view.dynamodb): Promise<Repair[]> {
  const { differences } = await view.check({ differencesListed: Number.POSITIVE_INFINITY });
  expect(differences.length).toBeGreaterThan(0);
  return repairOf(view, differences, dynamodb);
}

async function repairOf(
  view: ViewUnderCheck,
  differences: readonly Difference[],
  dynamodb: DynamoDBClient = view.dynamodb,
): Promise<Repair[]> {
  const { store: eventStore, projection } = view;
  const repairs: Repair[] = [];
  const scope = { dynamodb, eventStore, projection, generation: await view.live() };
  for await (const one of repair(scope, differences)) repairs.push(one);
  return repairs;
}

const sorted = (differences: readonly Difference[]): readonly string[] =>
  differences.map((difference) => describeDifference(difference)).sort();

async function expectRight(view: ViewUnderCheck): Promise<void> {
  expect(await view.check()).toMatchObject({ differences: [], undecided: [] });
  // Also for what comes next.
  await view.append("w1", moved(7));
  await view.append("w2", moved(8, "rent"));
  await view.deliver();
  expect(await view.check()).toMatchObject({ differences: [], undecided: [] });
}

interface Damage {
  readonly what: string;
  readonly damage: (view: ViewUnderCheck, kind: Kind) => Promise<void>;
  /** The kinds of the differences that it shows as, in the order of their names. */
  readonly found: Readonly<Record<Kind, readonly Difference["kind"][]>>;
}

const inBoth = (...found: readonly Difference["kind"][]): Damage["found"] => ({
  shared: found,
  "one-per-stream": found,
});

const damages: readonly Damage[] = [
  {
    what: "a row that was changed",
    damage: (view, kind) => view.damageRow(rowKeys(kind)[0], kind === "shared" ? "amount" : "owner", 99),
    found: inBoth("row-differs"),
  },
  {
    what: "a row that is missing",
    damage: (view, kind) => view.remove(rowItemKey(rowKeys(kind)[0])),
    // The guard of a row that one stream owns goes with it.
    found: { shared: ["row-missing"], "one-per-stream": ["guard-behind", "row-missing"] },
  },
  {
    what: "a row too many",
    damage: (view, kind) =>
      view.put(rowItemKey(kind === "shared" ? purposeKey("ghost") : walletKey("ghost")), { amount: { N: "1" } }),
    found: inBoth("row-unexpected"),
  },
  {
    what: "a guard that is too high",
    damage: async (view) => view.damageGuard("w1", { ...(await view.guardAt("w1", 3n)), revision: 9n }),
    found: inBoth("guard-ahead"),
  },
  {
    what: "a guard that is too low",
    damage: async (view) => view.damageGuard("w1", await view.guardAt("w1", 1n)),
    // The rows count what it has not let in any more: of the shared ones one is of such an event alone.
    found: {
      shared: ["guard-behind", "row-differs", "row-unexpected"],
      "one-per-stream": ["guard-behind", "row-differs"],
    },
  },
  {
    what: "a guard at a wrong place of the log",
    damage: async (view) => view.damageGuard("w1", { ...(await view.guardAt("w2", 1n)), revision: 3n }),
    found: inBoth("guard-position"),
  },
  {
    what: "an event that was applied twice",
    damage: async (view) => {
      await view.damageGuard("w1", await view.guardAt("w1", 2n));
      await view.deliver();
    },
    found: inBoth("row-differs"),
  },
  {
    what: "a generation that is stale as a whole",
    damage: async (view) => {
      await view.append("w1", moved(3));
      await view.append("w2", moved(4, "rent"));
      await view.append("w4", opened, moved(1));
    },
    // It is right up to its guards, but where a stream has no row that could hold one.
    found: {
      shared: ["guard-behind", "guard-behind", "guard-behind"],
      "one-per-stream": ["guard-behind", "guard-behind", "guard-behind", "row-missing"],
    },
  },
  {
    what: "two rows that were swapped",
    damage: async (view, kind) => {
      const [one, other] = rowKeys(kind).map(rowItemKey);
      if (one === undefined || other === undefined) throw new Error("there are no two rows");
      const [ofOne, ofOther] = [await view.item(one), await view.item(other)];
      await view.put(one, { ...ofOther, ...one });
      await view.put(other, { ...ofOne, ...other });
    },
    found: {
      shared: ["row-differs", "row-differs"],
      // Guards were swapped with them.
      "one-per-stream": ["guard-ahead", "guard-behind", "guard-position", "row-differs", "row-differs"],
    },
  },
];

describe.each(kinds)("a view of rows that are %s", (kind) => {
  it.each(damages)("is put right: $what", async ({ damage, found }) => {
    const view = await filled(kind);
    await damage(view, kind);
    const { differences, undecidedCount } = await view.check();
    expect(differences.map((difference) => difference.kind).sort()).toStrictEqual(found[kind]);
    expect(undecidedCount).toBe(0);
    const onDisk = await view.check({ heldInMemory: 1 });
    expect(sorted(onDisk.differences)).toStrictEqual(sorted(differences));
    const repairs = await repaired(view);
    expect(repairs.filter(({ what }) => what === "left")).toStrictEqual([]);
    await expectRight(view);
  });

  it("is not written to where it is right by now", async () => {
    const view = await filled(kind);
    const [key] = rowKeys(kind);
    const seen = await view.item(rowItemKey(key));
    const difference: Difference = { kind: "row-missing", key, expected: {} };
    expect(await repairOf(view, [difference])).toStrictEqual([{ what: "right-already", difference }]);
    expect(await view.item(rowItemKey(key))).toStrictEqual(seen);
  });

  it("loses no event that comes in while a row is being put right", async () => {
    const view = await filled(kind);
    const [key] = rowKeys(kind);
    await view.damageRow(key, kind === "shared" ? "amount" : "balance", 999);
    let writes = 0;
    const dynamodb = interceptedDynamoDB(async (call, send) => {
      if (call.command === "PutItem" && (writes += 1) === 1) {
        await view.append("w1", moved(100));
        await view.deliver();
      }
      return send();
    });
    const repairs = await repaired(view, dynamodb);
    dynamodb.destroy();
    expect(writes).toBe(2);
    const amount = kind === "shared" ? { amount: 116 } : { balance: 104 };
    expect(repairs).toMatchObject([{ what: "row-repaired", key, after: amount }]);
    await expectRight(view);
  });

  it("leaves what no write can mend, and says what can", async () => {
    const view = await filled(kind);
    await view.append("w5", opened, unreadable);
    await view.deliver();
    const repairs = await repaired(view);
    expect(repairs).toMatchObject([{ what: "left", why: "deploy code that can take the event" }]);
  });

  it("is not rewritten by the thousand: that is what a replay is for", async () => {
    const view = await filled(kind);
    const [key] = rowKeys(kind);
    const difference: Difference = { kind: "row-missing", key, expected: {} };
    const many = Array.from({ length: mostRepairs + 1 }, () => difference);
    await expect(repairOf(view, many)).rejects.toThrow(TooMuchToRepairError);
  });
});

it("a shared row that a stream touches for the first time while it is being put right keeps what that adds", async () => {
  const view = await filled("shared");
  const [key] = rowKeys("shared");
  await view.damageRow(key, "amount", 999);
  const { differences } = await view.check();
  let reads = 0;
  const dynamodb = interceptedDynamoDB(async (call, send) => {
    if (call.command === "BatchGetItem" && (reads += 1) === 1) {
      await view.append("w9", moved(1_000));
      await view.deliver();
    }
    return send();
  });
  expect(await repairOf(view, differences, dynamodb)).toMatchObject([
    { what: "row-repaired", after: { amount: 1_016 } },
  ]);
  dynamodb.destroy();
  await expectRight(view);
});

it("a shared row that is put right counts as written: who reads it twice meanwhile sees that it moved", async () => {
  const view = await filled("shared");
  const [key] = rowKeys("shared");
  const before = writesOfItem(await view.item(rowItemKey(key)));
  await view.damageRow(key, "amount", 999);
  await repaired(view);
  expect(writesOfItem(await view.item(rowItemKey(key)))).toBe(before + 1n);
});

it("a guard of no stream is removed", async () => {
  const view = await filled("shared");
  const { table } = await view.live();
  const guard = guardAttributes(await view.guardAt("w1", 0n));
  const ghost = guardItemKey(view.streamOf("ghost"));
  await view.dynamodb.send(new PutItemCommand({ TableName: table, Item: { ...ghost, ...guard } }));
  expect(await repaired(view)).toMatchObject([{ what: "guard-repaired", stream: view.streamOf("ghost") }]);
  expect(await view.item(ghost)).toBeUndefined();
  await expectRight(view);
});
