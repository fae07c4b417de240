import { setTimeout as sleep } from "node:timers/promises";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";
import { CuttingProxy } from "./cutting-proxy.ts";

const deposit = { type: "Deposit", amounts: [1, 2] } as const;

describe("when the answer of an append is lost and the append that is sent again fails", () => {
  it("it is unknown what became of the command, whatever is wrong with the second one", async () => {
    const server = await startEventStore({ inMemory: true });
    const accounts = new Accounts(EventStore.connect(server.connectionString));
    const id = await accounts.opened();
    class Losing extends EventStore {
      override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
        await super.append(...append);
        await this.client.tombstoneStream(append[0]);
        throw new EventStoreUnavailableError("the answer is lost");
      }
    }
    const sent = accounts.send(id, deposit, { store: new Losing(accounts.store.client) });
    await expect(sent).rejects.toThrow(EventStoreUnavailableError);
    await expect(sent).rejects.toThrow(`the append to account-${id} was sent twice and not answered: try again`);
    await accounts.store.dispose();
    await server.stop();
  });
});

describe("when the answer of an append is lost", () => {
  let server: EventStoreServer;
  let accounts: Accounts;
  let proxy: CuttingProxy;
  let proxied: EventStore;

  beforeAll(async () => {
    server = await startEventStore();
    accounts = new Accounts(EventStore.connect(server.connectionString));
    proxy = await CuttingProxy.before(server.port);
    proxied = EventStore.connect(proxy.connectionString);
  });

  afterAll(async () => {
    await proxied.dispose();
    await accounts.store.dispose();
    await proxy.stop();
    await server.stop();
  });

  /** Lets the next append reach the store, loses its answer and cuts the line once `id` has the events. */
  async function losingTheAnswer(id: string, meanwhile: () => Promise<unknown>): Promise<EventStore> {
    await proxied.lastEvent("warm-up");
    return interruptedBefore(proxied, () => {
      proxy.swallowAnswers();
      void (async () => {
        while ((await accounts.events(id)).length < 3) await sleep(5);
        await meanwhile();
        proxy.cut();
      })();
      return Promise.resolve();
    });
  }

  it.each([
    ["with a key", { key: "k" }],
    ["without a key", {}],
  ])("it is sent again %s, has one effect and is answered", async (_, options) => {
    const id = await accounts.opened();
    // The client asks for the server's features before its first append: that answer must not be the one that is lost.
    await accounts.send(await accounts.opened(), deposit, { store: proxied });
    const store = await losingTheAnswer(id, () => Promise.resolve());
    expect(await accounts.send(id, deposit, { ...options, store })).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  it("and others have appended since, it still has one effect and its own answer", async () => {
    const id = await accounts.opened();
    await accounts.send(await accounts.opened(), deposit, { store: proxied });
    const store = await losingTheAnswer(id, () =>
      accounts.store.append(`account-${id}`, 2n, [
        { id: randomUUID(), ...deposited(9), metadata: { schemaVersion: 2 } },
      ]),
    );
    expect(await accounts.send(id, deposit, { store })).toMatchObject({ outcome: "accepted", revision: 2n });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2), deposited(9)]);
  });
});

describe("when the event store is down", () => {
  let data: string;
  let server: EventStoreServer;
  let port: number;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "tidemark-unavailable-"));
    server = await startEventStore({ dataDirectory: data });
    port = server.port;
  });

  afterAll(async () => {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  });

  const restarted = async (): Promise<void> => {
    server = await startEventStore({ dataDirectory: data, port });
  };

  it("a command fails as unavailable, and the same connection works when it is back", async () => {
    const accounts = new Accounts(EventStore.connect(server.connectionString));
    const id = await accounts.opened();
    await server.stop();
    for (const attempt of [1, 2]) {
      await expect(accounts.send(id, deposit, { key: "k" }), `attempt ${attempt}`).rejects.toThrow(
        EventStoreUnavailableError,
      );
    }
    await restarted();
    expect(await accounts.send(id, deposit, { key: "k" })).toMatchObject({ outcome: "accepted", revision: 2n });
    await accounts.store.dispose();
  });

  it("at the very first call of a process, the connection works when it is back", async () => {
    await server.stop();
    const accounts = new Accounts(EventStore.connect(`esdb://127.0.0.1:${port}?tls=false`));
    const id = randomUUID();
    const open = { type: "Open", owner: "Ada" } as const;
    await expect(accounts.store.append(`account-${id}`, "no_stream", [])).rejects.toThrow();
    await expect(accounts.send(id, open)).rejects.toThrow(EventStoreUnavailableError);
    await restarted();
    expect(await accounts.send(id, open)).toMatchObject({ outcome: "accepted", revision: 0n });
    await accounts.store.dispose();
  });

  it("between load and append, the command fails as unavailable and a resend has one effect", async () => {
    const accounts = new Accounts(EventStore.connect(server.connectionString));
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, () => server.stop());
    await expect(accounts.send(id, deposit, { key: "k", store })).rejects.toThrow(EventStoreUnavailableError);
    await restarted();
    expect(await accounts.send(id, deposit, { key: "k" })).toMatchObject({ outcome: "accepted", revision: 2n });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
    await accounts.store.dispose();
  });
});
