/** A purse of coins, for tests of processes: it takes and gives coins, each an event, and refuses what it does not have. */
import { z } from "zod";
import type { Aggregate } from "../../../engine/commands/aggregate.ts";
import type { EventOf } from "../../../engine/event-store/event-types.ts";

const coin = z.strictObject({ coin: z.int().min(1) });

const purseEventTypes = {
  Bought: { version: 1, schema: z.strictObject({}) },
  CoinAdded: { version: 1, schema: coin },
  CoinTaken: { version: 1, schema: coin },
};

export type PurseEvent = EventOf<typeof purseEventTypes>;

/** Whether a coin is one at all is left to the schema of the events: a coin of 0 is a fault in the code. */
export type PurseCommand =
  | { readonly type: "Buy"; readonly coins: readonly number[] }
  | { readonly type: "Add"; readonly coins: readonly number[] }
  | { readonly type: "Take"; readonly coins: readonly number[] };

export interface Purse {
  /** What is in it; undefined before it was bought. */
  readonly sum?: number;
}

export interface PurseRejection {
  readonly rejection: "NO_PURSE" | "PURSE_EXISTS" | "NOT_ENOUGH";
  readonly message: string;
}

export const purse: Aggregate<Purse, PurseCommand, PurseEvent, PurseRejection> = {
  category: "purse",
  eventTypes: purseEventTypes,
  decider: {
    initialState: {},
    evolve({ sum = 0 }, event) {
      switch (event.type) {
        case "Bought":
          return { sum };
        case "CoinAdded":
          return { sum: sum + event.data.coin };
        case "CoinTaken":
          return { sum: sum - event.data.coin };
      }
    },
    decide({ sum }, { type, coins }) {
      if (type === "Buy") {
        if (sum !== undefined) return { rejection: "PURSE_EXISTS", message: "it was bought" };
        return [{ type: "Bought", data: {} }, ...coins.map(added)];
      }
      if (sum === undefined) return { rejection: "NO_PURSE", message: "buy it first" };
      if (type === "Add") return coins.map(added);
      if (coins.reduce((total, coin) => total + coin, 0) > sum) {
        return { rejection: "NOT_ENOUGH", message: `there is ${sum} in it` };
      }
      return coins.map(taken);
    },
  },
};

export const added = (value: number): PurseEvent => ({ type: "CoinAdded", data: { coin: value } });
export const taken = (value: number): PurseEvent => ({ type: "CoinTaken", data: { coin: value } });
