/** A batch of events for many processes: each is told in order, and one that fails holds back no other. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { processBatch } from "../../../engine/processes/process-batch.ts";
import { scenarios } from "./scenarios.ts";
import { type TellerEvent, type TransferManager, transferManager } from "./transfer-manager.ts";
import { errorsLoggedTo, type TransferCase } from "./transfers-against-store.ts";
import { useTransfers } from "./use-transfers.ts";
import { type Around, WatchedStore } from "./watched-store.ts";

describe("a batch for processes", () => {
  const used = useTransfers();

  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  /** As the teller's stream holds them: data of any shape, so that a test can have wrong ones. */
  async function recorded(
    events: readonly { type: string; data: unknown; version?: number }[],
  ): Promise<StoredEvent[]> {
    const { store } = used.transfers;
    const stream = `teller-${randomUUID()}`;
    const metadata = { $correlationId: "request at the teller", traceparent };
    await store.append(
      stream,
      "no_stream",
      events.map(({ type, data, version = 1 }) => ({
        id: randomUUID(),
        type,
        data,
        metadata: { ...metadata, schemaVersion: version },
      })),
    );
    return used.transfers.events(stream);
  }

  const ask = ({ id, from, to, coins }: TransferCase): TellerEvent => ({
    type: "TransferAsked",
    data: { transferId: id, from, to, coins: [...coins] },
  });
  const approve = ({ id }: TransferCase, by = "Ada"): TellerEvent => ({
    type: "TransferApproved",
    data: { transferId: id, by },
  });

  async function process(
    events: readonly StoredEvent[],
    {
      around = {},
      manager = (ordinary) => ordinary,
    }: { around?: Around; manager?: (o: TransferManager) => TransferManager } = {},
  ): Promise<{ failed: string[]; logged: unknown[]; calls: string[] }> {
    const store = new WatchedStore(used.transfers.store, around);
    const lines: Record<string, unknown>[] = [];
    const context = { eventStore: store, log: errorsLoggedTo(lines) };
    const untold = await processBatch(context, manager(transferManager(store)), events);
    return {
      failed: untold.map(({ event }) => event.revision.toString()),
      logged: lines.map(({ msg, type }) => ({ msg, type })),
      calls: store.calls,
    };
  }

  const ends = async (transfer: TransferCase): Promise<unknown> =>
    (await used.transfers.streams(transfer)).process.find(({ type }) => type === "Ended")?.data;

  it("asks in turn what many processes ask of one stream: none is refused because of another", async () => {
    const { transfers: teller } = used;
    const shared = randomUUID();
    await teller.buy(
      shared,
      Array.from({ length: 60 }, () => 1),
    );
    const transfers = await Promise.all(
      Array.from({ length: 20 }, async () => ({ ...(await teller.prepared()), from: shared, coins: [1] })),
    );
    const { calls, ...outcome } = await process(await recorded(transfers.map(ask)));
    expect(outcome).toStrictEqual({ failed: [], logged: [] });
    expect(calls.filter((call) => call.startsWith(`append purse-${shared}`))).toHaveLength(transfers.length);
  });

  it("tells many processes all that it holds, and again without any effect", async () => {
    const transfers = await Promise.all(Array.from({ length: 40 }, () => used.transfers.prepared()));
    const events = await recorded([...transfers.map(ask), ...transfers.map((transfer) => approve(transfer))]);
    expect(await process(events)).toMatchObject({ failed: [], logged: [] });
    const again = await process(events);
    expect(again).toMatchObject({ failed: [], logged: [] });
    expect(again.calls.filter((call) => call.startsWith("append"))).toStrictEqual([]);
    for (const transfer of transfers) {
      const { from, to } = await used.transfers.streams(transfer);
      expect([from, to, await ends(transfer)]).toStrictEqual([
        scenarios.paid?.ends.from,
        scenarios.paid?.ends.to,
        { as: "paid" },
      ]);
    }
  });

  it("tells one process of its events in their order, one at a time", async () => {
    const transfer = await used.transfers.prepared();
    const approvals = Array.from({ length: 12 }, (_, index) => approve(transfer, `approver ${index}`));
    await process(await recorded([...approvals, ask(transfer)]));
    const { process: facts } = await used.transfers.streams(transfer);
    expect(facts.slice(0, 13).map(({ data }) => (data as { by?: string }).by)).toStrictEqual([
      ...approvals.map(({ data }) => ("by" in data ? data.by : undefined)),
      undefined,
    ]);
  });

  it("gives the events of a process back from the first that failed on, and those of no other", async () => {
    const [one, two] = [await used.transfers.prepared(), await used.transfers.prepared()];
    const events = await recorded([approve(one, "Bob"), ask(one), ask(two), approve(one), approve(two)]);
    let isBroken = true;
    const around: Around = {
      before({ what }) {
        if (!isBroken || what !== `read purse-${one.from}`) return;
        isBroken = false;
        throw new EventStoreUnavailableError("no answer");
      },
    };
    const { failed, logged } = await process(events, { around });
    expect(failed.toSorted()).toStrictEqual(["1", "3"]);
    expect(logged).toStrictEqual([
      { msg: "process not told", type: "TransferAsked" },
      { msg: "process not told", type: "TransferApproved" },
    ]);
    expect(await ends(two)).toStrictEqual({ as: "paid" });
    const told = (await used.transfers.streams(one)).process.map(({ type }) => type);
    expect(told).toStrictEqual(["Approved", "Asked", "Intended"]);
    const back = events.filter(({ revision }) => failed.includes(revision.toString()));
    expect((await process(back)).failed).toStrictEqual([]);
    expect(await ends(one)).toStrictEqual({ as: "paid" });
  });

  it("leaves out what concerns no process, and gives back what it cannot read: an event from a later time, a damaged one", async () => {
    const [one, two] = [await used.transfers.prepared(), await used.transfers.prepared()];
    const events = await recorded([
      { type: "TellerWentHome", data: {} },
      { ...ask(one), version: 2 },
      { type: "TransferApproved", data: { transferId: 7 } },
      ask(two),
      approve(two),
    ]);
    const { failed, logged } = await process(events);
    expect(failed).toStrictEqual(["1", "2"]);
    expect(logged).toStrictEqual([
      { msg: "process not told", type: "TransferAsked" },
      { msg: "process not told", type: "TransferApproved" },
    ]);
    expect(await ends(two)).toStrictEqual({ as: "paid" });
  });

  it("takes up 16 processes at a time and no more", async () => {
    const transfers = await Promise.all(Array.from({ length: 40 }, () => used.transfers.prepared()));
    let running = 0;
    let most = 0;
    const counted = (ordinary: TransferManager): TransferManager => ({
      ...ordinary,
      async send(request, sending) {
        running += 1;
        most = Math.max(most, running);
        try {
          await new Promise((resolve) => setTimeout(resolve, 20));
          return await ordinary.send(request, sending);
        } finally {
          running -= 1;
        }
      },
    });
    expect((await process(await recorded(transfers.map(ask)), { manager: counted })).failed).toStrictEqual([]);
    expect(most).toBe(16);
  });

  it("that is empty asks the event store for nothing", async () => {
    expect(await process([])).toStrictEqual({ failed: [], logged: [], calls: [] });
  });

  it("makes each event the cause of what follows from it, and passes on the request that it came from", async () => {
    const transfer = await used.transfers.prepared();
    const [event] = await recorded([ask(transfer)]);
    if (event === undefined) throw new Error("It was recorded.");
    await process([event]);
    const { id: $causationId } = event;
    const common = { $correlationId: "request at the teller", $causationId, actor: "transfers", traceparent };
    const keys = (await used.transfers.events(`transfer-${transfer.id}`)).map(({ metadata }) => {
      expect(metadata).toMatchObject(common);
      return metadata.idempotencyKey;
    });
    const key = `→ ${$causationId}`;
    expect(keys).toStrictEqual([key, key, `${key}:take:accepted`]);
  });
});
