/** Twenty processes and a store that is one, too: a key has one effect whoever sends it, and everybody gets one answer. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type ServerProcess, startProcess } from "../../local/eventstoredb/server-process.ts";
import { ClientProcess, together } from "./client-process.ts";
import type { Answer, Order } from "./command-client.ts";
import { Accounts, deposited, openedByAda } from "./commands-against-store.ts";
import { CuttingProxy } from "./cutting-proxy.ts";

const deposit = (...amounts: number[]): { type: "Deposit"; amounts: number[] } => ({ type: "Deposit", amounts });

/** What is the same in every copy's answer: some appended, some found the key, and some were told that they had. */
const told = (answer: Answer | undefined): unknown =>
  answer?.outcome === "accepted" ? answer.revision : answer?.outcome;

const amountIn = (data: unknown): unknown =>
  typeof data === "object" && data !== null && "amount" in data ? data.amount : undefined;

/** The store comes back as soon as it can; nobody gives up before. */
const untilAnswered = 1_000;

const copies = 20;
const each = <Item>(item: Item): Item[] => Array.from({ length: copies }, () => item);

let directory: string;
let server: ServerProcess;
let accounts: Accounts;
let clients: ClientProcess[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tidemark-keys-"));
  server = await startProcess(["--port", "0", "--data", directory]);
  accounts = new Accounts(EventStore.connect(server.connectionString));
  clients = await Promise.all(each(server.connectionString).map((string) => ClientProcess.connected(string)));
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.stop()));
  await accounts.store.dispose();
  await server.kill("SIGKILL");
  await rm(directory, { recursive: true });
});

async function killAndRestart(): Promise<void> {
  await server.kill("SIGKILL");
  server = await startProcess(["--port", String(server.port), "--data", directory]);
}

const moments = ["to-begin", "to-append"] as const satisfies Order["waits"][];

describe(`${copies} processes that send the same command with the same key at once`, () => {
  it.each(moments)("have one effect and are told the same revision (%s together)", async (waits) => {
    const id = await accounts.opened();
    const order = { id, command: deposit(1, 2), key: "k", waits };
    const answers = await together(clients, () => order);
    expect(answers.map(told)).toStrictEqual(each(2n));
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  it.each(moments)("create one stream (%s together)", async (waits) => {
    const id = randomUUID();
    const order = { id, command: { type: "Open", owner: "Ada" }, key: "k", waits } as const;
    const answers = await together(clients, () => order);
    expect(answers.map(told)).toStrictEqual(each(0n));
    expect(await accounts.history(id)).toStrictEqual([openedByAda]);
  });

  it("are told the same while others append to the stream as well, and those have one effect each or none", async () => {
    const id = await accounts.opened();
    const isCopy = (index: number): boolean => index % 4 !== 0;
    const answers = await together(clients, (index) => ({
      id,
      waits: "to-append",
      ...(isCopy(index) ? { command: deposit(1), key: "k" } : { command: deposit(100 + index) }),
    }));
    const history = await accounts.history(id);
    const amounts = history.map(({ data }) => amountIn(data));
    const others = [...clients.keys()].filter((index) => !isCopy(index));
    expect(amounts.filter((amount) => amount === 1)).toHaveLength(1);
    // Who lost every try is told so, and has left nothing.
    const copyAt = BigInt(amounts.indexOf(1));
    expect(answers.filter((_, index) => isCopy(index)).map(told)).toSatisfy((seen: unknown[]) =>
      seen.every((revision) => revision === copyAt || revision === "conflict"),
    );
    expect(others.map((index) => told(answers[index]))).toStrictEqual(
      others.map((index) => {
        const revision = amounts.indexOf(100 + index);
        return revision < 0 ? "conflict" : BigInt(revision);
      }),
    );
    expect(history).toHaveLength(2 + amounts.filter((amount) => Number(amount) >= 100).length);
  });
});

describe("half of them with another body under the key", () => {
  it.each(moments)("one body has its effect, the others are told that the key is used (%s together)", async (waits) => {
    const id = await accounts.opened();
    const bodies = [deposit(1, 2), deposit(3, 4)] as const;
    const bodyOf = (index: number): (typeof bodies)[number] => (index % 2 === 0 ? bodies[0] : bodies[1]);
    const answers = await together(clients, (index) => ({ id, command: bodyOf(index), key: "k", waits }));
    const [, ...effects] = await accounts.history(id);
    const winner = bodies.findIndex(({ amounts }) => amounts[0] === amountIn(effects[0]?.data));
    expect([0, 1]).toContain(winner);
    expect(effects).toStrictEqual(bodies[winner]?.amounts.map(deposited));
    expect(answers.map(told)).toStrictEqual(answers.map((_, index) => (index % 2 === winner ? 2n : "key-reused")));
  });
});

describe("resent by all of them", () => {
  const first = { command: deposit(1, 2), key: "k" };
  const repeated = { outcome: "accepted", effect: "repeated", revision: 2n };

  async function doneOnce(): Promise<string> {
    const id = await accounts.opened();
    await accounts.send(id, first.command, { key: first.key });
    return id;
  }

  it("after the event store was killed and started again: the first answer, no second effect", async () => {
    const id = await doneOnce();
    await killAndRestart();
    const order = { ...first, id, waits: "to-begin", sends: untilAnswered } as const;
    expect(await together(clients, () => order)).toStrictEqual(each(repeated));
    const other = { ...order, command: deposit(3) };
    expect(await together(clients, () => other)).toStrictEqual(each({ outcome: "key-reused" }));
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  it("after hundreds of others have changed the stream: the first answer, no second effect", async () => {
    const id = await doneOnce();
    const later = Array.from({ length: 600 }, (_, number) => ({
      id: randomUUID(),
      ...deposited(5),
      metadata: { schemaVersion: 2, idempotencyKey: `later-${number}`, idempotencyDigest: "d" },
    }));
    await accounts.store.append(`account-${id}`, 2n, later);
    const order = { ...first, id, waits: "to-begin" } as const;
    expect(await together(clients, () => order)).toStrictEqual(each(repeated));
    const other = { ...order, command: deposit(3) };
    expect(await together(clients, () => other)).toStrictEqual(each({ outcome: "key-reused" }));
    expect(await accounts.history(id)).toHaveLength(603);
  });
});

describe("when the answers to all of them are lost", () => {
  let proxy: CuttingProxy;

  beforeAll(async () => {
    proxy = await CuttingProxy.before(server.port);
    await Promise.all(clients.map((client) => client.connect(proxy.connectionString)));
  });

  afterAll(async () => {
    await proxy.stop();
  });

  it("they have one effect and are told the same revision, with the store as it was", async () => {
    const id = await accounts.opened();
    const order = { id, command: deposit(1, 2), key: "k", waits: "to-append", sends: untilAnswered } as const;
    const answers = await together(
      clients,
      () => order,
      () => {
        proxy.swallowAnswers();
        void cutOnceWritten(id, () => Promise.resolve());
      },
    );
    expect(answers.map(told)).toStrictEqual(each(2n));
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  it("they have one effect and are told the same revision, with a store that was killed before it had answered", async () => {
    const id = await accounts.opened();
    const order = { id, command: deposit(1, 2), key: "k", waits: "to-append", sends: untilAnswered } as const;
    const answers = await together(
      clients,
      () => order,
      () => {
        proxy.swallowAnswers();
        void cutOnceWritten(id, killAndRestart);
      },
    );
    expect(answers.map(told)).toStrictEqual(each(2n));
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  async function cutOnceWritten(id: string, before: () => Promise<void>): Promise<void> {
    await expect.poll(() => accounts.events(id)).toHaveLength(3);
    await before();
    proxy.cut();
  }
});
