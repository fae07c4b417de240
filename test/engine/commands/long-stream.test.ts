/** What a load of a long stream costs in memory, and that it folds each event once, whatever comes between. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { EventStoreDBClient } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Aggregate } from "../../../engine/commands/aggregate.ts";
import { handleLoaded } from "../../../engine/commands/handle-command.ts";
import { load } from "../../../engine/commands/load.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { NewEvent, StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { account, type Account, type AccountCommand, type AccountEvent, type AccountRejection } from "./account.ts";

const length = 50_000;

let server: EventStoreServer;
let store: EventStore;
let id: string;

const deposit = (amount: number): NewEvent => ({
  id: randomUUID(),
  type: "Deposited",
  data: { amount },
  metadata: { schemaVersion: 2 },
});

beforeAll(async () => {
  server = await startEventStore({ inMemory: true });
  store = EventStore.connect(server.connectionString);
  id = await longStream();
});

afterAll(async () => {
  await store.dispose();
  await server.stop();
});

/** An account with so many deposits that its stream has `length` events; the n-th event deposits n. */
async function longStream(): Promise<string> {
  const account = randomUUID();
  const opened = { id: randomUUID(), type: "Opened", data: { owner: "Ada" }, metadata: {} };
  await store.append(`account-${account}`, "no_stream", [opened]);
  for (let from = 1; from < length; from += 1_000) {
    const amounts = Array.from({ length: Math.min(1_000, length - from) }, (_, index) => from + index);
    await store.append(`account-${account}`, BigInt(from - 1), amounts.map(deposit));
  }
  return account;
}

type Watched = Aggregate<Account, AccountCommand, AccountEvent, AccountRejection>;

/** Tells of every event that is folded. */
function watched(folded: (event: AccountEvent) => void): Watched {
  const { decider } = account;
  return {
    ...account,
    decider: {
      ...decider,
      evolve: (state, event) => {
        folded(event);
        return decider.evolve(state, event);
      },
    },
  };
}

describe(`a load of ${length} events`, () => {
  it("holds one of them, and the client no more than it buffers, however slowly they are taken", async () => {
    let folded = 0;
    let mostHeld = 0;
    let mostBuffered = 0;
    let buffer = { readableLength: 0 };
    const client = EventStoreDBClient.connectionString(server.connectionString);
    const readStream = client.readStream.bind(client);
    client.readStream = (stream, options) => {
      const reading = readStream(stream, options);
      buffer = reading;
      return reading;
    };
    class Slow extends EventStore {
      override async *readStream(...read: Parameters<EventStore["readStream"]>): AsyncGenerator<StoredEvent, void> {
        let given = 0;
        for await (const event of super.readStream(...read)) {
          given += 1;
          // Time for all of the rest to arrive, if somebody took it in.
          if (given % 10_000 === 1) await sleep(300);
          mostHeld = Math.max(mostHeld, given - folded);
          mostBuffered = Math.max(mostBuffered, buffer.readableLength);
          yield event;
        }
      }
    }
    const slow = new Slow(client);
    const { state, revision } = await load(
      slow,
      watched(() => (folded += 1)),
      `account-${id}`,
    );
    await slow.dispose();
    expect({ state, revision }).toStrictEqual({
      state: { owner: "Ada", balance: (length * (length - 1)) / 2, seen: length },
      revision: BigInt(length - 1),
    });
    expect(mostHeld).toBe(1);
    expect(mostBuffered).toBeGreaterThan(0);
    expect(mostBuffered).toBeLessThan(length / 100);
  });

  it("folds each event once, in order, also those that conflicts make it read, and what it appends itself", async () => {
    const seen: string[] = [];
    const seeing = watched(({ data }) => seen.push(JSON.stringify(data)));
    let tries = 0;
    class AlwaysLate extends EventStore {
      override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
        const next = length + 2 * tries;
        if (tries < 3) await store.append(`account-${id}`, BigInt(next - 1), [deposit(next), deposit(next + 1)]);
        tries += 1;
        return super.append(...append);
      }
    }
    const request = { id, command: { type: "Deposit", amounts: [7, 8] }, origin: { correlationId: "c" } } as const;
    const loaded = await load(store, seeing, `account-${id}`);
    const handled = await handleLoaded(new AlwaysLate(store.client), seeing, request, loaded);
    expect(handled.outcome).toStrictEqual({ outcome: "accepted", effect: "changed", revision: BigInt(length + 7) });
    const stored: string[] = [];
    for await (const { data } of store.readStream(`account-${id}`)) stored.push(JSON.stringify(data));
    // As one text: a comparison that shows where 50,000 items differ takes minutes.
    expect(seen.join() === stored.join()).toBe(true);
    const others = [0, 1, 2, 3, 4, 5].map((place) => length + place);
    expect(stored.slice(length - 1)).toStrictEqual(
      [length - 1, ...others, 7, 8].map((amount) => JSON.stringify({ amount })),
    );
  });
});
