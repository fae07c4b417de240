/** What a process does when all goes well, when it is refused, and when it is told once more; the order of what it does. */
import { describe, expect, it } from "vitest";
import { approveBy } from "./transfer-manager.ts";
import { scenarios, goThrough } from "./scenarios.ts";
import { errorsLoggedTo, toldBy } from "./transfers-against-store.ts";
import { useTransfers } from "./use-transfers.ts";
import { WatchedStore } from "./watched-store.ts";

describe("a process", () => {
  const used = useTransfers();

  it.each(Object.entries(scenarios))("that is %s has done each thing once", async (_, scenario) => {
    const { transfers } = used;
    const transfer = await goThrough(transfers, scenario, (each, word) => transfers.tell(each, word));
    expect(await transfers.streams(transfer)).toStrictEqual(scenario.ends);
  });

  it("records the intent before it sends a request, and how it ended afterwards, with the next intent", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    const { id, from, to } = transfer;
    const store = new WatchedStore(transfers.store);
    await transfers.tell(transfer, "approve", { store });
    await transfers.tell(transfer, "ask", { store });
    expect(store.calls).toStrictEqual([
      `read transfer-${id}`,
      `append transfer-${id}: Approved`,
      `read transfer-${id}`,
      `append transfer-${id}: Asked, Intended`,
      `read purse-${from}`,
      `append purse-${from}: CoinTaken, CoinTaken`,
      `append transfer-${id}: Accepted, Intended`,
      `read purse-${to}`,
      `append purse-${to}: CoinAdded, CoinAdded`,
      `append transfer-${id}: Accepted, Ended`,
    ]);
  });

  it.each(Object.entries(scenarios))(
    "that is %s is told all of it again: one read each, nothing else",
    async (_, scenario) => {
      const { transfers } = used;
      const transfer = await goThrough(transfers, scenario, (each, word) => transfers.tell(each, word));
      const words = scenario.steps.filter((step) => step !== "buy the other purse");
      for (const word of words) {
        const store = new WatchedStore(transfers.store);
        expect(await transfers.tell(transfer, word, { store })).toMatchObject({
          outcome: "accepted",
          effect: "repeated",
        });
        expect(store.calls).toStrictEqual([`read transfer-${transfer.id}`]);
      }
      expect(await transfers.streams(transfer)).toStrictEqual(scenario.ends);
    },
  );

  it("that has ended is moved by nothing that comes late", async () => {
    const { transfers } = used;
    const { paid } = scenarios;
    if (paid === undefined) throw new Error("There is no such scenario.");
    const transfer = await goThrough(transfers, paid, (each, word) => transfers.tell(each, word));
    const store = new WatchedStore(transfers.store);
    expect(await transfers.tell(transfer, "deadline", { store })).toMatchObject({ effect: "unchanged" });
    expect(store.calls).toStrictEqual([`read transfer-${transfer.id}`]);
    expect(await transfers.streams(transfer)).toStrictEqual(paid.ends);
  });

  it("that is halted says so once in the log, and waits, whatever it is told", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared({ missing: true });
    const lines: Record<string, unknown>[] = [];
    const log = errorsLoggedTo(lines);
    for (const word of ["ask", "approve", "ask", "approve"] as const) await transfers.tell(transfer, word, { log });
    const other = {
      ...toldBy(transfer, "approve"),
      key: "Bob",
      input: { type: "Approve", by: "Bob", cause: "Bob" },
    } as const;
    const store = new WatchedStore(transfers.store);
    await transfers.tellAs(transfer, other, { log, store });
    expect(store.calls).toStrictEqual([`read transfer-${transfer.id}`, `append transfer-${transfer.id}: Approved`]);
    expect(lines.map(({ msg, process, reason, level }) => ({ msg, process, reason, level }))).toStrictEqual([
      { msg: "process halted", process: `transfer-${transfer.id}`, reason: "NO_PURSE", level: "error" },
    ]);
  });

  it("that is retried before its cause is mended halts again, under a key of its own", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared({ missing: true });
    for (const word of ["ask", "approve", "retry"] as const) await transfers.tell(transfer, word);
    const refused = (cause: string) => ({
      type: "Refused",
      data: { key: `${cause}:add`, is: "refused", code: "NO_PURSE", message: "buy it first" },
    });
    const outcomes = (await transfers.streams(transfer)).process.filter(({ type }) => type === "Refused");
    expect(outcomes).toStrictEqual([refused("approve"), refused("retry")]);
  });
});

describe("what a process answers to the one who tells it", () => {
  const used = useTransfers();

  it("is that it was accepted, at the revision of what it was told, not of what followed", async () => {
    const transfer = await used.transfers.prepared();
    expect(await used.transfers.tell(transfer, "ask")).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 1n,
    });
    expect(await used.transfers.events(`transfer-${transfer.id}`)).toHaveLength(3);
  });

  it("is its own refusal, recorded nowhere", async () => {
    const transfer = await used.transfers.prepared();
    await used.transfers.tell(transfer, "ask");
    const before = await used.transfers.streams(transfer);
    expect(await used.transfers.tell(transfer, "retry")).toStrictEqual({
      outcome: "rejected",
      rejection: { rejection: "NOT_HALTED", message: "there is nothing to retry" },
    });
    expect(await used.transfers.streams(transfer)).toStrictEqual(before);
  });

  it("is that the key stands for something else, where a digest tells so; without one the key alone counts", async () => {
    const transfer = await used.transfers.prepared();
    const told = { ...toldBy(transfer, "ask"), digest: "one" };
    expect(await used.transfers.tellAs(transfer, told)).toMatchObject({ effect: "changed" });
    expect(await used.transfers.tellAs(transfer, told)).toMatchObject({ effect: "repeated" });
    expect(await used.transfers.tellAs(transfer, { ...told, digest: "another" })).toStrictEqual({
      outcome: "key-reused",
    });

    const approve = toldBy(transfer, "approve");
    expect(await used.transfers.tellAs(transfer, approve)).toMatchObject({ effect: "changed" });
    const input = { type: "PassDeadline", dueAt: approveBy, cause: "deadline" } as const;
    expect(await used.transfers.tellAs(transfer, { ...approve, input })).toMatchObject({ effect: "repeated" });
  });

  it("is that a required revision is not there", async () => {
    const transfer = await used.transfers.prepared();
    await used.transfers.tell(transfer, "ask");
    const approve = toldBy(transfer, "approve");
    const requiring = (revision: bigint) =>
      used.transfers.tellAs(transfer, { ...approve, precondition: { requires: "revision", anyOf: [revision] } });
    expect(await requiring(1n)).toStrictEqual({ outcome: "precondition-failed", actual: 2n });
    expect(await requiring(2n)).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 4n });
  });
});
