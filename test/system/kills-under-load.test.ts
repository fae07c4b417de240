/**
 * `kill -9` of the processes of a system with two subscribers, again and again, while orders come in. After each, what was
 * acknowledged is in the views, once, and every row and guard is what the events say.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkViews, type ViewOutcome } from "../../engine/consistency/check-views.ts";
import { readRunningSystem } from "../../local/system/running-system.ts";
import { withStores } from "../../local/system/system-stores.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import { newSeed, type Random, seededRandom } from "../local/eventstoredb/seeded-random.ts";
import { OrderLoad } from "./order-load.ts";
import { SecondSubscriber } from "./second-subscriber.ts";
import { StartedSystem, until } from "./started-system.ts";

const isProof = process.env["TIDEMARK_PROOF"] === "1";
/** A round names every server, and one of the subscribers at least. */
const killsOfRound = 5;
const rounds = isProof ? 10 : 1;
const seed = newSeed();

const names = ["event-store", "dynamodb", "functions", "subscriber", "second-subscriber"] as const;
type Name = (typeof names)[number];

const pace = { perSecond: 20, atOnce: 12 };

describe(`the system under load, killed ${killsOfRound * rounds} times (TIDEMARK_SEED=${seed})`, () => {
  let system: StartedSystem;
  let second: SecondSubscriber;
  let load: OrderLoad;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
    second = await SecondSubscriber.start(system);
    load = new OrderLoad(system.url, ["left", "confirmed", "cancelled"]);
  }, 240_000);

  afterAll(async () => {
    await second.stop();
    await system.remove();
  });

  const random = seededRandom(seed);
  const kills = Array.from({ length: rounds }, (_, round) => roundOfKills(random, round)).flat();

  it.each(kills)(
    "kill $number, of $names: converges to what was acknowledged",
    async ({ victims, before, after }) => {
      const acknowledged = load.acknowledged;
      const pause = new AbortController();
      const running = load.run(pace, pause.signal);
      // However fast the machine is, there is something under way everywhere.
      const loaded = until(
        "orders are taken",
        async () => Promise.resolve(load.acknowledged >= acknowledged + before),
        120,
      );
      await Promise.race([loaded, running]);
      const pids = await pidsOf(victims);
      for (const pid of pids) process.kill(pid, "SIGKILL");
      await Promise.race([sleep(after), running]);
      pause.abort();
      await running;

      await expect.poll(async () => await load.seen(), converging).toStrictEqual(load.promised);
      await expect.poll(wrongViews, converging).toStrictEqual([]);
      expect(load.acknowledged).toBeGreaterThan(acknowledged);
      expect((await pidsOf(victims)).filter((pid) => pids.includes(pid))).toStrictEqual([]);
    },
    300_000,
  );

  it("is found right by the command, has given nothing up, and no order stands still", async () => {
    const { code, stdout } = await system.tidemark("check");
    expect({ code, stdout: code === 0 ? "" : stdout }).toStrictEqual({ code: 0, stdout: "" });
    const quarantined: unknown = JSON.parse((await system.tidemark("quarantine", "list", "--json")).stdout);
    expect(quarantined).toStrictEqual({ quarantined: [] });
    expect(JSON.parse((await system.tidemark("status", "--json")).stdout)).toMatchObject({
      orderToCash: { stalled: [] },
    });
  });

  /** Whatever was killed may have waited for something that was killed as well. */
  const converging = { timeout: 120_000, interval: 100 };

  /** What `tidemark check` does, in a process that is started already. */
  async function wrongViews(): Promise<ViewOutcome[]> {
    const views = viewNames.map((view) => ({ view, versions: versionsOf(view) }));
    return withStores(await readRunningSystem(system.dataDirectory), async (stores) => {
      const wrong: ViewOutcome[] = [];
      for await (const outcome of checkViews(stores, views)) if (outcome.outcome !== "agrees") wrong.push(outcome);
      return wrong;
    });
  }

  async function pidsOf(asked: readonly Name[]): Promise<number[]> {
    const { processes } = await readRunningSystem(system.dataDirectory);
    return asked.map((name) => {
      if (name === "second-subscriber") return second.pid;
      const found = processes.find((process) => process.name === name);
      if (found === undefined) throw new Error(`no process ${name}`);
      return found.pid;
    });
  }
});

interface Kill {
  readonly number: number;
  readonly victims: readonly Name[];
  readonly names: string;
  /** Orders before. */
  readonly before: number;
  /** Milliseconds of load after. */
  readonly after: number;
}

/** Each server, a subscriber, and several at once, in some order: those are two every other time, else all. */
function roundOfKills(random: Random, round: number): Kill[] {
  const subscriber = random.pick<Name>(["subscriber", "second-subscriber"]);
  const several = shuffled(random, names).slice(0, round % 2 === 0 ? names.length : 2);
  const victims: Name[][] = [["event-store"], ["dynamodb"], ["functions"], [subscriber], several];
  return shuffled(random, victims).map((killed, index) => ({
    number: killsOfRound * round + index + 1,
    victims: killed,
    names: killed.join(", "),
    before: random.between(5, 25),
    after: random.between(0, 500),
  }));
}

function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const keyed = items.map((item) => ({ item, key: random.next() }));
  return keyed.sort((left, right) => left.key - right.key).map(({ item }) => item);
}
