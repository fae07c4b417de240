import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handleCommand, handleLoaded } from "../../../engine/commands/handle-command.ts";
import { load } from "../../../engine/commands/load.ts";
import { InvalidEventError } from "../../../engine/commands/new-events.ts";
import { EventNotUnderstoodError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { account, type AccountEvent } from "./account.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";

describe("a command", () => {
  let server: EventStoreServer;
  let accounts: Accounts;

  beforeAll(async () => {
    server = await startEventStore();
    accounts = new Accounts(EventStore.connect(server.connectionString));
  });

  afterAll(async () => {
    await accounts.store.dispose();
    await server.stop();
  });

  it("appends what was decided and answers with the last revision", async () => {
    const id = randomUUID();
    expect(await accounts.send(id, { type: "Open", owner: "Ada" })).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 0n,
    });
    expect(await accounts.send(id, { type: "Deposit", amounts: [5, 7] })).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(5), deposited(7)]);
  });

  it("that the decider refuses changes nothing", async () => {
    const id = randomUUID();
    expect(await accounts.send(id, { type: "Deposit", amounts: [5] })).toStrictEqual({
      outcome: "rejected",
      rejection: { rejection: "NOT_OPEN", message: "open it first" },
    });
    expect(await accounts.history(id)).toStrictEqual([]);
  });

  it("that asks for what is already so succeeds at the stream's revision and appends nothing", async () => {
    const id = await accounts.opened();
    expect(await accounts.send(id, { type: "Deposit", amounts: [] })).toStrictEqual({
      outcome: "accepted",
      effect: "unchanged",
      revision: 0n,
    });
    expect(await accounts.history(id)).toStrictEqual([openedByAda]);
  });

  it("leaves its origin, key and schema version in the metadata, and random ids without a key", async () => {
    const id = randomUUID();
    const origin = {
      correlationId: "correlation-1",
      causationId: "request-1",
      actor: "ada@example.com",
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    const idempotency = { key: "k", digest: "d".repeat(64) };
    await handleCommand(accounts.store, account, { id, command: { type: "Open", owner: "Ada" }, origin, idempotency });
    await accounts.send(id, { type: "Deposit", amounts: [5] });
    const [opened, second] = await accounts.events(id);
    expect(opened?.metadata).toStrictEqual({
      $correlationId: "correlation-1",
      $causationId: "request-1",
      actor: "ada@example.com",
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      idempotencyKey: "k",
      idempotencyDigest: "d".repeat(64),
      schemaVersion: 1,
    });
    expect(second?.metadata).toStrictEqual({ $correlationId: "correlation", schemaVersion: 2 });
    expect(second?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("is one append to one stream, whatever it decides: there is no second write that could fail", async () => {
    const id = await accounts.opened();
    const appends: unknown[] = [];
    class Counted extends EventStore {
      override append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
        const [stream, expected, events] = append;
        appends.push([stream, expected, events.length]);
        return super.append(...append);
      }
    }
    const before = await accounts.store.tail();
    await accounts.send(id, { type: "Deposit", amounts: [1, 2, 3] }, { store: new Counted(accounts.store.client) });
    expect(appends).toStrictEqual([[`account-${id}`, 0n, 3]]);
    const written: string[] = [];
    for await (const event of accounts.store.readAll(before)) written.push(event.stream);
    expect(written.slice(1)).toStrictEqual([`account-${id}`, `account-${id}`, `account-${id}`]);
  });

  describe("and schemas", () => {
    it("run on write: an event against its schema is an error and is not appended", async () => {
      const id = await accounts.opened();
      await expect(accounts.send(id, { type: "Deposit", amounts: [5, -1] })).rejects.toThrow(InvalidEventError);
      expect(await accounts.history(id)).toStrictEqual([openedByAda]);
    });

    it("know every type: one that is not listed is an error and is not appended", async () => {
      const id = await accounts.opened();
      await expect(accounts.send(id, { type: "EmitUnlisted" })).rejects.toThrow(InvalidEventError);
      expect(await accounts.history(id)).toStrictEqual([openedByAda]);
    });

    it("know no type by the name of what every object has", async () => {
      const id = await accounts.opened();
      const { decider } = account;
      const events = [{ type: "constructor", data: {} }] as unknown as AccountEvent[];
      const inherited = { ...account, decider: { ...decider, decide: () => events } };
      const request = { id, command: { type: "EmitUnlisted" }, origin: { correlationId: "c" } } as const;
      await expect(handleCommand(accounts.store, inherited, request)).rejects.toThrow(
        "the decider produced constructor, which is not among its event types",
      );
    });

    it.each([
      ["an event of an unknown type", "Renamed", {}, 1],
      ["an event of a newer version", "Deposited", { amount: 1 }, 3],
      ["data against the schema", "Deposited", { amount: "1" }, 2],
    ])("run on read: a command on a stream with %s is refused", async (_, type, data, schemaVersion) => {
      const id = await accounts.opened();
      await accounts.store.append(`account-${id}`, 0n, [{ id: randomUUID(), type, data, metadata: { schemaVersion } }]);
      await expect(accounts.send(id, { type: "Deposit", amounts: [5] })).rejects.toThrow(EventNotUnderstoodError);
      expect(await accounts.history(id)).toStrictEqual([openedByAda, { type, data }]);
    });

    it("of older versions are brought up to date before the fold", async () => {
      const id = await accounts.opened();
      const old = { id: randomUUID(), type: "Deposited", data: { cents: 3 }, metadata: {} };
      await accounts.store.append(`account-${id}`, 0n, [old]);
      const { state } = await load(accounts.store, account, `account-${id}`);
      expect(state).toStrictEqual({ owner: "Ada", balance: 3, seen: 2 });
    });
  });

  describe("and If-Match", () => {
    it("is carried out at a revision that was named, or at any existing one", async () => {
      const id = await accounts.opened();
      const atZero = { requires: "revision", anyOf: [7n, 0n] } as const;
      expect(await accounts.send(id, { type: "Deposit", amounts: [1] }, { precondition: atZero })).toMatchObject({
        outcome: "accepted",
        revision: 1n,
      });
      const existing = { requires: "existing" } as const;
      expect(await accounts.send(id, { type: "Deposit", amounts: [1] }, { precondition: existing })).toMatchObject({
        outcome: "accepted",
        revision: 2n,
      });
    });

    it("fails at any other revision, with the one it is at", async () => {
      const id = await accounts.opened();
      const precondition = { requires: "revision", anyOf: [1n] } as const;
      expect(await accounts.send(id, { type: "Deposit", amounts: [1] }, { precondition })).toStrictEqual({
        outcome: "precondition-failed",
        actual: 0n,
      });
      expect(await accounts.history(id)).toStrictEqual([openedByAda]);
    });

    it("fails, and is not retried, when another append comes between", async () => {
      const id = await accounts.opened();
      const store = interruptedBefore(accounts.store, () => accounts.send(id, { type: "Deposit", amounts: [9] }));
      const precondition = { requires: "revision", anyOf: [0n] } as const;
      expect(await accounts.send(id, { type: "Deposit", amounts: [1] }, { precondition, store })).toStrictEqual({
        outcome: "precondition-failed",
        actual: 1n,
      });
      expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(9)]);
    });

    it("says of a stream that is not there what the decider says, and only then that nothing matches", async () => {
      const precondition = { requires: "existing" } as const;
      expect(await accounts.send(randomUUID(), { type: "Deposit", amounts: [1] }, { precondition })).toMatchObject({
        outcome: "rejected",
      });
      expect(await accounts.send(randomUUID(), { type: "Open", owner: "Ada" }, { precondition })).toStrictEqual({
        outcome: "precondition-failed",
        actual: "no_stream",
      });
    });
  });

  describe("loads", () => {
    it("by folding while it reads: no event is asked for before the one before it is folded", async () => {
      const id = await accounts.opened();
      await accounts.send(id, { type: "Deposit", amounts: Array.from({ length: 500 }, () => 1) });
      const steps: string[] = [];
      class Watched extends EventStore {
        override async *readStream(...read: Parameters<EventStore["readStream"]>): AsyncGenerator<StoredEvent, void> {
          for await (const event of super.readStream(...read)) {
            steps.push(`read ${event.revision.toString()}`);
            yield event;
          }
        }
      }
      const { decider } = account;
      const watching = {
        ...account,
        decider: {
          ...decider,
          evolve: (...[state, event]: Parameters<typeof decider.evolve>) => {
            steps.push(`folded ${state.seen}`);
            return decider.evolve(state, event);
          },
        },
      };
      const { state, revision } = await load(new Watched(accounts.store.client), watching, `account-${id}`);
      expect({ state, revision }).toStrictEqual({ state: { owner: "Ada", balance: 500, seen: 501 }, revision: 500n });
      expect(steps).toStrictEqual(Array.from({ length: 501 }, (_, at) => [`read ${at}`, `folded ${at}`]).flat());
    });

    it("after a conflict only what came since: evolve sees each event once", async () => {
      const id = await accounts.opened();
      const seen: number[] = [];
      const { decider } = account;
      const watching = {
        ...account,
        decider: {
          ...decider,
          decide: (...[state, command]: Parameters<typeof decider.decide>) => {
            seen.push(state.seen);
            return decider.decide(state, command);
          },
        },
      };
      const store = interruptedBefore(accounts.store, () => accounts.send(id, { type: "Deposit", amounts: [9, 9] }));
      const origin = { correlationId: "correlation" };
      const command = { type: "Deposit", amounts: [1] } as const;
      expect(await handleCommand(store, watching, { id, command, origin })).toStrictEqual({
        outcome: "accepted",
        effect: "changed",
        revision: 3n,
      });
      expect(seen).toStrictEqual([1, 3]);
      expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(9), deposited(9), deposited(1)]);
    });

    it("nothing of a stream that is truncated as a whole, and goes on behind it", async () => {
      const id = await accounts.opened();
      await accounts.send(id, { type: "Deposit", amounts: [1, 2] });
      await accounts.store.client.setStreamMetadata(`account-${id}`, { truncateBefore: 3 });
      expect(await accounts.send(id, { type: "Deposit", amounts: [1] })).toMatchObject({ outcome: "rejected" });
      expect(await accounts.send(id, { type: "Open", owner: "Ada" }, { key: "again" })).toStrictEqual({
        outcome: "accepted",
        effect: "changed",
        revision: 3n,
      });
      expect(await accounts.send(id, { type: "Open", owner: "Ada" }, { key: "again" })).toMatchObject({
        effect: "repeated",
        revision: 3n,
      });
      expect(await accounts.history(id)).toStrictEqual([openedByAda]);
    });

    it("a stream whose beginning is truncated from its first visible event on", async () => {
      const id = await accounts.opened();
      await accounts.send(id, { type: "Deposit", amounts: [1, 2] });
      await accounts.store.client.setStreamMetadata(`account-${id}`, { truncateBefore: 2 });
      const { state, revision } = await load(accounts.store, account, `account-${id}`);
      expect({ state, revision }).toStrictEqual({ state: { balance: 2, seen: 1 }, revision: 2n });
    });
  });

  it("goes on with an aggregate as it was appended to, where its stream was deleted and began anew", async () => {
    const id = await accounts.opened();
    await accounts.send(id, { type: "Deposit", amounts: [1, 2] });
    await accounts.store.client.deleteStream(`account-${id}`);
    const origin = { correlationId: "correlation" };
    const open = { id, command: { type: "Open", owner: "Bob" }, origin } as const;
    const nothing = await load(accounts.store, account, `account-${id}`);
    const { outcome, loaded } = await handleLoaded(accounts.store, account, open, nothing);
    expect(outcome).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 3n });
    const deposit = { id, command: { type: "Deposit", amounts: [5] }, origin } as const;
    const next = await handleLoaded(accounts.store, account, deposit, loaded);
    expect(next.outcome).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 4n });
    expect(next.loaded).toMatchObject({ revision: 4n, first: 3n, state: { owner: "Bob", balance: 5, seen: 2 } });
    const { state, revision, first } = await load(accounts.store, account, `account-${id}`);
    expect({ state, revision, first }).toStrictEqual({ state: next.loaded.state, revision: 4n, first: 3n });
  });

  describe("in a race", () => {
    it("for a stream that does not exist yet: one creates it, the other is decided again", async () => {
      const id = randomUUID();
      const store = interruptedBefore(accounts.store, () => accounts.send(id, { type: "Open", owner: "Bob" }));
      expect(await accounts.send(id, { type: "Open", owner: "Ada" }, { store })).toStrictEqual({
        outcome: "rejected",
        rejection: { rejection: "ALREADY_OPEN", message: "it is open" },
      });
      expect(await accounts.history(id)).toStrictEqual([{ type: "Opened", data: { owner: "Bob" } }]);
    });

    it("that it loses every time: gives up after the last try, with both revisions, and leaves nothing", async () => {
      const id = await accounts.opened();
      class AlwaysLate extends EventStore {
        override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
          await accounts.send(id, { type: "Deposit", amounts: [9] });
          return super.append(...append);
        }
      }
      const store = new AlwaysLate(accounts.store.client);
      const policy = { attempts: 3, firstMs: 1, longestMs: 2 };
      expect(await accounts.send(id, { type: "Deposit", amounts: [1] }, { store, policy })).toStrictEqual({
        outcome: "conflict",
        attempts: 3,
        expected: 2n,
        actual: 3n,
      });
      expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(9), deposited(9), deposited(9)]);
    });

    it("of many clients on one stream: every client gets through, nothing is lost or doubled", async () => {
      const id = await accounts.opened();
      const clients = Array.from({ length: 24 }, (_, client) => client);
      const stores = clients.slice(0, 4).map(() => EventStore.connect(server.connectionString));
      await Promise.all(
        clients.map(async (client) => {
          for (let deposit = 1; deposit <= 4; deposit += 1) {
            const store = stores[client % stores.length] ?? accounts.store;
            const command = { type: "Deposit", amounts: [client * 100 + deposit] } as const;
            while ((await accounts.send(id, command, { store })).outcome === "conflict");
          }
        }),
      );
      const amounts = (await accounts.history(id)).slice(1).map(({ data }) => data);
      const expected = clients.flatMap((client) => [1, 2, 3, 4].map((deposit) => ({ amount: client * 100 + deposit })));
      expect(amounts).toHaveLength(expected.length);
      expect(new Set(amounts.map((data) => JSON.stringify(data)))).toStrictEqual(
        new Set(expected.map((data) => JSON.stringify(data))),
      );
      await Promise.all(stores.map((store) => store.dispose()));
    });
  });
});
