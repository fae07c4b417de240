/** A small aggregate for tests of the engine, which knows no order. */
import { z } from "zod";
import type { Aggregate } from "../../../engine/commands/aggregate.ts";

export type AccountEvent =
  | { readonly type: "Opened"; readonly data: { readonly owner: string } }
  | { readonly type: "Deposited"; readonly data: { readonly amount: number } }
  | { readonly type: "Unlisted"; readonly data: object };

export type AccountCommand =
  | { readonly type: "Open"; readonly owner: string }
  /** One event for each amount. */
  | { readonly type: "Deposit"; readonly amounts: readonly number[] }
  | { readonly type: "EmitUnlisted" };

export interface Account {
  readonly owner?: string;
  readonly balance: number;
  /** How often evolve was called. */
  readonly seen: number;
}

export interface AccountRejection {
  readonly rejection: "NOT_OPEN" | "ALREADY_OPEN";
  readonly message: string;
}

export const account: Aggregate<Account, AccountCommand, AccountEvent, AccountRejection> = {
  category: "account",
  eventTypes: {
    Opened: { version: 1, schema: z.strictObject({ owner: z.string().min(1) }) },
    Deposited: {
      version: 2,
      schema: z.strictObject({ amount: z.int().min(1) }),
      // Version 1 called it `cents`.
      upcasters: [(data) => ({ amount: z.object({ cents: z.int() }).parse(data).cents })],
    },
  },
  decider: {
    initialState: { balance: 0, seen: 0 },
    evolve(state, event) {
      const seen = state.seen + 1;
      switch (event.type) {
        case "Opened":
          return { ...state, owner: event.data.owner, seen };
        case "Deposited":
          return { ...state, balance: state.balance + event.data.amount, seen };
        case "Unlisted":
          return { ...state, seen };
      }
    },
    decide(state, command) {
      switch (command.type) {
        case "Open":
          if (state.owner !== undefined) return { rejection: "ALREADY_OPEN", message: "it is open" };
          return [{ type: "Opened", data: { owner: command.owner } }];
        case "Deposit":
          if (state.owner === undefined) return { rejection: "NOT_OPEN", message: "open it first" };
          return command.amounts.map((amount) => ({ type: "Deposited" as const, data: { amount } }));
        case "EmitUnlisted":
          return [{ type: "Unlisted", data: {} }];
      }
    },
  },
};
