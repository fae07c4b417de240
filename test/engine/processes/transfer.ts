/**
 * A small process for tests of what runs processes: coins go from one purse to another. They are taken when somebody asks for
 * it, added to the other purse once somebody approves, and given back if nobody has when the deadline passes. A purse that
 * has too little ends it; any other refusal halts it.
 */
import { z } from "zod";
import type { Aggregate } from "../../../engine/commands/aggregate.ts";
import type { EventOf } from "../../../engine/event-store/event-types.ts";
import type { Pending, RequestOutcome } from "../../../engine/processes/process-manager.ts";

const requestSchema = z.strictObject({
  step: z.enum(["take", "add", "give-back"]),
  purse: z.string(),
  coins: z.array(z.int()),
});

export type TransferRequest = z.output<typeof requestSchema>;

const key = z.string();

const transferEventTypes = {
  Asked: {
    version: 1,
    schema: z.strictObject({
      from: z.string(),
      to: z.string(),
      coins: z.array(z.int()),
      approveBy: z.string(),
      correlationId: z.string(),
    }),
  },
  Approved: { version: 1, schema: z.strictObject({ by: z.string() }) },
  DeadlinePassed: { version: 1, schema: z.strictObject({ dueAt: z.string() }) },
  Retried: { version: 1, schema: z.strictObject({}) },
  Intended: { version: 1, schema: z.strictObject({ key, cause: z.string(), request: requestSchema }) },
  Accepted: { version: 1, schema: z.strictObject({ key }) },
  Refused: {
    version: 1,
    schema: z.strictObject({ key, is: z.enum(["refused", "failed"]), code: z.string(), message: z.string() }),
  },
  Ended: { version: 1, schema: z.strictObject({ as: z.enum(["paid", "refused", "given back"]) }) },
};

export type TransferEvent = EventOf<typeof transferEventTypes>;

type DataOf<Type extends TransferEvent["type"]> = Extract<TransferEvent, { type: Type }>["data"];

/** `cause` names what the process is told because of. */
export type TransferInput =
  | { readonly type: "Ask"; readonly asked: DataOf<"Asked">; readonly cause: string }
  | { readonly type: "Approve"; readonly by: string; readonly cause: string }
  | { readonly type: "PassDeadline"; readonly dueAt: string; readonly cause: string }
  | { readonly type: "Retry"; readonly cause: string }
  | { readonly type: "RecordOutcome"; readonly key: string; readonly outcome: RequestOutcome };

export interface TransferRejection {
  readonly rejection: "NOT_HALTED";
  readonly message: string;
}

export interface Transfer {
  readonly asked?: DataOf<"Asked">;
  /** By whom; each counts once. */
  readonly approvals: readonly string[];
  readonly isOverdue: boolean;
  /** The step that was accepted last. */
  readonly done?: TransferRequest["step"];
  readonly pending?: Pending<TransferRequest> | undefined;
  readonly refused?: (DataOf<"Refused"> & { readonly request: TransferRequest }) | undefined;
  readonly ended?: DataOf<"Ended">["as"];
}

export const transfer: Aggregate<Transfer, TransferInput, TransferEvent, TransferRejection> = {
  category: "transfer",
  eventTypes: transferEventTypes,
  decider: { initialState: { approvals: [], isOverdue: false }, evolve, decide },
};

function decide(state: Transfer, input: TransferInput): readonly TransferEvent[] | TransferRejection {
  const { asked, approvals, isOverdue, pending, ended } = state;
  switch (input.type) {
    case "Ask":
      if (asked !== undefined) return [];
      return goingOn(state, { type: "Asked", data: input.asked }, input.cause);
    case "Approve":
      if (ended !== undefined || approvals.includes(input.by)) return [];
      return goingOn(state, { type: "Approved", data: { by: input.by } }, input.cause);
    case "PassDeadline": {
      const isMet = approvals.length > 0 || ended !== undefined;
      if (asked?.approveBy !== input.dueAt || isMet || isOverdue) return [];
      return goingOn(state, { type: "DeadlinePassed", data: { dueAt: input.dueAt } }, input.cause);
    }
    case "Retry":
      if (!isHalted(state)) return { rejection: "NOT_HALTED", message: "there is nothing to retry" };
      return goingOn(state, { type: "Retried", data: {} }, input.cause);
    case "RecordOutcome": {
      const { key: answered, outcome } = input;
      if (pending?.key !== answered) return [];
      if (outcome.is === "accepted")
        return goingOn(state, { type: "Accepted", data: { key: answered } }, pending.cause);
      return goingOn(state, { type: "Refused", data: { key: answered, ...outcome } }, pending.cause);
    }
  }
}

function goingOn(state: Transfer, event: TransferEvent, cause: string): TransferEvent[] {
  const now = evolve(state, event);
  const { asked, approvals, isOverdue, done, pending, refused, ended } = now;
  if (asked === undefined || pending !== undefined || ended !== undefined || isHalted(now)) return [event];
  const ends = (as: DataOf<"Ended">["as"]): TransferEvent[] => [event, { type: "Ended", data: { as } }];
  const asks = (step: TransferRequest["step"], purse: string): TransferEvent[] => {
    const request = { step, purse, coins: asked.coins };
    return [event, { type: "Intended", data: { key: `${cause}:${step}`, cause, request } }];
  };
  if (refused !== undefined) return ends("refused");
  if (done === undefined) return asks("take", asked.from);
  if (done === "add") return ends("paid");
  if (done === "give-back") return ends("given back");
  if (isOverdue) return asks("give-back", asked.from);
  return approvals.length > 0 ? asks("add", asked.to) : [event];
}

export function isHalted({ refused }: Transfer): boolean {
  return refused !== undefined && (refused.is === "failed" || refused.code !== "NOT_ENOUGH");
}

function evolve(state: Transfer, event: TransferEvent): Transfer {
  const { pending } = state;
  switch (event.type) {
    case "Asked":
      return { ...state, asked: event.data };
    case "Approved":
      return { ...state, approvals: [...state.approvals, event.data.by] };
    case "DeadlinePassed":
      return { ...state, isOverdue: true };
    case "Retried":
      return { ...state, refused: undefined };
    case "Intended":
      return { ...state, pending: event.data };
    case "Accepted":
      return pending === undefined ? state : { ...state, pending: undefined, done: pending.request.step };
    case "Refused":
      if (pending === undefined) return state;
      return { ...state, pending: undefined, refused: { ...event.data, request: pending.request } };
    case "Ended":
      return { ...state, ended: event.data.as };
  }
}
