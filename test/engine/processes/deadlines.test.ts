/** Deadlines, as a view names them that may be behind, name one twice, or name one that was met. */
import { describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { type DueDeadline, fireDeadlines, type FiredDeadlines } from "../../../engine/processes/deadlines.ts";
import { scenarios } from "./scenarios.ts";
import { approveBy, transferManager } from "./transfer-manager.ts";
import type { TransferInput } from "./transfer.ts";
import { errorsLoggedTo, type TransferCase } from "./transfers-against-store.ts";
import { useTransfers } from "./use-transfers.ts";
import { type Around, WatchedStore } from "./watched-store.ts";

describe("deadlines that are due", () => {
  const used = useTransfers();

  const dueOf = ({ id }: TransferCase): DueDeadline<TransferInput> => ({
    id,
    input: { type: "PassDeadline", dueAt: approveBy, cause: "deadline" },
    key: `approval:${approveBy}`,
  });

  async function fire(
    transfers: readonly TransferCase[],
    around: Around = {},
  ): Promise<FiredDeadlines & { readonly logged: unknown[] }> {
    const store = new WatchedStore(used.transfers.store, around);
    const lines: Record<string, unknown>[] = [];
    const context = { eventStore: store, log: errorsLoggedTo(lines) };
    async function* due(): AsyncGenerator<DueDeadline<TransferInput>> {
      for (const transfer of transfers) yield await Promise.resolve(dueOf(transfer));
    }
    const fired = await fireDeadlines(context, transferManager(store), due());
    return { ...fired, logged: lines.map(({ msg, process }) => ({ msg, process })) };
  }

  const asked = async (): Promise<TransferCase> => {
    const transfer = await used.transfers.prepared();
    await used.transfers.tell(transfer, "ask");
    return transfer;
  };

  it("fire once, named twice, at every run, and by two runs at once", async () => {
    const transfer = await asked();
    await Promise.all([fire([transfer, transfer]), fire([transfer])]);
    expect(await fire([transfer])).toStrictEqual({ told: 1, failed: 0, logged: [] });
    expect(await used.transfers.streams(transfer)).toStrictEqual(scenarios["given back"]?.ends);
    const passed = (await used.transfers.events(`transfer-${transfer.id}`)).find(
      ({ type }) => type === "DeadlinePassed",
    );
    const key = dueOf(transfer).key;
    expect(passed?.metadata).toMatchObject({ idempotencyKey: `→ ${key}`, $causationId: key, actor: "transfers" });
  });

  it("have no effect where they were met meanwhile, or are not the ones that run", async () => {
    const met = await asked();
    await used.transfers.tell(met, "approve");
    const neverAsked = await used.transfers.prepared();
    expect(await fire([met, neverAsked])).toStrictEqual({ told: 2, failed: 0, logged: [] });
    expect(await used.transfers.streams(met)).toStrictEqual(scenarios.paid?.ends);
    expect((await used.transfers.streams(neverAsked)).process).toStrictEqual([]);
  });

  it("that cannot be told are counted and left to the next run, and hold back no other", async () => {
    const [one, two] = [await asked(), await asked()];
    const around: Around = {
      before({ what }) {
        if (what === `append purse-${one.from}: CoinAdded, CoinAdded`)
          throw new EventStoreUnavailableError("no answer");
      },
    };
    expect(await fire([one, two], around)).toStrictEqual({
      told: 1,
      failed: 1,
      logged: [{ msg: "deadline not told", process: one.id }],
    });
    expect(await used.transfers.streams(two)).toStrictEqual(scenarios["given back"]?.ends);
    expect(await fire([one])).toStrictEqual({ told: 1, failed: 0, logged: [] });
    expect(await used.transfers.streams(one)).toStrictEqual(scenarios["given back"]?.ends);
  });
});
