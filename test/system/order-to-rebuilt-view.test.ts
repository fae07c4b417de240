/** The whole system as a user meets it: started, filled, rebuilt under load, checked, restarted. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { northwind as readNorthwind } from "../../local/sample-data/northwind/northwind.ts";
import { historyOf } from "../../local/sample-data/sale-history.ts";
import { viewNames } from "../../projections/registry.ts";
import { StartedSystem, until } from "./started-system.ts";
import { streamsOf, totalsOfLog } from "./totals-of-log.ts";

const salesSchema = z.object({
  items: z.array(
    z.object({ month: z.string(), orders: z.int(), revenue: z.object({ amount: z.int(), currency: z.string() }) }),
  ),
});

interface Sales {
  readonly months: number;
  readonly orders: number;
  readonly revenue: number;
}

/** The earliest of the Northwind sales. All of them take minutes: `northwind.test.ts` is the place for that. */
const imported = (await readNorthwind()).sales.slice(0, 70);

const northwind: Sales = {
  months: new Set(imported.map(({ order }) => order.orderedAt.slice(0, 7))).size,
  orders: imported.length,
  revenue: imported.reduce((sum, { total }) => sum + total.amount, 0),
};

/** What the import says when everything is done, in cents: all of these have left the house and are paid. */
const importedTotals = {
  customers: 91,
  orders: imported.length,
  lines: imported.reduce((sum, { order }) => sum + order.lines.length, 0),
  byState: { completed: imported.length },
  revenue: northwind.revenue,
  freight: imported.reduce((sum, { shipment }) => sum + (shipment?.freight.amount ?? Number.NaN), 0),
  receivables: 0,
  creditReserved: 0,
};

/** One view of each kind; every one of them takes minutes. */
const rebuilt = process.env["TIDEMARK_PROOF"] === "1" ? viewNames : ["sales-by-month", "order-summary"];

const endingTypes: ReadonlySet<string> = new Set(["OrderCompleted"]);

/** One unit of load: an order of 3 x 5.00 less 10 % in a month of its own. */
const loadMonth = "2020-02";
const loadOrder = {
  customerId: "LOAD",
  orderedAt: `${loadMonth}-01T00:00:00Z`,
  lines: [{ productId: "1", quantity: 3, unitPrice: { amount: 500, currency: "USD" }, discountPercent: 10 }],
};
const loadRevenue = 1_350;

describe("the system", () => {
  let system: StartedSystem;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
    const loadCustomer = { customerId: "LOAD", name: "Load", creditLimit: { amount: 1_000_000_000, currency: "USD" } };
    expect((await system.post("/customers", loadCustomer)).status).toBe(201);
  }, 120_000);

  afterAll(async () => {
    await system.remove();
  });

  async function sales(): Promise<Sales> {
    const { items } = salesSchema.parse((await system.get("/views/sales-by-month")).body);
    return {
      months: items.length,
      orders: items.reduce((sum, item) => sum + item.orders, 0),
      revenue: items.reduce((sum, item) => sum + item.revenue.amount, 0),
    };
  }

  async function settles(expected: Sales): Promise<void> {
    let last: Sales | undefined;
    await until(`sales are ${JSON.stringify(expected)}`, async () => {
      last = await sales().catch(() => undefined);
      return JSON.stringify(last) === JSON.stringify(expected);
    }).catch(() => undefined);
    expect(last).toStrictEqual(expected);
  }

  async function checksClean(): Promise<void> {
    const { code, stdout, stderr } = await system.tidemark("check");
    expect({ code, output: code === 0 ? "" : stdout + stderr }).toStrictEqual({ code: 0, output: "" });
  }

  it("starts empty", async () => {
    expect((await system.get("/views/sales-by-month")).body).toStrictEqual({ items: [] });
  });

  const importing = ["import", "northwind", "--orders", `${imported.length}`, "--json"];

  it("imports Northwind although the import and the subscriber are killed on the way, and adds up to the published totals", async () => {
    const broken = system.beginTidemark(...importing);
    await until("some orders are in the view", async () => (await sales()).orders > 15, 120);
    broken.kill();
    expect((await broken.ended).code).toBe(null);
    const repeated = system.tidemark(...importing);
    await until("half the orders are in the view", async () => (await sales()).orders > 35, 120);
    await system.kill("subscriber");
    const { code, stdout, stderr } = await repeated;
    expect({ code, stderr: code === 0 ? "" : stderr }).toStrictEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toStrictEqual(importedTotals);
    const ofLog = await totalsOfLog(system.eventStoreConnectionString, (customerId) => customerId !== "LOAD");
    expect(ofLog).toStrictEqual(importedTotals);
    await settles(northwind);
    await checksClean();
  }, 300_000);

  it("imports again and changes nothing", async () => {
    const { code, stdout } = await system.tidemark(...importing);
    expect({ code, totals: JSON.parse(stdout) as unknown }).toStrictEqual({ code: 0, totals: importedTotals });
    expect(await sales()).toStrictEqual(northwind);
  }, 120_000);

  it("has appended what the history of the same sales says without it, ids included", async () => {
    const appended = await streamsOf(system.eventStoreConnectionString);
    const { customers } = await readNorthwind();
    const history = [...historyOf({ customers, sales: imported }, new Date())].flatMap(({ appends }) => appends);
    const byStream = Map.groupBy(history, ({ stream }) => stream);
    for (const [stream, appends] of byStream) {
      const contents = ({ id, type, data }: Pick<StoredEvent, "id" | "type" | "data">): object => ({
        // What ends a sale is caused by the last of several facts, and these come in any order.
        id: endingTypes.has(type) ? undefined : id,
        type,
        data,
      });
      // Those of a customer and of a process come in any order too, and a process notes when it acts.
      if (!/^(order|shipment|invoice)-/.test(stream)) continue;
      const expected = appends.flatMap(({ events }) => events).map(contents);
      expect((appended.get(stream) ?? []).map(contents), stream).toStrictEqual(expected);
    }
    const countsOf = (streams: Iterable<readonly [string, readonly { readonly type: string }[]]>): object =>
      Object.fromEntries(
        [...streams]
          .filter(([stream]) => /^(customer|orderToCash)-(?!LOAD$)/.test(stream))
          .map(([stream, events]) => [stream, events.map(({ type }) => type).sort()]),
      );
    expect(countsOf(appended)).toStrictEqual(
      countsOf([...byStream].map(([stream, appends]) => [stream, appends.flatMap(({ events }) => events)] as const)),
    );
  });

  it("answers the first month as published", async () => {
    const { items } = salesSchema.parse((await system.get("/views/sales-by-month")).body);
    expect(items[0]).toStrictEqual({ month: "1996-07", orders: 22, revenue: { amount: 2_786_190, currency: "USD" } });
    expect(items.map(({ month }) => month)).toStrictEqual(items.map(({ month }) => month).sort());
  });

  let afterLoad: Sales = northwind;

  it("rebuilds views while orders are placed, cancelled and read", async () => {
    const toCancel = Array.from({ length: 20 }, (_, index) => `to-cancel-${index}`);
    for (const orderId of toCancel) expect((await system.post("/orders", { ...loadOrder, orderId })).status).toBe(201);

    const load = { placed: 0, read: 0, failures: [] as string[], over: false };
    const placing = (async () => {
      while (!load.over) {
        const { status, body } = await system.post("/orders", loadOrder);
        if (status === 201) load.placed += 1;
        else load.failures.push(`place: ${status} ${JSON.stringify(body)}`);
        await sleep(20);
      }
    })();
    const reading = (async () => {
      while (!load.over) {
        const { status, body } = await system.get("/views/sales-by-month");
        if (status !== 200) load.failures.push(`read: ${status} ${JSON.stringify(body)}`);
        load.read += 1;
        await sleep(20);
      }
    })();
    const cancelling = (async () => {
      for (const orderId of toCancel) {
        const { status } = await system.post(`/orders/${orderId}/cancel`, {});
        if (status !== 200) load.failures.push(`cancel ${orderId}: ${status}`);
        await sleep(50);
      }
    })();

    const replays: { readonly view: string; readonly code: number | null; readonly stderr: string }[] = [];
    const toRebuild = rebuilt.values();
    // Two at a time: the workers share what is left.
    const rebuilding = async (): Promise<void> => {
      for (const view of toRebuild) {
        const { code, stderr } = await system.tidemark("replay", view, "--json");
        replays.push({ view, code, stderr: code === 0 ? "" : stderr });
      }
    };
    await Promise.all([rebuilding(), rebuilding()]);
    await cancelling;
    load.over = true;
    await Promise.all([placing, reading]);

    expect(new Map(replays.map(({ view, code, stderr }) => [view, { code, stderr }]))).toStrictEqual(
      new Map(rebuilt.map((view) => [view, { code: 0, stderr: "" }])),
    );
    expect(load.failures).toStrictEqual([]);
    expect(load.placed).toBeGreaterThan(0);
    expect(load.read).toBeGreaterThan(0);

    afterLoad = {
      months: northwind.months + 1,
      orders: northwind.orders + load.placed,
      revenue: northwind.revenue + load.placed * loadRevenue,
    };
    await settles(afterLoad);
    await checksClean();
  }, 900_000);

  it("lists a customer's orders page by page, each once", async () => {
    const seen: string[] = [];
    const pageSchema = z.object({ items: z.array(z.object({ orderId: z.string() })), cursor: z.string().optional() });
    let cursor: string | undefined;
    do {
      const after = cursor === undefined ? "" : `&cursor=${cursor}`;
      const page = pageSchema.parse((await system.get(`/orders?customerId=ERNSH&limit=2${after}`)).body);
      seen.push(...page.items.map(({ orderId }) => orderId));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(imported.filter(({ order }) => order.customerId === "ERNSH").length);
  });

  it("has everything after a restart on the same data", async () => {
    expect(await system.stop()).toBe(0);
    await system.start();
    await settles(afterLoad);
    await checksClean();
  }, 120_000);
});
