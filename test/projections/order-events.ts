/** Events of orders as they are stored, and what the projections make of one. */
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { changesOf } from "../../engine/views/stream-write.ts";
import type { Projection } from "../../engine/views/projection.ts";

export interface OrderForTest {
  readonly orderId: string;
  readonly customerId?: string;
  readonly orderedAt?: string;
  readonly amount?: number;
  readonly currency?: string;
  /** The products of its lines; one line of product 11 when absent. */
  readonly products?: readonly string[];
}

export interface OrderEventForTest {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Version 1 when absent, as in events that were stored without saying it. */
  readonly metadata?: { readonly schemaVersion: number };
}

const facts = ({ orderId, customerId = "VINET", orderedAt = "1996-07-04T00:00:00.000Z", ...money }: OrderForTest) => ({
  orderId,
  customerId,
  orderedAt,
  total: { amount: money.amount ?? 15_120, currency: money.currency ?? "USD" },
});

/** 12 x 14.00 less 10 % is 151.20. */
export const lineOf = ({ amount = 15_120, currency = "USD" }: OrderForTest, productId = "11") => ({
  productId,
  quantity: 12,
  unitPrice: { amount: 1_400, currency },
  discountPercent: 10,
  total: { amount, currency },
});

export const placed = (order: OrderForTest): OrderEventForTest => ({
  type: "OrderPlaced",
  data: { ...facts(order), lines: (order.products ?? ["11"]).map((product) => lineOf(order, product)) },
});

export const confirmed = (order: OrderForTest): OrderEventForTest => ({ type: "OrderConfirmed", data: facts(order) });

export const rejected = (order: OrderForTest, reason = "no credit"): OrderEventForTest => ({
  type: "OrderRejected",
  data: { ...facts(order), reason },
});

export const completed = (order: OrderForTest): OrderEventForTest => ({ type: "OrderCompleted", data: facts(order) });

/** As it was written when an order could only be placed. */
export const cancelled = (order: OrderForTest, reason?: string): OrderEventForTest => ({
  type: "OrderCancelled",
  data: { ...facts(order), ...(reason === undefined ? {} : { reason }) },
});

/** As it is written since an order can be confirmed. */
export const cancelledAfterConfirmation = (order: OrderForTest, reason?: string): OrderEventForTest => {
  const { type, data } = cancelled(order, reason);
  return { type, data: { ...data, cancelledFrom: "confirmed" }, metadata: { schemaVersion: 2 } };
};

/** The row changes of one stored event. */
export function changesFor(projection: Projection, event: OrderEventForTest, stream = "order-10248") {
  const stored: StoredEvent = {
    id: "00000000-0000-4000-8000-000000000000",
    stream,
    revision: 0n,
    position: { commit: 1n, prepare: 1n },
    type: event.type,
    data: event.data,
    metadata: event.metadata ?? {},
    recordedAt: new Date(0),
  };
  return changesOf(projection, stored);
}
