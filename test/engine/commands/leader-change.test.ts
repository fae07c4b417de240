/** A cluster whose leader changes while commands are under way. */
import { EventStoreDBClient } from "@eventstore/db-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import {
  type EventStoreServer,
  type Follower,
  startEventStore,
} from "../../../local/eventstoredb/event-store-server.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";

const deposit = { type: "Deposit", amounts: [1, 2] } as const;
const changed = { outcome: "accepted", effect: "changed", revision: 2n };
const history = [openedByAda, deposited(1), deposited(2)];

let leader: EventStoreServer;
let follower: Follower;
let connectionString: string;
let accounts: Accounts;

beforeEach(async () => {
  leader = await startEventStore({ inMemory: true });
  follower = await leader.startFollower();
  connectionString = `esdb://127.0.0.1:${leader.port},127.0.0.1:${follower.port}?tls=false`;
  accounts = new Accounts(EventStore.connect(connectionString));
});

afterEach(async () => {
  await accounts.store.dispose();
  await leader.stop();
});

describe("a client that asks for the leader, when another has become it", () => {
  let strict: EventStore;

  beforeEach(() => {
    strict = new EventStore(askingForTheLeader(EventStoreDBClient.connectionString(connectionString)));
  });

  afterEach(() => strict.dispose());

  it("before the load: the command fails as unavailable, and a resend has its effect at the new leader", async () => {
    const id = await accounts.opened();
    await accounts.send(await accounts.opened(), deposit, { store: strict });
    await follower.lead();
    const send = (): Promise<unknown> => accounts.send(id, deposit, { key: "k", store: strict });
    await expect(send()).rejects.toThrow(EventStoreUnavailableError);
    expect(await send()).toStrictEqual(changed);
    expect(await send()).toStrictEqual({ ...changed, effect: "repeated" });
    await leader.lead();
    await expect(send()).rejects.toThrow(EventStoreUnavailableError);
    expect(await send()).toStrictEqual({ ...changed, effect: "repeated" });
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it("between load and append: the append is sent again, to the new leader", async () => {
    const id = await accounts.opened();
    await accounts.send(await accounts.opened(), deposit, { store: strict });
    const store = interruptedBefore(strict, () => follower.lead());
    expect(await accounts.send(id, deposit, { store })).toStrictEqual(changed);
    expect(await accounts.history(id)).toStrictEqual(history);
  });
});

describe("a client that asks for nobody", () => {
  it("is served as before when its leader has become a follower, which hands appends on", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, () => follower.lead());
    expect(await accounts.send(id, deposit, { key: "k", store })).toStrictEqual(changed);
    expect(await accounts.send(id, deposit, { key: "k" })).toStrictEqual({ ...changed, effect: "repeated" });
    const atTheLeader = new Accounts(EventStore.connect(follower.connectionString));
    expect(await atTheLeader.history(id)).toStrictEqual(history);
    await atTheLeader.store.dispose();
  });

  it("and reads a follower that is behind: the key has one effect and no false answer", async () => {
    const id = await accounts.opened();
    const behind = EventStore.connect(follower.connectionString);
    await expect.poll(() => new Accounts(behind).history(id)).toStrictEqual([openedByAda]);
    follower.setLag(Infinity);
    const sent = { key: "k", store: behind, policy: { attempts: 2, firstMs: 1, longestMs: 1 } };
    expect(await accounts.send(id, deposit, sent)).toStrictEqual(changed);
    // It does not see the key yet; the ids of the events tell the store.
    expect(await accounts.send(id, deposit, sent)).toStrictEqual(changed);
    const other = { type: "Deposit", amounts: [3] } as const;
    expect(await accounts.send(id, other, sent)).toStrictEqual({
      outcome: "conflict",
      attempts: 2,
      expected: 0n,
      actual: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual(history);
    await behind.dispose();
  });
});

/** The same client, each of whose reads and appends is refused by everybody but the leader. */
function askingForTheLeader(client: EventStoreDBClient): EventStoreDBClient {
  const appendToStream = client.appendToStream.bind(client);
  const readStream = client.readStream.bind(client);
  const strict = { requiresLeader: true };
  client.appendToStream = (stream, events, options) => appendToStream(stream, events, { ...options, ...strict });
  client.readStream = (stream, options) => readStream(stream, { ...options, ...strict });
  return client;
}
