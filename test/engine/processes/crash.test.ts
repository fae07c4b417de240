/** A process whose invocation ends at every read and every append there is, before and after it, and is told the same again. */
import { describe, expect, it } from "vitest";
import { goThrough, type Scenario, scenarios } from "./scenarios.ts";
import type { TransferCase, Word } from "./transfers-against-store.ts";
import { useTransfers } from "./use-transfers.ts";
import { KilledError, killedAt, WatchedStore } from "./watched-store.ts";

describe("a process that is killed", () => {
  const used = useTransfers();

  /** How many calls of the store the whole scenario takes. */
  async function callsOf(scenario: Scenario): Promise<number> {
    const store = new WatchedStore(used.transfers.store);
    await goThrough(used.transfers, scenario, (transfer, word) => used.transfers.tell(transfer, word, { store }));
    return store.calls.length;
  }

  /** The scenario, killed once: `afterwards` says what is told after the kill, with the word that was being told. */
  async function killedOnce(
    scenario: Scenario,
    when: "before" | "after",
    call: number,
    afterwards: (transfer: TransferCase, word: Word) => Promise<unknown>,
  ): Promise<{ transfer: TransferCase; kills: number }> {
    let kills = 0;
    const store = new WatchedStore(
      used.transfers.store,
      killedAt(when, ({ number }) => number === call),
    );
    const transfer = await goThrough(used.transfers, scenario, async (each, word) => {
      try {
        await used.transfers.tell(each, word, { store });
      } catch (error) {
        if (!(error instanceof KilledError)) throw error;
        kills += 1;
        await afterwards(each, word);
      }
    });
    return { transfer, kills };
  }

  describe.each(Object.entries(scenarios))("where it is %s", (_, scenario) => {
    it.each(["before", "after"] as const)(
      "%s any call, and is told the same again, has done each thing once",
      async (when) => {
        const calls = await callsOf(scenario);
        expect(calls).toBeGreaterThan(3);
        for (let call = 0; call < calls; call += 1) {
          const { transfer, kills } = await killedOnce(scenario, when, call, (each, word) =>
            used.transfers.tell(each, word),
          );
          expect({ call, kills, ...(await used.transfers.streams(transfer)) }).toStrictEqual({
            call,
            kills: 1,
            ...scenario.ends,
          });
        }
      },
    );
  });

  it.each(["before", "after"] as const)("%s any call goes on with whatever it is told next", async (when) => {
    const { paid } = scenarios;
    if (paid === undefined) throw new Error("There is no such scenario.");
    const calls = await callsOf(paid);
    for (let call = 0; call < calls; call += 1) {
      const { transfer } = await killedOnce(paid, when, call, async (each, word) => {
        await used.transfers.tell(each, word === "ask" ? "approve" : "ask");
        await used.transfers.tell(each, word);
      });
      const { process, from, to } = await used.transfers.streams(transfer);
      expect({ call, from, to }).toStrictEqual({ call, from: paid.ends.from, to: paid.ends.to });
      expect(process.at(-1)).toStrictEqual({ type: "Ended", data: { as: "paid" } });
    }
  });

  it("between a request and its outcome asks once more for the same, at the cost of one read", async () => {
    const transfer = await used.transfers.prepared();
    const killed = new WatchedStore(
      used.transfers.store,
      killedAt("before", ({ what }) => what.endsWith(": Accepted")),
    );
    await expect(used.transfers.tell(transfer, "ask", { store: killed })).rejects.toThrow(KilledError);
    const store = new WatchedStore(used.transfers.store);
    await used.transfers.tell(transfer, "ask", { store });
    expect(store.calls).toStrictEqual([
      `read transfer-${transfer.id}`,
      `read purse-${transfer.from}`,
      `append transfer-${transfer.id}: Accepted`,
    ]);
  });
});
