/**
 * What the process of one order knows: facts, the steps it took, and the deadlines that run. Facts are only ever added, so
 * that two that arrive in either order leave the same state.
 */
import type { DeadlineName, OrderToCashEvent, ProcessEnding } from "./events.ts";
import type { ProcessRequest, Step } from "./requests.ts";

type DataOf<Type extends OrderToCashEvent["type"]> = Extract<OrderToCashEvent, { type: Type }>["data"];

export interface PendingRequest {
  readonly key: string;
  readonly cause: string;
  readonly request: ProcessRequest;
}

export interface Halt {
  readonly request: ProcessRequest;
  readonly code: string;
  readonly message: string;
}

/** A deadline runs from the moment it is set; it passes once, and is lifted when what it waits for is there or no longer wanted. */
export interface Clock {
  readonly dueAt: string;
  readonly is: "running" | "passed" | "lifted";
}

export type StepOutcome =
  { readonly is: "accepted" } | { readonly is: "refused"; readonly code: string; readonly message: string };

export interface OrderToCash {
  readonly order?: DataOf<"OrderReceived">;
  readonly withdrawn?: true;
  /** Why the goods will not reach the customer: lost, or their dispatch called off. */
  readonly failed?: string;
  readonly plannedAt?: string;
  readonly dispatched?: { readonly freight: DataOf<"GoodsDispatched">["freight"]; readonly dispatchedAt: string };
  readonly delivered?: true;
  readonly invoicedAt?: string;
  /** Nothing is owed any more. */
  readonly settled?: true;
  readonly steps: Readonly<Partial<Record<Step, StepOutcome | undefined>>>;
  /** Sent, or about to be, with no outcome yet. One at a time. */
  readonly pending?: PendingRequest | undefined;
  /** A refusal to which the process has no answer. */
  readonly halted?: Halt | undefined;
  /** What halted the process and is to be asked once more, before anything else. */
  readonly again?: ProcessRequest | undefined;
  readonly clocks: Readonly<Partial<Record<DeadlineName, Clock>>>;
  readonly ended?: ProcessEnding;
}

export const initialState: OrderToCash = { steps: {}, clocks: {} };

export function evolve(process: OrderToCash, event: OrderToCashEvent): OrderToCash {
  switch (event.type) {
    case "OrderReceived":
      return { ...process, order: event.data };
    case "OrderWithdrawn":
      return { ...process, withdrawn: true };
    case "DispatchPlanned":
      return { ...process, plannedAt: event.data.recordedAt };
    case "GoodsDispatched": {
      const { freight, dispatchedAt } = event.data;
      return { ...process, dispatched: { freight, dispatchedAt } };
    }
    case "GoodsDelivered":
      return { ...process, delivered: true };
    case "GoodsLost":
      return { ...process, failed: `the shipment was lost: ${event.data.reason}` };
    case "DispatchCalledOff":
      return { ...process, failed: `the shipment was cancelled: ${event.data.reason}` };
    case "InvoiceSent":
      return settledIf(event.data.total.amount === 0, { ...process, invoicedAt: event.data.recordedAt });
    case "PaymentReceived":
    case "InvoiceCredited":
      return settledIf(event.data.open.amount === 0, process);
    case "InvoiceWithdrawn":
      return settledIf(true, process);
    case "CommandIntended": {
      const { key, cause, request } = event.data;
      return { ...process, again: undefined, pending: { key, cause, request } };
    }
    case "CommandAccepted":
      return afterOutcome(process, event.data.step, { is: "accepted" });
    case "CommandRefused": {
      const { step, code, message, halts } = event.data;
      const refused = afterOutcome(process, step, { is: "refused", code, message });
      const request = process.pending?.request;
      return halts && request !== undefined ? { ...refused, halted: { request, code, message } } : refused;
    }
    case "ProcessRetried":
      return {
        ...process,
        halted: undefined,
        again: process.halted?.request,
        steps: { ...process.steps, [event.data.step]: undefined },
      };
    case "DeadlineSet":
      return withClock(process, event.data.name, { dueAt: event.data.dueAt, is: "running" });
    case "DeadlinePassed":
      return withClock(process, event.data.name, { dueAt: event.data.dueAt, is: "passed" });
    case "DeadlineLifted": {
      const clock = process.clocks[event.data.name];
      return clock === undefined ? process : withClock(process, event.data.name, { ...clock, is: "lifted" });
    }
    case "ProcessEnded":
      return { ...process, ended: event.data.as };
  }
}

function settledIf(condition: boolean, process: OrderToCash): OrderToCash {
  return condition ? { ...process, settled: true } : process;
}

function afterOutcome(process: OrderToCash, step: Step, outcome: StepOutcome): OrderToCash {
  return { ...process, pending: undefined, steps: { ...process.steps, [step]: outcome } };
}

function withClock(process: OrderToCash, name: DeadlineName, clock: Clock): OrderToCash {
  return { ...process, clocks: { ...process.clocks, [name]: clock } };
}
