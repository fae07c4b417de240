/**
 * Hours of orders, in short: a steady load, and memory that stays as it is. `npm run proof` takes 2 minutes of it;
 * TIDEMARK_SOAK_MINUTES=30 is what tells of slow leaks.
 */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRunningSystem } from "../../local/system/running-system.ts";
import { OrderLoad } from "./order-load.ts";
import { memoryOf } from "./process-memory.ts";
import { SecondSubscriber } from "./second-subscriber.ts";
import { StartedSystem } from "./started-system.ts";

const isProof = process.env["TIDEMARK_PROOF"] === "1" && existsSync("/proc/self/status");
const minutes = Number(process.env["TIDEMARK_SOAK_MINUTES"] ?? 2);
const pace = { perSecond: 3, atOnce: 40 };
const samples = 240;

/**
 * The first third warms up: code is compiled, caches fill, heaps find their size. After that a heap breathes: between two
 * collections of old objects a Node process gains and loses some 10 %, and a median of a third takes most of that away. 20 MB are
 * for small processes, of which a tenth is nothing. In half an hour a process of 250 MB that loses 32 KB an order is found out.
 */
const mostOfMiddle = 1.15;
const spareMegabytes = 20;

interface Memory {
  readonly process: string;
  /** Medians of thirds, in megabytes. */
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

describe.runIf(isProof)(`the system under load for ${minutes} minutes`, () => {
  let system: StartedSystem;
  let second: SecondSubscriber;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
    second = await SecondSubscriber.start(system);
  }, 240_000);

  afterAll(async () => {
    await second.stop();
    await system.remove();
  });

  it(
    "keeps its memory, gives nothing up and shows what it acknowledged",
    async () => {
      const load = new OrderLoad(system.url, ["left", "completed", "cancelled", "completed", "confirmed"]);
      const over = new AbortController();
      const running = load.run(pace, over.signal);
      const history = new Map<string, number[]>();
      // A process that is started again would hide what it had leaked: nothing is killed here, so none may be.
      const groups = await processGroups();
      for (let sample = 0; sample < samples; sample += 1) {
        await Promise.race([sleep((minutes * 60_000) / samples), running]);
        for (const [name, megabytes] of await memoryOf(groups))
          history.set(name, [...(history.get(name) ?? []), megabytes]);
      }
      over.abort();
      await running;

      const memory = [...history].map(([process, megabytes]) => thirds(process, megabytes));
      process.stdout.write(table(load.acknowledged, memory));
      expect([...(await processGroups()).keys()]).toStrictEqual([...groups.keys()]);
      await expect.poll(() => load.seen(), { timeout: 300_000, interval: 500 }).toStrictEqual(load.promised);
      const { code, stdout } = await system.tidemark("check");
      expect({ code, stdout: code === 0 ? "" : stdout }).toStrictEqual({ code: 0, stdout: "" });
      expect(JSON.parse((await system.tidemark("quarantine", "list", "--json")).stdout)).toStrictEqual({
        quarantined: [],
      });
      expect(memory.filter(({ middle, end }) => end > middle * mostOfMiddle + spareMegabytes)).toStrictEqual([]);
    },
    minutes * 60_000 + 900_000,
  );

  async function processGroups(): Promise<Map<number, string>> {
    const { pid, processes } = await readRunningSystem(system.dataDirectory);
    const supervised = processes.map((process): [number, string] => [process.pid, process.name]);
    return new Map([[pid, "start"], ...supervised, [second.pid, "second subscriber"]]);
  }
});

function thirds(process: string, megabytes: readonly number[]): Memory {
  const third = Math.floor(megabytes.length / 3);
  const medianFrom = (first: number): number => {
    const sorted = megabytes.slice(first, first + third).sort((left, right) => left - right);
    return Math.round(sorted[Math.floor(third / 2)] ?? Number.NaN);
  };
  return { process, start: medianFrom(0), middle: medianFrom(third), end: medianFrom(2 * third) };
}

function table(orders: number, memory: readonly Memory[]): string {
  const rows = memory.map(({ process, start, middle, end }) => [process, start, middle, end]);
  const lines = [[`${orders} orders, MB`, "start", "middle", "end"], ...rows].map(([process, ...thirds]) =>
    [String(process).padEnd(22), ...thirds.map((megabytes) => String(megabytes).padStart(8))].join(""),
  );
  return `${lines.join("\n")}\n`;
}
