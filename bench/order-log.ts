/** The log that delivery and back-fill read: orders placed in many streams, every eighth cancelled later. */
import { randomUUID } from "node:crypto";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../domain/kernel/schemas.ts";
import type { OrderCommand, OrderLine } from "../domain/ordering/commands.ts";
import { type OrderEvent, orderingEventTypes } from "../domain/ordering/events.ts";
import { type Order, orderDecider } from "../domain/ordering/order.ts";
import { commandDigest, eventIds } from "../engine/commands/idempotency.ts";
import { newEvents } from "../engine/commands/new-events.ts";
import type { EventStore, ExpectedRevision } from "../engine/event-store/event-store.ts";

export interface OrderLog {
  readonly orders: number;
  readonly events: number;
}

const appendsAtOnce = 64;
const cancelledOneIn = 8;

export async function fillOrderLog(store: EventStore, orders: number): Promise<OrderLog> {
  let events = 0;
  for (let first = 0; first < orders; first += appendsAtOnce) {
    const numbers = Array.from({ length: Math.min(appendsAtOnce, orders - first) }, (_, index) => first + index);
    const placed = await Promise.all(numbers.map((number) => append(store, number, [placeOrder(number)])));
    const cancelled = numbers.filter((number) => number % cancelledOneIn === 0);
    await Promise.all(cancelled.map((number) => append(store, number, [placeOrder(number), { type: "CancelOrder" }])));
    events += placed.length + cancelled.length;
  }
  return { orders, events };
}

/** Appends what the last of an order's commands decides. */
async function append(store: EventStore, number: number, commands: readonly OrderCommand[]): Promise<void> {
  let state: Order = orderDecider.initialState;
  let decided: readonly OrderEvent[] = [];
  let expected: ExpectedRevision = "no_stream";
  for (const [index, command] of commands.entries()) {
    const decision = orderDecider.decide(state, command);
    if ("rejection" in decision) throw new Error(decision.message);
    decided = decision;
    expected = index === 0 ? "no_stream" : BigInt(index - 1);
    state = decided.reduce((before, event) => orderDecider.evolve(before, event), state);
  }
  const stream = `order-${orderIdOf(number)}`;
  const body = JSON.stringify(commands.at(-1));
  const idempotency = { key: randomUUID(), digest: commandDigest("command", body) };
  const origin = { correlationId: randomUUID(), actor: "bench" };
  const events = newEvents(orderingEventTypes, decided, eventIds(stream, idempotency), origin, idempotency);
  const { outcome } = await store.append(stream, expected, events);
  if (outcome !== "appended") throw new Error(`the append to ${stream} was no success: ${outcome}`);
}

function orderIdOf(number: number): string {
  return `bench-${number.toString().padStart(6, "0")}`;
}

/** One to three lines; the months of two years come round again and again, as when an import has filled the log. */
function placeOrder(number: number): OrderCommand {
  const month = number % 24;
  const orderedAt = new Date(Date.UTC(1996, month, 1 + (number % 28))).toISOString();
  const lines = Array.from({ length: 1 + (number % 3) }, (_, index): OrderLine => ({
    productId: productIdSchema.parse(`${1 + ((number + index) % 77)}`),
    quantity: 1 + (number % 40),
    unitPrice: { amount: 250 + 10 * (number % 977), currency: "USD" },
    discountPercent: index === 0 ? 0 : 5,
  }));
  const customerId = customerIdSchema.parse(`CUST${number % 91}`);
  return { type: "PlaceOrder", orderId: orderIdSchema.parse(orderIdOf(number)), customerId, orderedAt, lines };
}
