/** An event store that is killed while a command is under way, and started again on the same data. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type ServerProcess, startProcess } from "../../local/eventstoredb/server-process.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";
import { CuttingProxy } from "./cutting-proxy.ts";

const deposit = { type: "Deposit", amounts: [1, 2] } as const;
const history = [openedByAda, deposited(1), deposited(2)];

let directory: string;
let server: ServerProcess;
let proxy: CuttingProxy;
/** Through the proxy. */
let accounts: Accounts;
/** Beside it, for what the test itself wants to know. */
let direct: Accounts;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tidemark-killed-"));
  server = await startProcess(["--port", "0", "--data", directory]);
  proxy = await CuttingProxy.before(server.port);
  accounts = new Accounts(EventStore.connect(proxy.connectionString));
  direct = new Accounts(EventStore.connect(server.connectionString));
});

afterAll(async () => {
  await accounts.store.dispose();
  await direct.store.dispose();
  await proxy.stop();
  await server.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

const kill = (): Promise<unknown> => server.kill("SIGKILL");

async function restart(): Promise<void> {
  server = await startProcess(["--port", String(server.port), "--data", directory]);
}

/** A resend gets its answer as soon as the store is back; what is asked for is that the answer is right. */
async function resent(id: string): Promise<unknown> {
  for (;;) {
    try {
      return await accounts.send(id, deposit, { key: "k" });
    } catch (error) {
      if (!(error instanceof EventStoreUnavailableError)) throw error;
    }
  }
}

describe("an event store that is killed", () => {
  it("between load and append: the command fails as unavailable, and a resend has its effect", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, kill);
    await expect(accounts.send(id, deposit, { key: "k", store })).rejects.toThrow(EventStoreUnavailableError);
    await restart();
    expect(await resent(id)).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 2n });
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it("and is back before the append: the command is decided on what it had loaded, and has its effect once", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, async () => {
      await kill();
      await restart();
    });
    expect(await accounts.send(id, deposit, { key: "k", store })).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it("after it took the append and before its answer arrived: a resend finds the effect", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, () => {
      proxy.swallowAnswers();
      return Promise.resolve();
    });
    const sent = accounts.send(id, deposit, { key: "k", store });
    const failed = expect(sent).rejects.toThrow(EventStoreUnavailableError);
    await expect.poll(() => direct.history(id)).toStrictEqual(history);
    await kill();
    proxy.cut();
    await failed;
    await restart();
    expect(await resent(id)).toStrictEqual({ outcome: "accepted", effect: "repeated", revision: 2n });
    expect(await accounts.history(id)).toStrictEqual(history);
  });
});
