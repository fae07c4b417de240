/**
 * Northwind a hundred times over: 83,000 orders in all contexts, some 2.7 million events. Every view is rebuilt from them while
 * orders come in, adds up to a hundred times the published totals, and no process that reads all of it needs much memory.
 *
 * As a team would that brings its log along: it lies there before the system starts, so the first start makes the views by
 * replay; and the groups begin where it ends, for what its processes had to do is done.
 *
 * It takes hours; TIDEMARK_TIMES=10 makes it ten times Northwind.
 */
import { EventStoreDBClient, streamNameFilter } from "@eventstore/db-client";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { groupSettings } from "../../engine/delivery/consumer-group.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { subscriptions } from "../../functions/subscriptions.ts";
import { startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { northwind as readNorthwind } from "../../local/sample-data/northwind/northwind.ts";
import { historyOfCopies } from "../../local/sample-data/sale-history.ts";
import { seedLog } from "../../local/sample-data/seed-log.ts";
import { functionPrefix } from "../../local/system/processes.ts";
import { viewNames } from "../../projections/registry.ts";
import { OrderLoad } from "./order-load.ts";
import { functionMegabytes, heapOnLambda, PeakMemory } from "./process-memory.ts";
import { StartedSystem } from "./started-system.ts";

const isProof = process.env["TIDEMARK_PROOF"] === "1" && existsSync("/proc/self/status");
const times = Number(process.env["TIDEMARK_TIMES"] ?? 100);
const asOnLambda = { NODE_OPTIONS: heapOnLambda.join(" ") };
const viewsInPass = 5;
const passes = Array.from({ length: Math.ceil(viewNames.length / viewsInPass) }, (_, pass) =>
  viewNames.slice(pass * viewsInPass, (pass + 1) * viewsInPass),
);
/** Has made the views at the start, but all functions run in it, which need more with an empty log: told, and not held to it. */
const functionRuntime = "functions";
const longestMs = 6 * 3_600_000;

const publishedRevenue = 126_579_329;
const pace = { perSecond: 2, atOnce: 8 };

const salesSchema = z.object({
  items: z.array(
    z.object({ month: z.string(), orders: z.int(), revenue: z.object({ amount: z.int(), currency: z.string() }) }),
  ),
});
type Month = z.output<typeof salesSchema>["items"][number];

const northwind = await readNorthwind();

const soldTimes: readonly Month[] = [...Map.groupBy(northwind.sales, ({ order }) => order.orderedAt.slice(0, 7))]
  .map(([month, sales]) => ({
    month,
    orders: times * sales.length,
    revenue: { amount: times * sales.reduce((sum, { total }) => sum + total.amount, 0), currency: "USD" },
  }))
  .sort(byMonth);

describe.runIf(isProof)(`Northwind ${times} times`, () => {
  let system: StartedSystem;
  const memory = new PeakMemory();

  beforeAll(async () => {
    system = await StartedSystem.prepared();
  });

  afterAll(async () => {
    memory.stop();
    await system.remove();
  });

  it(
    "is written into the log, and every view made of it",
    async () => {
      const seeding = stopwatch();
      // Of the last days: none of its deadlines is due yet.
      const history = historyOfCopies(northwind, times, new Date(Date.now() - 3 * 86_400_000));
      const events = await seedLog(`${system.dataDirectory}/event-store`, history);
      say(`${events} events written in ${seeding()} s`);
      await groupsAtTheEnd(`${system.dataDirectory}/event-store`);
      const starting = stopwatch();
      await system.start(undefined, undefined, longestMs / 1_000);
      say(`${viewNames.length} views made at the first start in ${starting()} s`);
      memory.watch(await system.pidOf("functions"), functionRuntime);
      expect(soldTimes.reduce((sum, { revenue }) => sum + revenue.amount, 0)).toBe(times * publishedRevenue);
      expect(await sales()).toStrictEqual(soldTimes);
    },
    longestMs,
  );

  it(
    "is rebuilt, several views in a pass, while orders come in: exact, and in little memory",
    async () => {
      const load = new OrderLoad(system.url, ["left", "completed", "cancelled", "confirmed"]);
      const over = new AbortController();
      const running = load.run(pace, over.signal);
      const failed: object[] = [];
      for (const views of passes) {
        const names = views.join(" ");
        const rebuilding = stopwatch();
        const replay = system.beginWith(asOnLambda, "replay", ...views, "--json");
        memory.watch(replay.pid, `replay ${names}`);
        const { code, stderr } = await Promise.race([replay.ended, running.then(() => replay.ended)]);
        say(`${names} rebuilt in ${rebuilding()} s, at most ${memory.peaks.get(`replay ${names}`) ?? Number.NaN} MB`);
        if (code !== 0) failed.push({ names, code, stderr });
      }
      over.abort();
      await running;
      say(`${load.acknowledged} orders taken meanwhile`);
      expect(failed).toStrictEqual([]);
      expect(load.acknowledged).toBeGreaterThan(0);

      await expect.poll(() => load.seen(), { timeout: 600_000, interval: 500 }).toStrictEqual(load.promised);
      const { orders, revenue } = load.promised.sales;
      const ofLoad: Month = { month: "2020-02", orders, revenue: { amount: revenue, currency: "USD" } };
      expect(await sales()).toStrictEqual([...soldTimes, ofLoad].sort(byMonth));
    },
    longestMs,
  );

  it(
    "is found right by the check, in little memory too",
    async () => {
      const checking = stopwatch();
      const check = system.beginWith(asOnLambda, "check");
      memory.watch(check.pid, "check");
      const { code, stdout, stderr } = await check.ended;
      say(`checked in ${checking()} s, at most ${memory.peaks.get("check") ?? Number.NaN} MB`);
      expect({ code, output: code === 0 ? "" : stdout + stderr }).toStrictEqual({ code: 0, output: "" });
      await memory.look();
      say(`megabytes at most: ${JSON.stringify(Object.fromEntries(memory.peaks))}`);
      memory.peaks.delete(functionRuntime);
      expect([...memory.peaks.keys()]).toStrictEqual([...passes.map((views) => `replay ${views.join(" ")}`), "check"]);
      expect([...memory.peaks].filter(([, megabytes]) => megabytes >= functionMegabytes)).toStrictEqual([]);
    },
    longestMs,
  );

  async function sales(): Promise<readonly Month[]> {
    return salesSchema.parse((await system.get("/views/sales-by-month")).body).items;
  }
});

/** Makes the system's groups before it does, each at the end of the log. */
async function groupsAtTheEnd(dataDirectory: string): Promise<void> {
  const server = await startEventStore({ dataDirectory });
  const store = new EventStore(EventStoreDBClient.connectionString(server.connectionString));
  const startFrom = await store.tail();
  for (const settings of subscriptions((name) => functionPrefix + name)) {
    const filter = streamNameFilter({ prefixes: settings.categories.map((category) => `${category}-`) });
    await store.client.createPersistentSubscriptionToAll(
      settings.group,
      { ...groupSettings(settings), startFrom },
      { filter },
    );
  }
  await store.dispose();
  await server.stop();
}

function byMonth(left: Month, right: Month): number {
  return left.month < right.month ? -1 : 1;
}

function stopwatch(): () => string {
  const start = performance.now();
  return () => ((performance.now() - start) / 1_000).toFixed(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
