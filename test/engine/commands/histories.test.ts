/**
 * Random histories: several processes send commands to a few accounts of an event store that is a process, too, some again,
 * some under a used key, while connections break and the store is killed. Afterwards everything has to add up. A seed plans
 * a history again; in which order things happen within it is up to the machine.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { newSeed, seededRandom } from "../../local/eventstoredb/seeded-random.ts";
import { type ServerProcess, startProcess } from "../../local/eventstoredb/server-process.ts";
import { ClientProcess } from "./client-process.ts";
import { Accounts } from "./commands-against-store.ts";
import { CuttingProxy } from "./cutting-proxy.ts";
import { bodyOf, faultsOf, type Sent } from "./history-judge.ts";
import { type Fault, type HistoryPlan, planHistory, type Sending } from "./history-plan.ts";

const histories = process.env["TIDEMARK_PROOF"] === undefined ? 15 : 500;
const seed = newSeed();

/** A client and the line that is its own. */
interface Sender {
  readonly client: ClientProcess;
  readonly proxy: CuttingProxy;
}

let directory: string;
let server: ServerProcess;
let accounts: Accounts;
let senders: Sender[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tidemark-histories-"));
  server = await startProcess(["--port", "0", "--data", directory]);
  accounts = new Accounts(EventStore.connect(server.connectionString));
  senders = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const proxy = await CuttingProxy.before(server.port);
      return { proxy, client: await ClientProcess.connected(proxy.connectionString) };
    }),
  );
});

afterAll(async () => {
  await Promise.all(senders.map(({ client }) => client.stop()));
  await Promise.all(senders.map(({ proxy }) => proxy.stop()));
  await accounts.store.dispose();
  await server.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

async function killAndRestart(afterMs: number): Promise<void> {
  await sleep(afterMs);
  await server.kill("SIGKILL");
  server = await startProcess(["--port", String(server.port), "--data", directory]);
}

/** Begins the fault; what is returned ends it. */
function inflict(fault: Fault, proxy: CuttingProxy): () => void {
  if (fault.what === "cut") {
    proxy.cutAfter(fault.direction, fault.afterBytes);
    return () => proxy.mend();
  }
  proxy.swallowAnswers();
  const timer = setTimeout(() => proxy.cut(), fault.forMs);
  return () => {
    clearTimeout(timer);
    proxy.cut();
  };
}

async function carryOut({ client, proxy }: Sender, sending: Sending, ids: readonly string[]): Promise<Sent> {
  const { account, command, key, ifMatch, fault, sends, pauseMs } = sending;
  await sleep(pauseMs);
  const end = fault === undefined ? undefined : inflict(fault, proxy);
  const answer = await client.send({
    id: ids[account] ?? "",
    command,
    sends,
    ...(key === undefined ? {} : { key }),
    ...(ifMatch === undefined ? {} : { precondition: { requires: "revision", anyOf: [ifMatch] } }),
  });
  end?.();
  return { account, command, answer, ...(key === undefined ? {} : { key }) };
}

async function live(plan: HistoryPlan, ids: readonly string[]): Promise<Sent[]> {
  const sent: Sent[] = [];
  const killed = plan.killAfterMs === undefined ? undefined : killAndRestart(plan.killAfterMs);
  await Promise.all(
    senders.map(async (sender, index) => {
      for (const sending of plan.lanes[index] ?? []) sent.push(await carryOut(sender, sending, ids));
    }),
  );
  await killed;
  return sent;
}

/** The store may just have been started again, which the first call notices. */
async function eventsOf(id: string): Promise<StoredEvent[]> {
  for (;;) {
    try {
      return await accounts.events(id);
    } catch (error) {
      if (!(error instanceof EventStoreUnavailableError)) throw error;
    }
  }
}

test(
  `in ${histories} random histories what clients were told is what happened (TIDEMARK_SEED=${seed})`,
  async () => {
    const tally = new Map<string, number>();
    const count = (what: string, by = 1): void => void tally.set(what, (tally.get(what) ?? 0) + by);
    for (let number = 0; number < histories; number += 1) {
      const plan = planHistory(seededRandom(seed + number), senders.length);
      const ids = Array.from({ length: plan.accounts }, () => randomUUID());
      const sent = await live(plan, ids);
      const streams = await Promise.all(ids.map(eventsOf));
      expect({ TIDEMARK_SEED: seed + number, faults: faultsOf(sent, streams) }).toStrictEqual({
        TIDEMARK_SEED: seed + number,
        faults: [],
      });

      for (const { answer } of sent) count(answer.outcome === "accepted" ? answer.effect : answer.outcome);
      const written = new Set(streams.flat().map(({ id }) => id)).size;
      count("events", written);
      if (plan.killAfterMs !== undefined) count("kills");
      for (const { answer, command, account } of sent) {
        if (answer.outcome !== "unavailable") continue;
        const copies = sent.filter((one) => one.account === account && bodyOf(one.command) === bodyOf(command));
        if (copies.some((copy) => copy.answer.outcome === "accepted")) count("unknown, and known by a copy");
      }
    }
    count(
      "cuts",
      senders.reduce((sum, { proxy }) => sum + proxy.cuts, 0),
    );
    // Histories in which nothing of this happens would prove nothing.
    const due = [
      "changed",
      "repeated",
      "key-reused",
      "rejected",
      "precondition-failed",
      "unavailable",
      "kills",
      "cuts",
    ];
    expect(due.filter((what) => (tally.get(what) ?? 0) === 0)).toStrictEqual([]);
  },
  histories * 6_000,
);
