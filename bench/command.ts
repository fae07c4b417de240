/**
 * Commands over the raw client's reads and appends of the same events: both make two round trips a command, with the same
 * data, metadata and expected revisions. At concurrency 1, 8 and 32.
 */
import { EventStoreDBClient, jsonEvent, StreamNotFoundError } from "@eventstore/db-client";
import { randomUUID } from "node:crypto";
import type { OrderCommand } from "../domain/ordering/commands.ts";
import { orderingEventTypes } from "../domain/ordering/events.ts";
import { orderDecider } from "../domain/ordering/order.ts";
import { placeOrderSchema } from "../domain/ordering/commands.ts";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { commandDigest } from "../engine/commands/idempotency.ts";
import { EventStore } from "../engine/event-store/event-store.ts";
import type { Latencies } from "./latencies.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, plainSubject } from "./side-by-side.ts";

const body = {
  customerId: "VINET",
  orderedAt: "1996-07-04T00:00:00.000Z",
  lines: [
    { productId: "11", quantity: 12, unitPrice: { amount: 1400, currency: "USD" }, discountPercent: 0 },
    { productId: "42", quantity: 10, unitPrice: { amount: 980, currency: "USD" }, discountPercent: 5 },
  ],
};

const orders = { category: "order", decider: orderDecider, eventTypes: orderingEventTypes };

/** A run places and cancels `count` orders: two loads, two decisions, two appends each. */
export async function* compareCommands(servers: Servers, count: number, rounds: number): AsyncGenerator<Comparison> {
  const store = EventStore.connect(servers.connectionString);
  const client = EventStoreDBClient.connectionString(servers.connectionString);
  try {
    for (const concurrency of [1, 8, 32]) {
      yield await compare(
        `command over read + append, concurrency ${concurrency}`,
        "commands",
        rounds,
        plainSubject((latencies) => together(count, concurrency, () => placeAndCancel(store, latencies))),
        plainSubject((latencies) => together(count, concurrency, () => readAndAppendTwice(client, latencies))),
      );
    }
  } finally {
    await client.dispose();
    await store.dispose();
  }
}

async function placeAndCancel(store: EventStore, latencies: Latencies): Promise<void> {
  const id = randomUUID();
  const { customerId, lines } = placeOrderSchema.parse(body);
  const orderId = orderIdSchema.parse(id);
  const place: OrderCommand = { type: "PlaceOrder", orderId, customerId, orderedAt: body.orderedAt, lines };
  for (const command of [place, { type: "CancelOrder" } as const satisfies OrderCommand]) {
    const asSent = JSON.stringify(command);
    const { outcome } = await latencies.of(() => {
      const idempotency = { key: command.type, digest: commandDigest(command.type, asSent) };
      return handleCommand(store, orders, { id, command, origin: { correlationId: id }, idempotency });
    });
    if (outcome !== "accepted") throw new Error(`the command was ${outcome}`);
  }
}

async function readAndAppendTwice(client: EventStoreDBClient, latencies: Latencies): Promise<void> {
  const id = randomUUID();
  const stream = `order-${id}`;
  const metadata = {
    $correlationId: id,
    idempotencyKey: "PlaceOrder",
    idempotencyDigest: "0".repeat(64),
    schemaVersion: 1,
  };
  const total = { amount: 26_110, currency: "USD" };
  const lines = body.lines.map((line) => ({ ...line, total: line.unitPrice }));
  const placed = { orderId: id, ...body, lines, total };
  const cancelled = { orderId: id, customerId: body.customerId, orderedAt: body.orderedAt, total };
  for (const [type, data, expectedRevision] of [
    ["OrderPlaced", placed, "no_stream"],
    ["OrderCancelled", cancelled, 0n],
  ] as const) {
    await latencies.of(async () => {
      await drained(client, stream);
      const event = jsonEvent({ id: randomUUID(), type, data, metadata });
      await client.appendToStream(stream, event, { expectedRevision });
    });
  }
}

async function drained(client: EventStoreDBClient, stream: string): Promise<void> {
  try {
    for await (const { event } of client.readStream(stream)) if (event === undefined) throw new Error("no event");
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
}

/** Runs `work` `count` times, `concurrency` at once; each run is two units. */
async function together(count: number, concurrency: number, work: () => Promise<void>): Promise<number> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return 2 * count;
}
