/** A random history: who sends which commands to which accounts, and what goes wrong meanwhile. A seed plans it again. */
import type { Random } from "../../local/eventstoredb/seeded-random.ts";
import type { AccountCommand } from "./account.ts";

export interface Sending {
  readonly account: number;
  readonly command: AccountCommand;
  readonly key?: string;
  /** The revision that it requires. */
  readonly ifMatch?: bigint;
  readonly fault?: Fault;
  /** How often it is sent while no answer comes; afterwards its outcome stays unknown. */
  readonly sends: number;
  readonly pauseMs: number;
}

/** What becomes of the client's connection while the command is under way. */
export type Fault =
  | { readonly what: "cut"; readonly direction: "requests" | "answers"; readonly afterBytes: number }
  | { readonly what: "no-answers"; readonly forMs: number };

export interface HistoryPlan {
  readonly accounts: number;
  /** For each client what it sends, one after the other. */
  readonly lanes: readonly (readonly Sending[])[];
  /** When the store is killed, if it is; it is started again at once. */
  readonly killAfterMs?: number;
}

export function planHistory(random: Random, clients: number): HistoryPlan {
  const chance = (share: number): boolean => random.next() < share;
  const accounts = random.between(1, 3);
  const lanes: Sending[][] = Array.from({ length: clients }, () => []);
  const keyed: Sending[] = [];
  let marker = 0;

  // What a body says is said by no other, so that an event tells which body it is from.
  const newBody = (): AccountCommand => {
    if (chance(0.1)) return { type: "Open", owner: `owner-${(marker += 1)}` };
    return {
      type: "Deposit",
      amounts: Array.from({ length: chance(0.05) ? 0 : random.between(1, 3) }, () => (marker += 1)),
    };
  };
  const newFault = (): Fault => {
    if (chance(0.25)) return { what: "no-answers", forMs: random.between(1, 150) };
    const direction = random.pick(["requests", "answers"] as const);
    return { what: "cut", direction, afterBytes: random.between(0, direction === "requests" ? 1_500 : 2_500) };
  };
  const manner = (): Pick<Sending, "fault" | "sends" | "pauseMs"> => ({
    sends: chance(0.7) ? 100 : 1,
    pauseMs: chance(0.5) ? 0 : random.between(0, 10),
    ...(chance(0.25) ? { fault: newFault() } : {}),
  });
  /** Most accounts are opened by several clients at once, under one key or under several. */
  const opening = (account: number, client: number): Sending => ({
    account,
    command: { type: "Open", owner: `first-owner-${account}` },
    key: chance(0.7) ? `open-${account}` : `open-${account}-${client}`,
    ...manner(),
  });
  const planned = (): Sending => {
    const earlier = keyed.length > 0 ? random.pick([keyed[0], ...keyed]) : undefined;
    const which = random.next();
    if (earlier !== undefined && which < 0.25) return { ...earlier, ...manner() };
    if (earlier !== undefined && which < 0.35) return { ...earlier, command: newBody(), ...manner() };
    const account = random.between(0, accounts - 1);
    // Without a key a resend is another command: it is sent once.
    if (which < 0.5) return { account, command: newBody(), ...manner(), sends: 1 };
    marker += 1;
    const ifMatch = chance(0.1) ? { ifMatch: BigInt(random.between(0, 5)) } : {};
    return { account, key: `key-${marker}`, command: newBody(), ...ifMatch, ...manner() };
  };

  for (const [client, lane] of lanes.entries()) {
    for (let account = 0; account < accounts; account += 1) if (chance(0.8)) lane.push(opening(account, client));
  }
  for (const round of Array.from({ length: random.between(2, 6) }).keys()) {
    for (const lane of lanes) {
      if (round > 2 && chance(0.3)) continue;
      const sending = planned();
      if (sending.key !== undefined) keyed.push(sending);
      lane.push(sending);
    }
  }
  return { accounts, lanes, ...(chance(0.2) ? { killAfterMs: random.between(0, 150) } : {}) };
}
