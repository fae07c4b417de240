import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandDigest, idFromKey, RecentKeys } from "../../../engine/commands/idempotency.ts";
import { uuidV5 } from "../../../engine/commands/uuid-v5.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";

const deposit = (...amounts: number[]): { type: "Deposit"; amounts: number[] } => ({ type: "Deposit", amounts });

describe("a command with a key", () => {
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

  it("sent again gets the first answer and appends nothing", async () => {
    const id = await accounts.opened();
    const first = await accounts.send(id, deposit(1, 2), { key: "k" });
    expect(first).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 2n });
    expect(await accounts.send(id, deposit(1, 2), { key: "k" })).toStrictEqual({ ...first, effect: "repeated" });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  it("sent again after the stream moved on gets the first answer", async () => {
    const id = await accounts.opened();
    await accounts.send(id, deposit(1), { key: "k" });
    await accounts.send(id, deposit(5), { key: "other" });
    await accounts.send(id, deposit(6));
    expect(await accounts.send(id, deposit(1), { key: "k" })).toStrictEqual({
      outcome: "accepted",
      effect: "repeated",
      revision: 1n,
    });
    expect(await accounts.history(id)).toHaveLength(4);
  });

  it("sent again with the If-Match of the first time gets the first answer: the key is looked at first", async () => {
    const id = await accounts.opened();
    const options = { key: "k", precondition: { requires: "revision", anyOf: [0n] } } as const;
    await accounts.send(id, deposit(1), options);
    expect(await accounts.send(id, deposit(1), options)).toStrictEqual({
      outcome: "accepted",
      effect: "repeated",
      revision: 1n,
    });
  });

  it("that stands for another body is refused", async () => {
    const id = await accounts.opened();
    await accounts.send(id, deposit(1), { key: "k" });
    expect(await accounts.send(id, deposit(2), { key: "k" })).toStrictEqual({ outcome: "key-reused" });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1)]);
  });

  it("means its own stream: the same key on another is another key", async () => {
    const [one, two] = [await accounts.opened(), await accounts.opened()];
    await accounts.send(one, deposit(1), { key: "k" });
    expect(await accounts.send(two, deposit(2), { key: "k" })).toMatchObject({ effect: "changed", revision: 1n });
    const ids = [...(await accounts.events(one)), ...(await accounts.events(two))].map((event) => event.id);
    expect(new Set(ids).size).toBe(4);
  });

  it("gives no two streams the same event ids, not for the same body either", async () => {
    const [one, two] = [await accounts.opened(), await accounts.opened()];
    for (const id of [one, two]) await accounts.send(id, deposit(1, 2), { key: "k" });
    const ids = [...(await accounts.events(one)), ...(await accounts.events(two))].map((event) => event.id);
    expect(new Set(ids).size).toBe(6);
  });

  it("is not remembered when it was refused or changed nothing", async () => {
    const id = randomUUID();
    expect(await accounts.send(id, deposit(1), { key: "k" })).toMatchObject({ outcome: "rejected" });
    await accounts.send(id, { type: "Open", owner: "Ada" });
    expect(await accounts.send(id, deposit(), { key: "k" })).toMatchObject({ effect: "unchanged" });
    expect(await accounts.send(id, deposit(3), { key: "k" })).toMatchObject({ effect: "changed", revision: 1n });
  });

  it("has one effect when a copy overtakes it, and both get one answer", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, () => accounts.send(id, deposit(1, 2), { key: "k" }));
    expect(await accounts.send(id, deposit(1, 2), { key: "k", store })).toMatchObject({
      outcome: "accepted",
      revision: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
  });

  it("has one effect when a copy and then others overtake it, and gets the copy's answer", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, async () => {
      await accounts.send(id, deposit(1, 2), { key: "k" });
      await accounts.send(id, deposit(9));
    });
    expect(await accounts.send(id, deposit(1, 2), { key: "k", store })).toMatchObject({
      outcome: "accepted",
      revision: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2), deposited(9)]);
  });

  it("that another body overtakes under the same key is refused, never a false success", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, () => accounts.send(id, deposit(2), { key: "k" }));
    expect(await accounts.send(id, deposit(1), { key: "k", store })).toStrictEqual({ outcome: "key-reused" });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(2)]);
  });

  it("sent 20 times at once over several connections has one effect and one answer", async () => {
    const id = await accounts.opened();
    const stores = Array.from({ length: 5 }, () => EventStore.connect(server.connectionString));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, copy) => {
        const store = stores[copy % stores.length] ?? accounts.store;
        return accounts.send(id, deposit(1, 2), { key: "k", store });
      }),
    );
    expect(answers.map((answer) => (answer.outcome === "accepted" ? answer.revision : answer.outcome))).toStrictEqual(
      Array.from({ length: 20 }, () => 2n),
    );
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(1), deposited(2)]);
    await Promise.all(stores.map((store) => store.dispose()));
  });
});

describe("the keys a stream remembers", () => {
  const noted = (limit: number, count: number): RecentKeys => {
    const keys = new RecentKeys(limit);
    for (let number = 0; number < count; number += 1) {
      keys.note({ idempotencyKey: `k${number}`, idempotencyDigest: `d${number}` }, BigInt(number));
    }
    return keys;
  };

  it("are the most recent ones, up to the bound", () => {
    const keys = noted(3, 5);
    expect(["k0", "k1", "k2", "k3", "k4"].map((key) => keys.find(key))).toStrictEqual([
      undefined,
      undefined,
      { digest: "d2", revision: 2n },
      { digest: "d3", revision: 3n },
      { digest: "d4", revision: 4n },
    ]);
  });

  it("count a command once, however many events it had, and give the revision of its last", () => {
    const keys = new RecentKeys(2);
    for (const [key, revision] of [
      ["a", 0n],
      ["b", 1n],
      ["b", 2n],
      ["b", 3n],
    ] as const) {
      keys.note({ idempotencyKey: key, idempotencyDigest: key }, revision);
    }
    expect([keys.find("a"), keys.find("b")]).toStrictEqual([
      { digest: "a", revision: 0n },
      { digest: "b", revision: 3n },
    ]);
  });

  it("do not come from metadata that is none of ours", () => {
    const keys = new RecentKeys();
    // What others write into the store has no type.
    const foreign = JSON.parse('{"idempotencyKey": 5, "idempotencyDigest": {}}') as object;
    keys.note(foreign, 0n);
    keys.note({ idempotencyKey: "k" }, 1n);
    expect([keys.find("5"), keys.find("k")]).toStrictEqual([undefined, undefined]);
  });
});

describe("derived ids", () => {
  it("are version 5 UUIDs as RFC 9562 computes them", () => {
    const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    expect(uuidV5("www.example.com", dns)).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2");
  });

  it("of created things follow from category and key, whatever characters the key has", () => {
    expect(idFromKey("order", "a")).toBe(idFromKey("order", "a"));
    expect(new Set([idFromKey("order", "a"), idFromKey("order", "b"), idFromKey("invoice", "a")]).size).toBe(3);
    expect(idFromKey('x","y', "z")).not.toBe(idFromKey("x", 'y","z'));
  });

  it("of a body take every character of it and the command's name", () => {
    const digests = [
      commandDigest("Deposit", '{"a":1}'),
      commandDigest("Deposit", '{"a": 1}'),
      commandDigest("Withdraw", '{"a":1}'),
    ];
    expect(new Set(digests).size).toBe(3);
    // printf 'Deposit\n{"a":1}' | sha256sum
    expect(digests[0]).toBe("b307922a79227f7efae32c8d1e457c344ecda270f80a2c89bff0b8018ef0fa83");
  });
});
