/**
 * What the process does next, as a function of what it knows and of nothing else: the same facts lead to the same move, in
 * whatever order they came. It reads from top to bottom like the way of an order: forwards, refused, or undone.
 */
import type { ProcessEnding } from "./events.ts";
import type { ProcessRequest, Step } from "./requests.ts";
import type { OrderToCash } from "./state.ts";

export type Move =
  | { readonly move: "request"; readonly request: ProcessRequest }
  | { readonly move: "end"; readonly as: ProcessEnding }
  /** Somebody else has to do something first. */
  | { readonly move: "wait" };

/**
 * The refusals that the process has an answer to; any other halts it until somebody retries.
 * An order that somebody has completed by hand stays so: what the process has done for it is taken back all the same.
 * A shipment that is delivered cannot be called back: the customer keeps the goods or returns them, which is not Tidemark's to say.
 */
export const answeredRefusals: Readonly<Record<Step, readonly string[]>> = {
  "reserve-credit": [
    "CUSTOMER_NOT_FOUND",
    "CUSTOMER_SUSPENDED",
    "CREDIT_LIMIT_EXCEEDED",
    "CREDIT_CURRENCY_MISMATCH",
    "RESERVATION_RELEASED",
  ],
  "confirm-order": ["ORDER_CANCELLED", "ORDER_REJECTED"],
  "reject-order": ["ORDER_CANCELLED", "ORDER_COMPLETED"],
  "schedule-shipment": [],
  "issue-invoice": [],
  "mark-overdue": ["INVOICE_SETTLED", "INVOICE_VOID"],
  "complete-order": ["ORDER_CANCELLED"],
  "cancel-order": ["ORDER_REJECTED", "ORDER_COMPLETED"],
  "cancel-shipment": ["SHIPMENT_DELIVERED"],
  "credit-invoice": ["INVOICE_VOID"],
  "release-credit": [],
};

/** Steps forwards that are taken back when the order is undone. One that was refused then has left nothing to take back. */
export const reversibleSteps: readonly Step[] = ["reserve-credit", "schedule-shipment", "issue-invoice"];

type Order = NonNullable<OrderToCash["order"]>;

const wait: Move = { move: "wait" };

export function nextMove(process: OrderToCash): Move {
  const { order, pending, halted, ended } = process;
  if (order === undefined || pending !== undefined || halted !== undefined || ended !== undefined) return wait;
  // Even when the order is undone by now: one copy failed, another may have had its effect, and only its answer tells.
  if (process.again !== undefined) return request(process.again);
  // First of all: the rejection that the process itself asked for comes back as a withdrawal.
  if (isAccepted(process, "reject-order")) return release(process, order, "rejected");
  if (isUndone(process)) return undo(process, order);
  return refusal(process, "reserve-credit") === undefined ? proceed(process, order) : reject(process, order);
}

/** Whether the order is to be taken back: by the customer, or because its goods cannot reach him. */
export function isUndone(process: OrderToCash): boolean {
  return isOff(process) || process.failed !== undefined;
}

function proceed(process: OrderToCash, order: Order): Move {
  const { orderId, customerId, total, items } = order;
  if (!isAccepted(process, "reserve-credit")) {
    return request({ step: "reserve-credit", orderId, customerId, amount: total });
  }
  if (!isAccepted(process, "confirm-order")) return request({ step: "confirm-order", orderId });
  if (!isAccepted(process, "schedule-shipment")) {
    return request({ step: "schedule-shipment", orderId, customerId, items, currency: total.currency });
  }
  const { dispatched, delivered, settled, clocks } = process;
  if (dispatched === undefined) return wait;
  if (!isAccepted(process, "issue-invoice")) {
    const { freight, dispatchedAt: issuedAt } = dispatched;
    return request({ step: "issue-invoice", orderId, customerId, goods: total, freight, issuedAt });
  }
  const isOverdue = clocks.payment?.is === "passed" && settled === undefined;
  if (isOverdue && !isTried(process, "mark-overdue")) return request({ step: "mark-overdue", orderId });
  if (delivered === undefined || settled === undefined) return wait;
  if (!isAccepted(process, "complete-order")) return request({ step: "complete-order", orderId });
  return release(process, order, "completed");
}

function reject(process: OrderToCash, { orderId }: Order): Move {
  const { code, message } = refusal(process, "reserve-credit") ?? { code: "", message: "" };
  return request({ step: "reject-order", orderId, reason: asReason(`${code}: ${message}`) });
}

/** Takes back, in the order in which it hurts others least, whatever was done. */
function undo(process: OrderToCash, order: Order): Move {
  const { orderId } = order;
  const reason = asReason(process.failed ?? "the order was cancelled");
  if (!isOff(process) && !isTried(process, "cancel-order")) return request({ step: "cancel-order", orderId, reason });
  const isUnderway = isAccepted(process, "schedule-shipment") && process.failed === undefined;
  if (isUnderway && !isTried(process, "cancel-shipment")) return request({ step: "cancel-shipment", orderId, reason });
  const isInvoiced = isAccepted(process, "issue-invoice");
  if (isInvoiced && !isTried(process, "credit-invoice")) return request({ step: "credit-invoice", orderId, reason });
  return release(process, order, "cancelled");
}

/**
 * Gives the credit back, even where it was refused: of two copies of the reservation the other may still be under way, and
 * the customer remembers that this order's is released.
 */
function release(process: OrderToCash, { orderId, customerId }: Order, as: ProcessEnding): Move {
  const isOwed = isTried(process, "reserve-credit") && !isTried(process, "release-credit");
  return isOwed ? request({ step: "release-credit", orderId, customerId }) : { move: "end", as };
}

/** Whether ordering has taken the order back already, as far as the process has heard. */
function isOff(process: OrderToCash): boolean {
  return (
    process.withdrawn !== undefined ||
    refusal(process, "confirm-order") !== undefined ||
    refusal(process, "reject-order") !== undefined ||
    refusal(process, "complete-order") !== undefined
  );
}

function request(asked: ProcessRequest): Move {
  return { move: "request", request: asked };
}

function isTried({ steps }: OrderToCash, step: Step): boolean {
  return steps[step] !== undefined;
}

function isAccepted({ steps }: OrderToCash, step: Step): boolean {
  return steps[step]?.is === "accepted";
}

function refusal({ steps }: OrderToCash, step: Step): { readonly code: string; readonly message: string } | undefined {
  const outcome = steps[step];
  return outcome?.is === "refused" ? outcome : undefined;
}

/** Contexts take reasons of at most 500 characters. None is cut in the middle: a surrogate without its other half is no text. */
function asReason(text: string): string {
  return text
    .slice(0, 500)
    .replace(/[\uD800-\uDBFF]$/, "")
    .trim();
}
