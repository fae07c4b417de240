/** Many invocations that tell one process at the same time, and streams that others change all the time. */
import { describe, expect, it } from "vitest";
import { ProcessBusyError } from "../../../engine/processes/advance.ts";
import { scenarios } from "./scenarios.ts";
import type { Streams, TransferCase, Word } from "./transfers-against-store.ts";
import { useTransfers } from "./use-transfers.ts";
import { WatchedStore } from "./watched-store.ts";

const eight = Array.from({ length: 8 }, (_, index) => index);

describe("a process that many invocations tell at once", () => {
  const used = useTransfers();

  /** All at once; one that finds the process busy is told again, as its event would be delivered again. */
  async function tellAtOnce(transfer: TransferCase, words: readonly Word[]): Promise<void> {
    const told = await Promise.allSettled(words.map((word) => used.transfers.tell(transfer, word)));
    for (const [index, one] of told.entries()) {
      if (one.status === "fulfilled") continue;
      expect(one.reason).toBeInstanceOf(ProcessBusyError);
      const word = words[index];
      if (word !== undefined) await used.transfers.tell(transfer, word);
    }
  }

  it("the same has done each thing once", async () => {
    const transfer = await used.transfers.prepared();
    await tellAtOnce(
      transfer,
      eight.map(() => "ask" as const),
    );
    await tellAtOnce(
      transfer,
      eight.map(() => "approve" as const),
    );
    expect(await used.transfers.streams(transfer)).toStrictEqual(scenarios.paid?.ends);
  });

  it("different things that exclude each other ends in one way, and no coin is lost or made", async () => {
    const sum = ({ from, to }: Streams): number[] =>
      [from, to].map((facts) =>
        facts.reduce((total, { type, data }) => {
          const { coin = 0 } = data as { coin?: number };
          return type === "CoinTaken" ? total - coin : total + coin;
        }, 0),
      );
    const ends = new Map<unknown, number[]>([
      ["paid", [2, 3]],
      ["given back", [5, 0]],
    ]);
    for (let round = 0; round < 12; round += 1) {
      const transfer = await used.transfers.prepared();
      await tellAtOnce(transfer, ["ask", "approve", "deadline", "ask", "approve", "deadline"]);
      // A deadline that was told before there was one counts for nothing: it is read from a view and told again.
      await used.transfers.tell(transfer, "deadline");
      const streams = await used.transfers.streams(transfer);
      const [ended, ...others] = streams.process.filter(({ type }) => type === "Ended");
      expect(others).toStrictEqual([]);
      expect(sum(streams)).toStrictEqual(ends.get((ended?.data as { as?: string } | undefined)?.as));
    }
  });

  it("and whose stream is changed before each of its appends says that it is busy, and goes on when told again", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    let others = 0;
    const busy = new WatchedStore(transfers.store, {
      async before({ what }) {
        if (!what.startsWith(`append transfer-${transfer.id}`)) return;
        others += 1;
        const by = `somebody ${others}`;
        const told = { input: { type: "Approve", by, cause: by }, key: by, origin: { correlationId: by } } as const;
        await transfers.tellAs(transfer, told);
      },
    });
    const told = transfers.tell(transfer, "ask", { store: busy });
    await expect(told).rejects.toThrow(ProcessBusyError);
    await expect(told).rejects.toThrow(`transfer-${transfer.id} is changed by others all the time: tell it again`);
    expect(others).toBeGreaterThan(3);
    expect((await transfers.streams(transfer)).from).toHaveLength(2);

    await transfers.tell(transfer, "ask");
    expect(await transfers.streams(transfer)).toMatchObject({
      from: scenarios.paid?.ends.from,
      to: scenarios.paid?.ends.to,
    });
  });

  it("and whose request meets changes by others at each try records no outcome, and asks again when told again", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    const busy = new WatchedStore(transfers.store, {
      async before({ what }) {
        if (what.startsWith(`append purse-${transfer.from}`))
          await transfers.change(transfer.from, { type: "Add", coins: [1] });
      },
    });
    await expect(transfers.tell(transfer, "ask", { store: busy })).rejects.toThrow(
      /request ask:take met changes by others at each of \d+ tries/,
    );
    const types = async (): Promise<string[]> => (await transfers.streams(transfer)).process.map(({ type }) => type);
    expect(await types()).toStrictEqual(["Asked", "Intended"]);
    await transfers.tell(transfer, "ask");
    expect(await types()).toStrictEqual(["Asked", "Intended", "Accepted"]);
    const taken = (await transfers.streams(transfer)).from.filter(({ type }) => type === "CoinTaken");
    expect(taken).toHaveLength(2);
  });
});
