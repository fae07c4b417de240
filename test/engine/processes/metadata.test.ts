/** What every event that a process causes says about where it comes from. */
import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { useTransfers } from "./use-transfers.ts";
import { killedAt, WatchedStore } from "./watched-store.ts";

describe("the events that a process causes", () => {
  const used = useTransfers();

  const toldOf = ({ type, metadata }: StoredEvent): unknown => ({
    type,
    correlation: metadata.$correlationId,
    causation: metadata.$causationId,
    actor: metadata.actor,
    key: metadata.idempotencyKey,
    trace: metadata.traceparent?.slice(-19),
    version: metadata.schemaVersion,
  });

  it("name the request that started it, what each was caused by, and the process", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    await transfers.tell(transfer, "ask");
    await transfers.tell(transfer, "approve");
    const asked = { correlation: "request to ask", causation: "ask", actor: "transfers", version: 1 } as const;
    const byAsk = { ...asked, trace: "b7ad6b7169203331-01" };
    const byApprove = { ...asked, causation: "approve", trace: "b7ad6b7169203332-01" };
    expect((await transfers.events(`transfer-${transfer.id}`)).map(toldOf)).toStrictEqual([
      // It did not know yet who started it, and the one who told it is the one.
      { ...byAsk, type: "Asked", key: "ask" },
      { ...byAsk, type: "Intended", key: "ask" },
      { ...byAsk, type: "Accepted", key: "→ ask:take:accepted" },
      { ...byApprove, type: "Approved", key: "approve" },
      { ...byApprove, type: "Intended", key: "approve" },
      { ...byApprove, type: "Accepted", key: "→ approve:add:accepted" },
      { ...byApprove, type: "Ended", key: "→ approve:add:accepted" },
    ]);
    expect((await transfers.events(`purse-${transfer.from}`)).slice(2).map(toldOf)).toStrictEqual([
      { ...byAsk, type: "CoinTaken", key: "→ ask:take" },
      { ...byAsk, type: "CoinTaken", key: "→ ask:take" },
    ]);
    expect((await transfers.events(`purse-${transfer.to}`)).slice(1).map(toldOf)).toStrictEqual([
      { ...byApprove, type: "CoinAdded", key: "→ approve:add" },
      { ...byApprove, type: "CoinAdded", key: "→ approve:add" },
    ]);
  });

  it("that are sent by a later invocation still name what caused them, not what that one was told", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    const store = new WatchedStore(
      transfers.store,
      killedAt("before", ({ what }) => what.startsWith("read purse-")),
    );
    await expect(transfers.tell(transfer, "ask", { store })).rejects.toThrow();
    await transfers.tell(transfer, "approve");
    const [taken] = (await transfers.events(`purse-${transfer.from}`)).slice(2);
    expect(taken?.metadata).toMatchObject({ $correlationId: "request to ask", $causationId: "ask" });
  });
});
