/**
 * `kill -9` of `tidemark replay` at random moments, again and again, while orders come in. The next run takes each replay up; after
 * it the view is what the events say, and the tables are those that the catalog names. Each waits for a lease to run out, so
 * `npm run proof` does it.
 */
import { ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkViews, type ViewOutcome } from "../../engine/consistency/check-views.ts";
import type { ReplayContext } from "../../engine/replay/replay-context.ts";
import { readRunningSystem } from "../../local/system/running-system.ts";
import { withStores } from "../../local/system/system-stores.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import { newSeed, type Random, seededRandom } from "../local/eventstoredb/seeded-random.ts";
import { OrderLoad } from "./order-load.ts";
import { StartedSystem, until } from "./started-system.ts";

const isProof = process.env["TIDEMARK_PROOF"] === "1";
const kills = 50;
/** Replays at once, each of other views: most of the time they wait for the lease of who was killed. */
const lanes = 5;
const seed = newSeed();
const pace = { perSecond: 3, atOnce: 8 };

describe.runIf(isProof)(`replays under load, killed ${kills} times (TIDEMARK_SEED=${seed})`, () => {
  let system: StartedSystem;
  let load: OrderLoad;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
    load = new OrderLoad(system.url, ["left", "confirmed", "cancelled", "completed"]);
  }, 240_000);

  afterAll(() => system.remove());

  it("are taken up by the next run, and leave nothing behind", async () => {
    const pause = new AbortController();
    const running = load.run(pace, pause.signal);
    await Promise.race([until("orders are taken", () => Promise.resolve(load.acknowledged >= 20), 240), running]);
    const random = seededRandom(seed);
    const killedAt: string[] = [];
    const killing = async (lane: number): Promise<void> => {
      const views = viewNames.filter((_, index) => index % lanes === lane);
      const [first] = views;
      if (first === undefined) throw new Error("there are more lanes than views");
      const longestMs = await lengthOf(first);
      for (let kill = 0; kill < kills / lanes;) {
        const view = random.pick([first, ...views]);
        const step = await killed(view, random, longestMs);
        if (step === undefined) continue;
        kill += 1;
        killedAt.push(step);
        await replayed(view);
        await expect.poll(() => wrong(view), converging).toStrictEqual([]);
      }
    };
    const all = Promise.all(Array.from({ length: lanes }, (_, lane) => killing(lane)));
    await Promise.race([all, running.then(() => all)]);
    pause.abort();
    await running;
    process.stdout.write(`killed at: ${JSON.stringify(countsOf(killedAt))}\n`);

    expect(killedAt.length).toBeGreaterThanOrEqual(kills);
    await expect.poll(() => load.seen(), converging).toStrictEqual(load.promised);
    const { code, stdout } = await system.tidemark("check");
    expect({ code, stdout: code === 0 ? "" : stdout }).toStrictEqual({ code: 0, stdout: "" });
    expect(await inStores(unnamedTables)).toStrictEqual([]);
  }, 3_600_000);

  /** A check among five replays, on a machine that is busy with them. */
  const converging = { timeout: 600_000, interval: 250 };

  /** The system's own schedule takes up what was cut off too: whoever comes second waits for it. */
  async function replayed(view: string): Promise<void> {
    for (;;) {
      const { code, stderr } = await system.tidemark("replay", view, "--json");
      if (code === 1 && /"REPLAY_(BUSY|LOST)"/.test(stderr)) {
        await sleep(1_000);
        continue;
      }
      expect({ view, code, stderr: code === 0 ? "" : stderr }).toStrictEqual({ view, code: 0, stderr: "" });
      return;
    }
  }

  /** How many milliseconds a replay is at work that nobody kills. */
  async function lengthOf(view: string): Promise<number> {
    const replay = system.beginTidemark("replay", view);
    await replay.speaks;
    const start = performance.now();
    const { code, stderr } = await replay.ended;
    expect({ view, code, stderr: code === 0 ? "" : stderr }).toStrictEqual({ view, code: 0, stderr: "" });
    return performance.now() - start;
  }

  /** The last that the replay said before it was killed; undefined where it had ended. */
  async function killed(view: string, random: Random, longestMs: number): Promise<string | undefined> {
    const replay = system.beginTidemark("replay", view);
    await replay.speaks;
    await sleep(random.between(0, longestMs));
    replay.kill();
    const { code, stderr } = await replay.ended;
    return code === null
      ? (stderr.trim().split("\n").at(-1) ?? "").replace(`${view}: `, "").split(/ \d/)[0]
      : undefined;
  }

  async function wrong(view: string): Promise<ViewOutcome[]> {
    return inStores(async (stores) => {
      const outcomes: ViewOutcome[] = [];
      for await (const outcome of checkViews(stores, [{ view, versions: versionsOf(view) }])) outcomes.push(outcome);
      return outcomes.filter(({ outcome }) => outcome !== "agrees");
    });
  }

  async function inStores<Value>(work: (stores: ReplayContext) => Promise<Value>): Promise<Value> {
    return withStores(await readRunningSystem(system.dataDirectory), work);
  }
});

/** Tables of generations that the catalog does not know, and generations of the catalog without a table. */
async function unnamedTables({ dynamodb, catalog, tablePrefix }: ReplayContext): Promise<string[]> {
  const entries = await Promise.all(viewNames.map((view) => catalog.read(view)));
  const named = entries.flatMap(({ generations }) => generations.map(({ table }) => table));
  const { TableNames = [] } = await dynamodb.send(new ListTablesCommand({}));
  const there = TableNames.filter((table) => viewNames.some((view) => table.startsWith(`${tablePrefix}${view}-v`)));
  return [...there.filter((table) => !named.includes(table)), ...named.filter((table) => !there.includes(table))];
}

function countsOf(words: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(words, (word) => word)].map(([word, { length }]) => [word, length]));
}
