/**
 * A command on a customer of 10,000 events with snapshots, over the same command on customers of 10: what length costs.
 * Warm is a process that has had the customer before, cold one that has not. Snapshots are taken between the commands that
 * are measured, as often as the function that takes them would.
 */
import { randomUUID } from "node:crypto";
import type { CustomerCommand } from "../domain/customers/commands.ts";
import { customerSnapshot } from "../domain/customers/customer-snapshot.ts";
import { type Customer, customerDecider } from "../domain/customers/customer.ts";
import { type CustomerEvent, customersEventTypes } from "../domain/customers/events.ts";
import { customerIdSchema, orderIdSchema } from "../domain/kernel/schemas.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { commandDigest, eventIds, type IdempotencyKey } from "../engine/commands/idempotency.ts";
import { newEvents } from "../engine/commands/new-events.ts";
import { EventStore } from "../engine/event-store/event-store.ts";
import type { NewEvent } from "../engine/event-store/stored-event.ts";
import { everyEventsOf, type SnapshotPolicy } from "../engine/snapshots/snapshot-policy.ts";
import { snapshotWriters } from "../engine/snapshots/write-snapshot.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Measured, type Subject } from "./side-by-side.ts";

const snapshots: SnapshotPolicy<Customer> = { fingerprint: "bench", format: customerSnapshot };
const customers = { category: "customer", decider: customerDecider, eventTypes: customersEventTypes, snapshots };

const longLength = 10_000;
const shortLength = 10;
const eventsAtOnce = 500;

/** `count` commands in a round, one after the other: how long one takes is what matters here. */
export async function* compareSnapshots(servers: Servers, count: number, rounds: number): AsyncGenerator<Comparison> {
  const store = EventStore.connect(servers.connectionString);
  try {
    const long = await customerOf(store, longLength);
    for (const [name, storeOfCommand] of [
      ["warm", () => store],
      ["cold", () => new EventStore(store.client)],
    ] as const) {
      yield await compare(
        `command on ${longLength} events with a snapshot over one on ${shortLength}, ${name}`,
        "commands",
        rounds,
        longSubject(store, storeOfCommand, long, count),
        shortSubject(store, storeOfCommand, count),
      );
    }
  } finally {
    await store.dispose();
  }
}

function longSubject(store: EventStore, storeOfCommand: () => EventStore, id: string, count: number): Subject {
  const [writer] = snapshotWriters(customers);
  const takeSnapshot = async (): Promise<void> => {
    await writer?.write(store, `customer-${id}`);
  };
  const run = async (): Promise<Measured> => {
    let seconds = 0;
    for (let done = 0; done < count; done += 1) {
      seconds += await secondsOf(storeOfCommand(), id);
      if ((done + 1) % everyEventsOf(snapshots) === 0) await takeSnapshot();
    }
    return { units: count, seconds };
  };
  return {
    prepare: async () => {
      await takeSnapshot();
      // What a warm process has behind it.
      await secondsOf(store, id);
      return { run };
    },
  };
}

function shortSubject(store: EventStore, storeOfCommand: () => EventStore, count: number): Subject {
  return {
    prepare: async () => {
      const ids: string[] = [];
      for (let made = 0; made < count; made += 1) ids.push(await customerOf(store, shortLength));
      const run = async (): Promise<Measured> => {
        let seconds = 0;
        for (const id of ids) seconds += await secondsOf(storeOfCommand(), id);
        return { units: count, seconds };
      };
      return { run };
    },
  };
}

/** Reserves credit for an order that is new: one event. */
async function secondsOf(store: EventStore, id: string): Promise<number> {
  const command = reserve(randomUUID());
  const start = performance.now();
  const { outcome } = await handleCommand(store, customers, {
    id,
    command,
    origin: { correlationId: id, actor: "bench" },
    idempotency: keyOf(command),
  });
  const seconds = (performance.now() - start) / 1_000;
  if (outcome !== "accepted") throw new Error(`the command was ${outcome}`);
  return seconds;
}

/** A new customer with so many events: registered, then credit reserved for an order and released again, and so on. */
async function customerOf(store: EventStore, length: number): Promise<string> {
  const customerId = customerIdSchema.parse(randomUUID());
  const stream = `customer-${customerId}`;
  let state: Customer = customerDecider.initialState;
  const decide = (command: CustomerCommand): NewEvent[] => {
    const decision = customerDecider.decide(state, command);
    if ("rejection" in decision) throw new Error(decision.message);
    state = decision.reduce<Customer>((before, event: CustomerEvent) => customerDecider.evolve(before, event), state);
    const idempotency = keyOf(command);
    const origin = { correlationId: customerId, actor: "bench" };
    return newEvents(customersEventTypes, decision, eventIds(stream, idempotency), origin, idempotency);
  };
  const creditLimit = { amount: 1_000_000_000_000, currency: "EUR" };
  const events = decide({ type: "RegisterCustomer", customerId, name: "A long customer", creditLimit });
  while (events.length < length) {
    const orderId = randomUUID();
    events.push(...decide(reserve(orderId)));
    if (events.length < length)
      events.push(...decide({ type: "ReleaseCredit", orderId: orderIdSchema.parse(orderId) }));
  }
  for (let first = 0; first < length; first += eventsAtOnce) {
    const expected = first === 0 ? "no_stream" : BigInt(first - 1);
    const { outcome } = await store.append(stream, expected, events.slice(first, first + eventsAtOnce));
    if (outcome !== "appended") throw new Error(`the append to ${stream} was no success: ${outcome}`);
  }
  return customerId;
}

function reserve(orderId: string): CustomerCommand {
  return { type: "ReserveCredit", orderId: orderIdSchema.parse(orderId), amount: { amount: 1_000, currency: "EUR" } };
}

function keyOf(command: CustomerCommand): IdempotencyKey {
  return { key: randomUUID(), digest: commandDigest(command.type, JSON.stringify(command)) };
}
