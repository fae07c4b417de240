/** The words in which the tests of the process tell what it hears: facts, answers to what it asked, the passing of time. */
import type { OrderToCashEvent, ProcessEnding } from "../../../domain/order-to-cash/events.ts";
import { type IntegrationEvent, integrationEventTypes } from "../../../domain/order-to-cash/integration-events.ts";
import { orderToCashDecider, type ProcessInput } from "../../../domain/order-to-cash/order-to-cash.ts";
import { type ProcessRequest, requestSchema, type Step } from "../../../domain/order-to-cash/requests.ts";
import type { OrderToCash } from "../../../domain/order-to-cash/state.ts";

/** When all is handled: years after the business dates. */
export const at = "2026-03-01T12:00:00.000Z";
const long = "1996-07-04T00:00:00.000Z";
/** When the store recorded what starts a deadline. */
export const recordedAt = "2026-03-01T11:59:00.000Z";

export const usd = (amount: number) => ({ amount, currency: "USD" });

const types = integrationEventTypes;

/** Each fact as the contexts tell it of order 1. */
export const facts = {
  received: {
    type: "OrderReceived",
    data: types.OrderReceived.schema.parse({
      orderId: "1",
      customerId: "VINET",
      total: usd(1000),
      items: [{ productId: "11", quantity: 12 }],
      correlationId: "request",
    }),
  },
  withdrawn: { type: "OrderWithdrawn", data: types.OrderWithdrawn.schema.parse({ orderId: "1" }) },
  planned: { type: "DispatchPlanned", data: types.DispatchPlanned.schema.parse({ orderId: "1", recordedAt }) },
  dispatched: {
    type: "GoodsDispatched",
    data: types.GoodsDispatched.schema.parse({ orderId: "1", carrier: "Speedy", freight: usd(50), dispatchedAt: long }),
  },
  delivered: { type: "GoodsDelivered", data: types.GoodsDelivered.schema.parse({ orderId: "1", deliveredAt: long }) },
  lost: { type: "GoodsLost", data: types.GoodsLost.schema.parse({ orderId: "1", reason: "sunk" }) },
  calledOff: {
    type: "DispatchCalledOff",
    data: types.DispatchCalledOff.schema.parse({ orderId: "1", reason: "no stock" }),
  },
  invoiced: {
    type: "InvoiceSent",
    data: types.InvoiceSent.schema.parse({ orderId: "1", total: usd(1050), recordedAt }),
  },
  paidPart: {
    type: "PaymentReceived",
    data: types.PaymentReceived.schema.parse({ orderId: "1", amount: usd(50), open: usd(1000) }),
  },
  paid: {
    type: "PaymentReceived",
    data: types.PaymentReceived.schema.parse({ orderId: "1", amount: usd(1000), open: usd(0) }),
  },
  credited: {
    type: "InvoiceCredited",
    data: types.InvoiceCredited.schema.parse({ orderId: "1", amount: usd(1050), refund: usd(0), open: usd(0) }),
  },
  voided: { type: "InvoiceWithdrawn", data: types.InvoiceWithdrawn.schema.parse({ orderId: "1", reason: "wrong" }) },
} satisfies Record<string, IntegrationEvent>;

export type FactName = keyof typeof facts;

/** What the process hears: a fact, an input, or one that follows from what it has asked. */
export type Heard = FactName | ProcessInput | ((process: OrderToCash) => ProcessInput);

export function note(name: FactName): ProcessInput {
  return { type: "NoteFact", fact: facts[name], cause: `event-${name}`, at };
}

const answer =
  (step: Step, outcome: Extract<ProcessInput, { type: "RecordOutcome" }>["outcome"]) =>
  ({ pending }: OrderToCash): ProcessInput => {
    if (pending?.request.step === step) return { type: "RecordOutcome", key: pending.key, outcome, at };
    throw new Error(`the story answers ${step}, and the process asked for ${pending?.request.step ?? "nothing"}`);
  };

export const accepted = (step: Step): Heard => answer(step, { is: "accepted" });

export const refused = (step: Step, code: string, message = "because"): Heard =>
  answer(step, { is: "refused", code, message });

export const failed = (step: Step): Heard => answer(step, { is: "failed", code: "STREAM_DELETED", message: "gone" });

export const retry = (cause = "retry-1"): ProcessInput => ({ type: "Retry", cause, at });

/** All accepted, one after the other. */
export const allAccepted = (...steps: Step[]): Heard[] => steps.map(accepted);

/** The way of an order up to where it stands confirmed and its shipment is scheduled. */
export const untilScheduled: readonly Heard[] = [
  "received",
  ...allAccepted("reserve-credit", "confirm-order", "schedule-shipment"),
  "planned",
];

export const untilInvoiced: readonly Heard[] = [...untilScheduled, "dispatched", accepted("issue-invoice"), "invoiced"];

export function inputOf(heard: Heard, process: OrderToCash): ProcessInput {
  if (typeof heard === "string") return note(heard);
  return typeof heard === "function" ? heard(process) : heard;
}

export function stateAfter(events: readonly OrderToCashEvent[]): OrderToCash {
  return events.reduce<OrderToCash>(
    (process, event) => orderToCashDecider.evolve(process, event),
    orderToCashDecider.initialState,
  );
}

/** The stream of a process that has heard all this. */
export function heard(...story: readonly Heard[]): OrderToCashEvent[] {
  return story.reduce<OrderToCashEvent[]>((events, next) => {
    const process = stateAfter(events);
    const decision = orderToCashDecider.decide(process, inputOf(next, process));
    if ("rejection" in decision) throw new Error(`the story is refused: ${decision.message}`);
    return [...events, ...decision];
  }, []);
}

/** The last input of a story that begins with `before`. */
export function last(next: Heard, ...before: readonly Heard[]): ProcessInput {
  return inputOf(next, stateAfter(heard(...before)));
}

/** What the process asked for in its life, in order, and how it ended. */
export function askedFor(...story: readonly Heard[]): (ProcessRequest | ProcessEnding)[] {
  return heard(...story).flatMap((event): (ProcessRequest | ProcessEnding)[] => {
    if (event.type === "CommandIntended") return [event.data.request];
    return event.type === "ProcessEnded" ? [event.data.as] : [];
  });
}

const [orderId, customerId] = ["1", "VINET"];

/** Each request about order 1, as it is asked for. */
export const requests = {
  reserve: requestSchema.parse({ step: "reserve-credit", orderId, customerId, amount: usd(1000) }),
  confirm: requestSchema.parse({ step: "confirm-order", orderId }),
  schedule: requestSchema.parse({
    step: "schedule-shipment",
    orderId,
    customerId,
    items: [{ productId: "11", quantity: 12 }],
    currency: "USD",
  }),
  invoice: requestSchema.parse({
    step: "issue-invoice",
    orderId,
    customerId,
    goods: usd(1000),
    freight: usd(50),
    issuedAt: long,
  }),
  markOverdue: requestSchema.parse({ step: "mark-overdue", orderId }),
  complete: requestSchema.parse({ step: "complete-order", orderId }),
  release: requestSchema.parse({ step: "release-credit", orderId, customerId }),
};

export const because = (step: "reject-order" | "cancel-order" | "cancel-shipment" | "credit-invoice", reason: string) =>
  requestSchema.parse({ step, orderId, reason });

const id = facts.received.data.orderId;

/** The intent to ask for something, because of that event, deadline or retry. */
export function intended(cause: string, request: ProcessRequest): OrderToCashEvent {
  return { type: "CommandIntended", data: { orderId: id, key: `${cause}:${request.step}`, cause, request, at } };
}

export function wasAccepted(cause: string, step: Step): OrderToCashEvent {
  return { type: "CommandAccepted", data: { orderId: id, key: `${cause}:${step}`, step, at } };
}

export function ended(as: ProcessEnding): OrderToCashEvent {
  return { type: "ProcessEnded", data: { orderId: id, as, at } };
}
