/**
 * Order-to-cash: brings an order from its placement to its payment, across the four contexts.
 *
 * placed -> credit reserved -> confirmed -> shipment scheduled -> dispatched -> invoiced -> delivered and paid -> completed,
 * credit released. And back, from wherever it is: credit refused, cancelled before or after dispatch, shipment lost. An
 * invoice that is not paid in time is marked overdue.
 *
 * It is a decider like every other, in a stream of its own per order, and promises:
 * - one command at a time: its intent is recorded before it is sent, its outcome after;
 * - what it does depends on which facts it knows, never on the order in which they came;
 * - a fact, an outcome or a deadline that comes twice changes nothing the second time;
 * - a refusal that it has no answer to halts it, visibly, until somebody retries;
 * - once it has ended, it asks for nothing more; what it still hears is noted, as the last credit note that it asked for itself.
 */
import type { Decider, Decision, Rejection } from "../kernel/decider.ts";
import { deadlineChanges } from "./deadlines.ts";
import type { DeadlineName, OrderToCashEvent } from "./events.ts";
import type { IntegrationEvent } from "./integration-events.ts";
import { answeredRefusals, isUndone, nextMove, reversibleSteps } from "./next-move.ts";
import type { Step } from "./requests.ts";
import { evolve, initialState, type OrderToCash } from "./state.ts";

/** How a context answered a request. */
export type RequestOutcome =
  | { readonly is: "accepted" }
  /** By the context's rules. */
  | { readonly is: "refused"; readonly code: string; readonly message: string }
  /** By an error that no repetition can mend. */
  | { readonly is: "failed"; readonly code: string; readonly message: string };

/** `at` is when it is handled, ISO 8601 in UTC with milliseconds. */
export type ProcessInput =
  /** `cause` is the id of the event that was translated into the fact. */
  | { readonly type: "NoteFact"; readonly fact: IntegrationEvent; readonly cause: string; readonly at: string }
  | { readonly type: "RecordOutcome"; readonly key: string; readonly outcome: RequestOutcome; readonly at: string }
  | { readonly type: "PassDeadline"; readonly name: DeadlineName; readonly dueAt: string; readonly at: string }
  | { readonly type: "Retry"; readonly cause: string; readonly at: string };

export type ProcessRejection = Rejection<"PROCESS_NOT_FOUND" | "PROCESS_NOT_HALTED">;

export const orderToCashDecider: Decider<OrderToCash, ProcessInput, OrderToCashEvent, ProcessRejection> = {
  initialState,
  evolve,
  decide(process, input) {
    switch (input.type) {
      case "NoteFact":
        return noteFact(process, input);
      case "RecordOutcome":
        return recordOutcome(process, input);
      case "PassDeadline":
        return passDeadline(process, input);
      case "Retry":
        return retry(process, input);
    }
  },
};

type Input<Type extends ProcessInput["type"]> = Extract<ProcessInput, { type: Type }>;

function noteFact(process: OrderToCash, { fact, cause, at }: Input<"NoteFact">): OrderToCashEvent[] {
  return isNews(process, fact) ? goingOn(process, [fact], cause, at) : [];
}

/** Of most facts there is one in an order's life; payments and credit notes may be several, and the store knows each by its id. */
function isNews(process: OrderToCash, { type }: IntegrationEvent): boolean {
  switch (type) {
    case "OrderReceived":
      return process.order === undefined;
    case "OrderWithdrawn":
      return process.withdrawn === undefined;
    case "DispatchPlanned":
      return process.plannedAt === undefined;
    case "GoodsDispatched":
      return process.dispatched === undefined;
    case "GoodsDelivered":
      return process.delivered === undefined;
    case "GoodsLost":
    case "DispatchCalledOff":
      return process.failed === undefined;
    case "InvoiceSent":
      return process.invoicedAt === undefined;
    case "PaymentReceived":
    case "InvoiceCredited":
    case "InvoiceWithdrawn":
      return true;
  }
}

function recordOutcome(process: OrderToCash, { key, outcome, at }: Input<"RecordOutcome">): OrderToCashEvent[] {
  const { pending } = process;
  // Two invocations may have sent the same request: the first to come back has said how it ended.
  if (pending?.key !== key) return [];
  const { cause, request } = pending;
  const about = { orderId: request.orderId, key, step: request.step, at };
  if (outcome.is === "accepted") return goingOn(process, [{ type: "CommandAccepted", data: about }], cause, at);
  const { code, message } = outcome;
  const halts = outcome.is === "failed" || !isAnswered(process, request.step, code);
  return goingOn(process, [{ type: "CommandRefused", data: { ...about, code, message, halts } }], cause, at);
}

function isAnswered(process: OrderToCash, step: Step, code: string): boolean {
  return answeredRefusals[step].includes(code) || (isUndone(process) && reversibleSteps.includes(step));
}

/** A deadline fires once, late rather than never, and not at all when it was met meanwhile. */
function passDeadline(process: OrderToCash, { name, dueAt, at }: Input<"PassDeadline">): OrderToCashEvent[] {
  const { order, clocks } = process;
  const clock = clocks[name];
  if (order === undefined || clock?.is !== "running" || clock.dueAt !== dueAt || at < dueAt) return [];
  const { orderId } = order;
  return goingOn(process, [{ type: "DeadlinePassed", data: { orderId, name, dueAt, at } }], `${name}-deadline`, at);
}

function retry(process: OrderToCash, { cause, at }: Input<"Retry">): Decision<OrderToCashEvent, ProcessRejection> {
  const { order, halted } = process;
  if (order === undefined) return { rejection: "PROCESS_NOT_FOUND", message: "there is no process for such an order" };
  if (halted === undefined) {
    return { rejection: "PROCESS_NOT_HALTED", message: "the process is not halted: there is nothing to retry" };
  }
  const { orderId } = order;
  return goingOn(process, [{ type: "ProcessRetried", data: { orderId, step: halted.request.step, at } }], cause, at);
}

/** The events, and what the process makes of them: its clocks, and its next move. */
function goingOn(process: OrderToCash, events: OrderToCashEvent[], cause: string, at: string): OrderToCashEvent[] {
  const known = events.reduce(evolve, process);
  if (known.order === undefined || known.ended !== undefined) return events;
  const { orderId } = known.order;
  const move = nextMove(known);
  const clocks = deadlineChanges(known, known.order, move.move === "end");
  switch (move.move) {
    case "wait":
      return [...events, ...clocks];
    case "request": {
      const { request } = move;
      const key = `${cause}:${request.step}`;
      return [...events, ...clocks, { type: "CommandIntended", data: { orderId, key, cause, request, at } }];
    }
    case "end":
      return [...events, ...clocks, { type: "ProcessEnded", data: { orderId, as: move.as, at } }];
  }
}
