/** The event that all measures write: 305 bytes of JSON, a type in twenty of which is rare. */
import { jsonEvent, type EventData } from "@eventstore/db-client";

export const rareType = "OrderPlaced";
/** One in so many has the rare type. */
export const rareShare = 20;

const data = {
  orderId: "order-1996-0000000000",
  customerId: "VINET",
  orderedAt: "1996-07-04T00:00:00.000Z",
  lines: [
    { productId: "11", quantity: 12, unitPrice: { amount: 1400, currency: "USD" } },
    { productId: "42", quantity: 10, unitPrice: { amount: 980, currency: "USD" } },
  ],
  shipTo: "59 rue de l'Abbaye, Reims, France",
};

export const sampleEvent = (number: number): EventData =>
  jsonEvent({ type: number % rareShare === 0 ? rareType : "OrderNoted", data });
