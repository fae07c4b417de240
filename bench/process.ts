/**
 * The process manager over the raw client doing the same reads and appends: for each order the process notes that it was
 * placed and takes three steps, each of which is an intent, a command at another aggregate, and an outcome. The raw client
 * copies what that wrote, append by append, with the reads in between.
 */
import { EventStoreDBClient, jsonEvent, type JSONType, StreamNotFoundError } from "@eventstore/db-client";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../domain/kernel/schemas.ts";
import type { OrderCommand } from "../domain/ordering/commands.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { EventStore } from "../engine/event-store/event-store.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import { processBatch } from "../engine/processes/process-batch.ts";
import { customerAggregate } from "../functions/customer-aggregate.ts";
import { orderAggregate } from "../functions/order-aggregate.ts";
import { orderToCashManager } from "../functions/order-to-cash-process.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Subject, timed } from "./side-by-side.ts";

const log = pino({ level: "silent" });
/** As the process works on them. */
const ordersAtOnce = 16;
const stepsOfAnOrder = 3;

/** `count` orders in a round, each with a customer of its own. */
export async function* compareProcess(servers: Servers, count: number, rounds: number): AsyncGenerator<Comparison> {
  const store = EventStore.connect(servers.connectionString);
  const client = EventStoreDBClient.connectionString(servers.connectionString);
  try {
    const template = await templateOf(store);
    yield await compare(
      "steps of order-to-cash over the same reads and appends",
      "steps",
      rounds,
      ours(store, count),
      raw(client, template, count),
    );
  } finally {
    await client.dispose();
    await store.dispose();
  }
}

function ours(store: EventStore, count: number): Subject {
  return {
    prepare: async () => {
      const placed: StoredEvent[] = [];
      for (let made = 0; made < count; made += 1) placed.push(await placedOrder(store));
      const work = async (): Promise<number> => {
        const untold = await processBatch({ eventStore: store, log }, orderToCashManager(store), placed);
        if (untold.length > 0) throw new Error("a process could not be told");
        return count * stepsOfAnOrder;
      };
      return { run: () => timed(work) };
    },
  };
}

/** What is appended to one stream at once, after the stream was read if `read` says so. */
interface Written {
  readonly stream: string;
  readonly read: boolean;
  readonly expected: bigint | "no_stream";
  readonly events: readonly StoredEvent[];
}

function raw(client: EventStoreDBClient, template: readonly Written[], count: number): Subject {
  return {
    prepare: async () => {
      const ids: string[] = [];
      for (let made = 0; made < count; made += 1) {
        const id = randomUUID();
        // What the process finds there: the customer and the order.
        for (const before of ["customer", "order"]) {
          await client.appendToStream(`${before}-${id}`, jsonEvent({ type: "Before", data: { id } }));
        }
        ids.push(id);
      }
      const queue = ids.values();
      const work = async (): Promise<number> => {
        const lane = async (): Promise<void> => {
          for (const id of queue) await copy(client, template, id);
        };
        await Promise.all(Array.from({ length: ordersAtOnce }, lane));
        return count * stepsOfAnOrder;
      };
      return { run: () => timed(work) };
    },
  };
}

async function copy(client: EventStoreDBClient, template: readonly Written[], id: string): Promise<void> {
  for (const { stream, read, expected, events } of template) {
    const name = `${stream}-${id}`;
    if (read) await drained(client, name);
    // The data of a stored event is what came out of JSON.
    const copies = events.map(({ type, data, metadata }) =>
      jsonEvent({ id: randomUUID(), type, data: data as JSONType, metadata: { ...metadata } }),
    );
    await client.appendToStream(name, copies, { expectedRevision: expected });
  }
}

async function drained(client: EventStoreDBClient, stream: string): Promise<void> {
  try {
    for await (const { event } of client.readStream(stream)) if (event === undefined) throw new Error("no event");
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
}

/** The appends of one order, in their order, from what ours wrote. */
async function templateOf(store: EventStore): Promise<readonly Written[]> {
  const placed = await placedOrder(store);
  await processBatch({ eventStore: store, log }, orderToCashManager(store), [placed]);
  const id = placed.stream.slice("order-".length);
  const of = async (stream: string, from: bigint): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for await (const event of store.readStream(`${stream}-${id}`, from)) events.push(event);
    return events;
  };
  // The customer of the benchmark bears the order's id.
  const others = await Promise.all([of("customer", 1n), of("order", 1n), of("shipment", 0n)]);
  const own = await of("orderToCash", 0n);
  const written: Written[] = [];
  const append = (stream: string, read: boolean, events: readonly StoredEvent[]): void => {
    const [first] = events;
    if (first === undefined) throw new Error(`the process wrote nothing to ${stream}`);
    const expected = first.revision === 0n ? "no_stream" : first.revision - 1n;
    written.push({ stream, read, expected, events });
  };
  // Up to each intent is one append; after it comes the command that it is about.
  let pending: StoredEvent[] = [];
  let isFirst = true;
  for (const event of own) {
    pending.push(event);
    if (event.type !== "CommandIntended") continue;
    append("orderToCash", isFirst, pending);
    isFirst = false;
    pending = [];
    const [name, events] = [["customer", "order", "shipment"][written.length >> 1], others[written.length >> 1]];
    if (name !== undefined && events !== undefined) append(name, true, events);
  }
  append("orderToCash", false, pending);
  return written;
}

/** Of a registered customer with the same id. */
async function placedOrder(store: EventStore): Promise<StoredEvent> {
  const id = randomUUID();
  const [orderId, customerId] = [orderIdSchema.parse(id), customerIdSchema.parse(id)];
  const usd = (amount: number): { amount: number; currency: string } => ({ amount, currency: "USD" });
  const register = { type: "RegisterCustomer", customerId, name: "Bench", creditLimit: usd(1_000_000) } as const;
  const line = { productId: productIdSchema.parse("11"), quantity: 12, unitPrice: usd(1_400), discountPercent: 0 };
  const orderedAt = "1996-07-04T00:00:00.000Z";
  const place: OrderCommand = { type: "PlaceOrder", orderId, customerId, orderedAt, lines: [line] };
  const origin = { correlationId: id };
  await handleCommand(store, customerAggregate, { id, command: register, origin });
  await handleCommand(store, orderAggregate, { id, command: place, origin });
  const placed = await store.lastEvent(`order-${id}`);
  if (placed === undefined) throw new Error("the order of the benchmark was not placed");
  return placed;
}
