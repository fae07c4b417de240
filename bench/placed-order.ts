import { type EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { randomUUID } from "node:crypto";

export interface PlacedOrder {
  readonly orderId: string;
  readonly stream: string;
}

const usd = (amount: number): { amount: number; currency: string } => ({ amount, currency: "USD" });

/** Appends the first event of a new order, of two lines; by the plain client, whoever is measured with it. */
export async function placeOrder(client: EventStoreDBClient): Promise<PlacedOrder> {
  const orderId = randomUUID();
  const stream = `order-${orderId}`;
  const data = {
    orderId,
    customerId: "VINET",
    orderedAt: "1996-07-04T00:00:00.000Z",
    lines: [
      { productId: "11", quantity: 12, unitPrice: usd(1_400), discountPercent: 0, total: usd(16_800) },
      { productId: "42", quantity: 10, unitPrice: usd(980), discountPercent: 5, total: usd(9_310) },
    ],
    total: usd(26_110),
  };
  const metadata = { $correlationId: orderId, schemaVersion: 1 };
  await client.appendToStream(stream, jsonEvent({ id: randomUUID(), type: "OrderPlaced", data, metadata }), {
    expectedRevision: "no_stream",
  });
  return { orderId, stream };
}
