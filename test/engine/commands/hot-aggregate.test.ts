/** Fifty clients at one aggregate: all of them end, and each is told what became of its commands. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { defaultRetryPolicy } from "../../../engine/commands/retry-policy.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { Accounts, openedByAda } from "./commands-against-store.ts";

const clients = Array.from({ length: 50 }, (_, client) => client);
const commandsEach = 2;

let server: EventStoreServer;
let stores: EventStore[];
let accounts: Accounts;

beforeAll(async () => {
  server = await startEventStore();
  stores = clients.map(() => EventStore.connect(server.connectionString));
  accounts = new Accounts(EventStore.connect(server.connectionString));
});

afterAll(async () => {
  await Promise.all(stores.map((store) => store.dispose()));
  await accounts.store.dispose();
  await server.stop();
});

/** No other command deposits as much. */
const amountOf = (client: number, number: number): number => 1 + client * commandsEach + number;

it("50 clients that send commands to one aggregate at once all end: each command is accepted, or refused and not done", async () => {
  const id = await accounts.opened();
  const told: { amount: number; revision: bigint | "conflict" }[] = [];
  await Promise.all(
    stores.map(async (store, client) => {
      for (let number = 0; number < commandsEach; number += 1) {
        const amount = amountOf(client, number);
        const answer = await accounts.send(id, { type: "Deposit", amounts: [amount] }, { store });
        if (answer.outcome === "accepted" && answer.effect === "changed") {
          told.push({ amount, revision: answer.revision });
          continue;
        }
        expect(answer).toMatchObject({ outcome: "conflict", attempts: defaultRetryPolicy.attempts });
        told.push({ amount, revision: "conflict" });
      }
    }),
  );
  expect(told).toHaveLength(clients.length * commandsEach);
  const accepted = told.filter(({ revision }) => revision !== "conflict");
  const inOrder = accepted.toSorted((left, right) => (left.revision < right.revision ? -1 : 1));
  expect(inOrder.map(({ revision }) => revision)).toStrictEqual(accepted.map((_, index) => BigInt(index + 1)));
  expect(await accounts.history(id)).toStrictEqual([
    openedByAda,
    ...inOrder.map(({ amount }) => ({ type: "Deposited", data: { amount } })),
  ]);
});

it("with the key of the first time, those that were refused get through when they are sent again, each once", async () => {
  const id = await accounts.opened();
  await Promise.all(
    stores.map(async (store, client) => {
      const command = { type: "Deposit", amounts: [amountOf(client, 0)] } as const;
      while ((await accounts.send(id, command, { store, key: `client-${client}` })).outcome === "conflict");
    }),
  );
  const amounts = (await accounts.history(id)).slice(1).map(({ data }) => JSON.stringify(data));
  expect(amounts.toSorted()).toStrictEqual(
    clients.map((client) => JSON.stringify({ amount: amountOf(client, 0) })).toSorted(),
  );
});
