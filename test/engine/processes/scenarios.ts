/** Ways that a transfer can go, each from its beginning to its end, and what then is in the three streams. */
import { added, taken } from "./purse.ts";
import { approveBy } from "./transfer-manager.ts";
import type { Fact, Streams, TransferCase, Transfers, Word } from "./transfers-against-store.ts";

export interface Scenario {
  readonly coins?: number[];
  /** The purse that the coins are to go to is bought only when it is said so. */
  readonly missing?: boolean;
  readonly steps: readonly (Word | "buy the other purse")[];
  readonly ends: Streams;
}

const asked = (coins: readonly number[]): Fact => ({
  type: "Asked",
  data: { from: "x.from", to: "x.to", coins, approveBy, correlationId: "request to ask" },
});
const approved: Fact = { type: "Approved", data: { by: "Ada" } };
const intended = (cause: string, step: string, coins: readonly number[]): Fact => ({
  type: "Intended",
  data: { key: `${cause}:${step}`, cause, request: { step, purse: step === "add" ? "x.to" : "x.from", coins } },
});
const accepted = (key: string): Fact => ({ type: "Accepted", data: { key } });
const refused = (key: string, code: string, message: string): Fact => ({
  type: "Refused",
  data: { key, is: "refused", code, message },
});
const ended = (as: string): Fact => ({ type: "Ended", data: { as } });

const bought: Fact = { type: "Bought", data: {} };
const full = [bought, added(5)];
const coins = [2, 1];
const isTaken = [asked(coins), intended("ask", "take", coins), accepted("ask:take")];
const without = [...full, taken(2), taken(1)];
const withThem = [bought, added(2), added(1)];

export const scenarios: Readonly<Record<string, Scenario>> = {
  paid: {
    steps: ["ask", "approve"],
    ends: {
      process: [...isTaken, approved, intended("approve", "add", coins), accepted("approve:add"), ended("paid")],
      from: without,
      to: withThem,
    },
  },
  "approved before it was asked for": {
    steps: ["approve", "ask"],
    ends: {
      process: [approved, ...isTaken, intended("ask", "add", coins), accepted("ask:add"), ended("paid")],
      from: without,
      to: withThem,
    },
  },
  "refused for want of coins": {
    coins: [2, 4],
    steps: ["ask"],
    ends: {
      process: [
        asked([2, 4]),
        intended("ask", "take", [2, 4]),
        refused("ask:take", "NOT_ENOUGH", "there is 5 in it"),
        ended("refused"),
      ],
      from: full,
      to: [bought],
    },
  },
  "given back": {
    steps: ["ask", "deadline"],
    ends: {
      process: [
        ...isTaken,
        { type: "DeadlinePassed", data: { dueAt: approveBy } },
        intended("deadline", "give-back", coins),
        accepted("deadline:give-back"),
        ended("given back"),
      ],
      from: [...without, added(2), added(1)],
      to: [bought],
    },
  },
  "halted and retried": {
    missing: true,
    steps: ["ask", "approve", "buy the other purse", "retry"],
    ends: {
      process: [
        ...isTaken,
        approved,
        intended("approve", "add", coins),
        refused("approve:add", "NO_PURSE", "buy it first"),
        { type: "Retried", data: {} },
        intended("retry", "add", coins),
        accepted("retry:add"),
        ended("paid"),
      ],
      from: without,
      to: withThem,
    },
  },
};

/** Goes through the steps; each word is told by `tell`. */
export async function goThrough(
  transfers: Transfers,
  { coins, missing, steps }: Scenario,
  tell: (transfer: TransferCase, word: Word) => Promise<unknown>,
): Promise<TransferCase> {
  const transfer = await transfers.prepared({
    ...(coins === undefined ? {} : { coins }),
    ...(missing === undefined ? {} : { missing }),
  });
  for (const step of steps) {
    if (step === "buy the other purse") await transfers.buy(transfer.to);
    else await tell(transfer, step);
  }
  return transfer;
}
