/** A cluster whose leader changes while commands are under way. */
import { EventStoreDBClient } from "@eventstore/db-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

describe("a command, when another server has become the leader", () => {
  it("before the load: is loaded and carried out there", async () => {
    const id = await accounts.opened();
    const send = (): Promise<unknown> => accounts.send(id, deposit, { key: "k" });
    await follower.lead();
    expect(await send()).toStrictEqual(changed);
    expect(await send()).toStrictEqual({ ...changed, effect: "repeated" });
    await leader.lead();
    expect(await send()).toStrictEqual({ ...changed, effect: "repeated" });
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it("between load and append: the append has its effect there", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(accounts.store, () => follower.lead());
    expect(await accounts.send(id, deposit, { key: "k", store })).toStrictEqual(changed);
    expect(await accounts.send(id, deposit, { key: "k" })).toStrictEqual({ ...changed, effect: "repeated" });
    const atTheLeader = new Accounts(EventStore.connect(follower.connectionString));
    expect(await atTheLeader.history(id)).toStrictEqual(history);
    await atTheLeader.store.dispose();
  });

  it("between load and append, where appends are refused by everybody but the leader: it is sent again, to the new one", async () => {
    const id = await accounts.opened();
    const strict = new EventStore(appendingAtTheLeader(EventStoreDBClient.connectionString(connectionString)));
    await accounts.send(await accounts.opened(), deposit, { store: strict });
    const store = interruptedBefore(strict, () => follower.lead());
    expect(await accounts.send(id, deposit, { store })).toStrictEqual(changed);
    expect(await accounts.history(id)).toStrictEqual(history);
    await strict.dispose();
  });
});

it("a command that is sent to a follower far behind is decided on what the leader knows", async () => {
  const id = await accounts.opened();
  const behind = EventStore.connect(follower.connectionString);
  await expect.poll(() => new Accounts(behind).history(id)).toStrictEqual([openedByAda]);
  await behind.dispose();
  follower.setLag(Infinity);
  const store = EventStore.connect(follower.connectionString);
  expect(await accounts.send(id, deposit, { key: "k", store })).toStrictEqual(changed);
  // A load at the follower would find neither the key nor the deposit.
  expect(await accounts.send(id, deposit, { key: "k", store })).toStrictEqual({ ...changed, effect: "repeated" });
  expect(await accounts.send(id, { type: "Deposit", amounts: [3] }, { store })).toStrictEqual({
    ...changed,
    revision: 3n,
  });
  expect(await accounts.history(id)).toStrictEqual([...history, deposited(3)]);
  await store.dispose();
});

it("the end of a stream is read at the leader too, by whomever it is asked for", async () => {
  const id = await accounts.opened();
  follower.setLag(Infinity);
  await accounts.send(id, deposit);
  const store = EventStore.connect(follower.connectionString);
  const last = await store.lastEvents(`account-${id}`, 2);
  expect(last.map(({ revision }) => revision)).toStrictEqual([1n, 2n]);
  await store.dispose();
});

/** The same client, each of whose appends is refused by everybody but the leader. */
function appendingAtTheLeader(client: EventStoreDBClient): EventStoreDBClient {
  const appendToStream = client.appendToStream.bind(client);
  client.appendToStream = (stream, events, options) =>
    appendToStream(stream, events, { ...options, requiresLeader: true });
  return client;
}
