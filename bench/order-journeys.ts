/**
 * The events of many orders on their way to cash at once: what one has left in the log, over and over under other ids. They
 * come step by step, the first event of every order, then the second: as from orders that take days, where two events of one
 * stream seldom meet in a batch. Only a customer's events do, because customers have several orders. All
 * are of this month, as they are where orders come in.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { EventStore } from "../engine/event-store/event-store.ts";
import { startOfAll } from "../engine/event-store/position.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import { orderToCashCosts } from "./process-costs.ts";

const products = 77;
const customers = 91;

/** The events of one order, its customer's included, in the order of the log. The store holds nothing else of theirs. */
export async function recordJourney(store: EventStore): Promise<readonly StoredEvent[]> {
  await orderToCashCosts(store);
  const events: StoredEvent[] = [];
  for await (const event of store.readAll(startOfAll)) events.push(event);
  return events;
}

/** Each event of the journey that is of one of the `categories`, `orders` times over. */
export function journeysByStep(
  journey: readonly StoredEvent[],
  categories: readonly string[],
  orders: number,
): readonly (readonly StoredEvent[])[] {
  const [orderId, customerId] = [idIn(journey, "order"), idIn(journey, "customer")];
  const orderIds = Array.from({ length: orders }, () => randomUUID());
  const customerIds = Array.from({ length: customers }, () => randomUUID());
  const revisions = new Map<string, bigint>();
  let place = firstPlace;
  const ofOrder = (event: StoredEvent, id: string, number: number): StoredEvent => {
    const text = JSON.stringify({ stream: event.stream, data: event.data })
      .replaceAll(orderId, id)
      .replaceAll(customerId, customerIds[number % customers] ?? "")
      .replaceAll('"productId":"11"', `"productId":"${1 + (number % products)}"`);
    const { stream, data } = copySchema.parse(JSON.parse(text));
    const revision = (revisions.get(stream) ?? -1n) + 1n;
    revisions.set(stream, revision);
    place += placesPerEvent;
    return { ...event, id: randomUUID(), stream, data, revision, position: { commit: place, prepare: place } };
  };
  return journey
    .filter(({ stream }) => categories.includes(stream.slice(0, stream.indexOf("-"))))
    .map((event) => {
      // A customer registers once.
      const ids = event.type === "CustomerRegistered" ? orderIds.slice(0, customers) : orderIds;
      return ids.map((id, number) => ofOrder(event, id, number));
    });
}

/** As in a log of some gigabytes: a number takes room by its digits. */
const firstPlace = 4_000_000_000n;
const placesPerEvent = 600n;

const copySchema = z.object({ stream: z.string(), data: z.unknown() });

function idIn(journey: readonly StoredEvent[], category: string): string {
  const stream = journey.find((event) => event.stream.startsWith(`${category}-`))?.stream;
  if (stream === undefined) throw new Error(`the journey has no stream of category ${category}`);
  return stream.slice(category.length + 1);
}
