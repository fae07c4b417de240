/** Histories of the process of one order, as the process itself makes them of what it is told. */
import type { IntegrationEvent } from "../../domain/order-to-cash/integration-events.ts";
import type { DeadlineName, OrderToCashEvent } from "../../domain/order-to-cash/events.ts";
import {
  orderToCashDecider,
  type ProcessInput,
  type RequestOutcome,
} from "../../domain/order-to-cash/order-to-cash.ts";
import type { OrderToCash } from "../../domain/order-to-cash/state.ts";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../../domain/kernel/schemas.ts";

export const usd = (amount: number) => ({ amount, currency: "USD" });

/** When the process handles what it is told, and the store records what it is told of, unless a test says otherwise. */
export const noon = "2026-03-01T12:00:00.000Z";

const items = [{ productId: productIdSchema.parse("11"), quantity: 12 }];

/** The facts of one order of 90.00, its freight of 10.00, its shipment and its invoice. */
export function factsOf(id: string, recordedAt = noon) {
  const orderId = orderIdSchema.parse(id);
  const customerId = customerIdSchema.parse("VINET");
  return {
    received: {
      type: "OrderReceived",
      data: { orderId, customerId, total: usd(9_000), items, correlationId: `placing-${id}` },
    },
    withdrawn: { type: "OrderWithdrawn", data: { orderId, reason: "too late" } },
    planned: { type: "DispatchPlanned", data: { orderId, recordedAt } },
    dispatched: {
      type: "GoodsDispatched",
      data: { orderId, carrier: "Speedy Express", freight: usd(1_000), dispatchedAt: "1996-07-16T00:00:00.000Z" },
    },
    delivered: { type: "GoodsDelivered", data: { orderId, deliveredAt: "1996-07-19T00:00:00.000Z" } },
    lost: { type: "GoodsLost", data: { orderId, reason: "fell into the sea" } },
    calledOff: { type: "DispatchCalledOff", data: { orderId, reason: "out of stock" } },
    invoiced: { type: "InvoiceSent", data: { orderId, total: usd(10_000), recordedAt } },
    paid: (amount: number, open: number) => ({
      type: "PaymentReceived",
      data: { orderId, amount: usd(amount), open: usd(open) },
    }),
    credited: (amount: number, refund: number, open: number) => ({
      type: "InvoiceCredited",
      data: { orderId, amount: usd(amount), refund: usd(refund), open: usd(open) },
    }),
    invoiceWithdrawn: { type: "InvoiceWithdrawn", data: { orderId, reason: "wrong address" } },
  } satisfies Record<string, IntegrationEvent | ((...amounts: number[]) => IntegrationEvent)>;
}

/** What the process is told next, given what it knows. */
export type Telling = (process: OrderToCash) => ProcessInput;

export const noted =
  (fact: IntegrationEvent, at = noon): Telling =>
  () => ({ type: "NoteFact", fact, cause: `told-of-${fact.type}`, at });

/** The outcome of the request that is pending. */
const answered =
  (outcome: RequestOutcome, at = noon): Telling =>
  ({ pending }) => ({ type: "RecordOutcome", key: pending?.key ?? "nothing is pending", outcome, at });

export const accepted = answered({ is: "accepted" });

export const refused = (code: string, message: string, at = noon): Telling =>
  answered({ is: "refused", code, message }, at);

export const retried: Telling = () => ({ type: "Retry", cause: "retry-1", at: noon });

export const passed =
  (name: DeadlineName, at = "2027-01-01T00:00:00.000Z"): Telling =>
  ({ clocks }) => ({ type: "PassDeadline", name, dueAt: clocks[name]?.dueAt ?? "", at });

export interface ProcessHistory {
  readonly events: readonly OrderToCashEvent[];
  readonly process: OrderToCash;
}

/** What the process records of being told all this in turn. What it rejects it does not record. */
export function processHistory(tellings: readonly Telling[]): ProcessHistory {
  return tellings.reduce<ProcessHistory>(
    ({ events, process }, telling) => {
      const decision = orderToCashDecider.decide(process, telling(process));
      if ("rejection" in decision) return { events, process };
      const known = decision.reduce((state, event) => orderToCashDecider.evolve(state, event), process);
      return { events: [...events, ...decision], process: known };
    },
    { events: [], process: orderToCashDecider.initialState },
  );
}
