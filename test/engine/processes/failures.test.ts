/** What becomes of a process when the event store does not answer, and when a request can never be carried out. */
import { jsonEvent } from "@eventstore/db-client";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { handleCommand } from "../../../engine/commands/handle-command.ts";
import { commandDigest } from "../../../engine/commands/idempotency.ts";
import { ProcessStuckError } from "../../../engine/processes/advance.ts";
import { processKey } from "../../../engine/processes/process-manager.ts";
import { AppendTooLargeError, EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { added, purse, taken } from "./purse.ts";
import type { TransferManager } from "./transfer-manager.ts";
import { scenarios } from "./scenarios.ts";
import { errorsLoggedTo, toldBy, type TransferCase } from "./transfers-against-store.ts";
import { useTransfers } from "./use-transfers.ts";
import { killedAt, WatchedStore } from "./watched-store.ts";

describe("a process whose event store does not answer", () => {
  const used = useTransfers();

  it.each(["read purse-", "append purse-", "read transfer-", "append transfer-"])(
    "to %s is not told, records nothing of it, and goes on when told again",
    async (what) => {
      const { transfers } = used;
      const transfer = await transfers.prepared();
      const store = new WatchedStore(transfers.store, {
        before(call) {
          if (call.what.startsWith(what)) throw new EventStoreUnavailableError("no answer");
        },
      });
      await expect(transfers.tell(transfer, "ask", { store })).rejects.toThrow(EventStoreUnavailableError);
      const { process } = await transfers.streams(transfer);
      expect(process.filter(({ type }) => type === "Refused")).toStrictEqual([]);
      await transfers.tell(transfer, "ask");
      await transfers.tell(transfer, "approve");
      expect(await transfers.streams(transfer)).toStrictEqual(scenarios.paid?.ends);
    },
  );

  it("after an append whose answer is lost has had its effect, once", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    const lost = new Set<string>();
    const store = new WatchedStore(transfers.store, {
      after({ what }) {
        if (!what.startsWith("append") || lost.has(what)) return;
        lost.add(what);
        throw new EventStoreUnavailableError("the answer is lost");
      },
    });
    await transfers.tell(transfer, "ask", { store });
    await transfers.tell(transfer, "approve", { store });
    expect(lost.size).toBeGreaterThanOrEqual(5);
    expect(await transfers.streams(transfer)).toStrictEqual(scenarios.paid?.ends);
  });
});

describe("a request that can never be carried out", () => {
  const used = useTransfers();

  /** How the first request ended in the stream of the process, and what the log says. */
  async function halted(
    transfer: TransferCase,
    store = used.transfers.store,
  ): Promise<{ recorded: unknown; logged: unknown[] }> {
    const lines: Record<string, unknown>[] = [];
    const log = errorsLoggedTo(lines);
    await used.transfers.tell(transfer, "ask", { log, store });
    await used.transfers.tell(transfer, "ask", { log, store });
    const recorded = (await used.transfers.facts(`transfer-${transfer.id}`)).at(-1);
    const errorSchema = z.object({ message: z.string() });
    const logged = lines.map(({ msg, reason, err }) => [msg, reason ?? errorSchema.parse(err).message]);
    return { recorded, logged };
  }

  /** What was thrown is told to the log alone: `why` stands there. */
  const failed = (code: string, message: string, why?: unknown): unknown => ({
    recorded: { type: "Refused", data: { key: "ask:take", is: "failed", code, message } },
    logged: [...(why === undefined ? [] : [["request failed for good", why]]), ["process halted", code]],
  });

  it("because the stream it concerns is deleted for good halts the process", async () => {
    const transfer = await used.transfers.prepared();
    await used.transfers.store.client.tombstoneStream(`purse-${transfer.from}`);
    expect(await halted(transfer)).toStrictEqual(
      failed("STREAM_DELETED", "what it concerns was deleted for good", expect.stringContaining("tombstoned")),
    );
  });

  it("because the stream holds an event that nobody understands halts the process", async () => {
    const transfer = await used.transfers.prepared();
    const unknown = jsonEvent({ type: "CoinForged", data: { coin: 3 } });
    await used.transfers.store.client.appendToStream(`purse-${transfer.from}`, [unknown]);
    expect(await halted(transfer)).toStrictEqual(
      failed(
        "EVENT_NOT_UNDERSTOOD",
        "its history holds an event that this version cannot read: see the log",
        expect.stringContaining("CoinForged"),
      ),
    );
  });

  it("because of a fault in the code of the aggregate halts the process", async () => {
    const transfer = await used.transfers.prepared({ coins: [0] });
    expect(await halted(transfer)).toStrictEqual(
      failed(
        "INVALID_EVENT",
        "what was decided does not pass its own schema, a fault in the code: see the log",
        expect.stringContaining("CoinTaken"),
      ),
    );
  });

  it("because its events are too large for one append halts the process", async () => {
    const transfer = await used.transfers.prepared();
    const store = new WatchedStore(used.transfers.store, {
      before({ what }) {
        if (what.startsWith("append purse-")) throw new AppendTooLargeError("2 MiB");
      },
    });
    expect(await halted(transfer, store)).toStrictEqual(
      failed("APPEND_TOO_LARGE", "it leads to more data than one write can take", "2 MiB"),
    );
  });

  it("because its key was used for something else halts the process", async () => {
    const transfer = await used.transfers.prepared();
    const { outcome } = await handleCommand(used.transfers.store, purse, {
      id: transfer.from,
      command: { type: "Add", coins: [1] },
      origin: { correlationId: "somebody else" },
      idempotency: { key: "→ ask:take", digest: commandDigest("Add", "1") },
    });
    expect(outcome).toBe("accepted");
    expect(await halted(transfer)).toStrictEqual(
      failed("IDEMPOTENCY_KEY_REUSED", "the key ask:take was used for something else"),
    );
  });

  it("because it requires a revision, which no request should, halts the process", async () => {
    const transfer = await used.transfers.prepared();
    const manager = (ordinary: TransferManager): TransferManager => ({
      ...ordinary,
      send: () => Promise.resolve({ outcome: "precondition-failed", actual: 1n }),
    });
    await used.transfers.tell(transfer, "ask", { manager });
    const { process } = await used.transfers.streams(transfer);
    expect(process.at(-1)).toMatchObject({ type: "Refused", data: { is: "failed", code: "PRECONDITION_FAILED" } });
  });

  it("goes on after it was mended and retried", async () => {
    const transfer = await used.transfers.prepared();
    const { client } = used.transfers.store;
    const stream = `purse-${transfer.from}`;
    const forged = { type: "CoinForged", data: {} };
    await client.appendToStream(stream, [jsonEvent(forged)]);
    await used.transfers.tell(transfer, "ask");
    // Its content once more, and all truncated that comes before, with the event that nobody understands.
    const anew = [{ type: "Bought", data: {} }, added(5)].map((event) => jsonEvent(event));
    await client.appendToStream(stream, anew);
    await client.setStreamMetadata(stream, { truncateBefore: 3 });
    await used.transfers.tell(transfer, "retry");
    await used.transfers.tell(transfer, "approve");
    const { process, to } = await used.transfers.streams(transfer);
    expect(process.at(-1)).toStrictEqual({ type: "Ended", data: { as: "paid" } });
    expect(to).toStrictEqual(scenarios.paid?.ends.to);
  });

  it("is not taken for another one, whatever keys a client uses in the streams that the process writes", async () => {
    const { transfers } = used;
    const transfer = await transfers.prepared();
    const keys = ["ask", "ask:take", "ask:take:accepted", "ask:take:refused", "approve:add", "approve:add:accepted"];
    for (const [index, key] of keys.entries()) {
      const origin = { correlationId: "a client" };
      await transfers.tellAs(transfer, { input: { type: "Approve", by: `client ${index}`, cause: key }, key, origin });
      for (const id of [transfer.from, transfer.to]) {
        const idempotency = { key, digest: commandDigest("Add", key) };
        await handleCommand(transfers.store, purse, { id, command: { type: "Add", coins: [1] }, origin, idempotency });
      }
    }
    const ask = toldBy(transfer, "ask");
    expect(await transfers.tellAs(transfer, { ...ask, key: processKey("ask") })).toMatchObject({ effect: "changed" });
    const { process, from, to } = await transfers.streams(transfer);
    expect(process.at(-1)).toStrictEqual({ type: "Ended", data: { as: "paid" } });
    expect([from.slice(-2), to.slice(-2)]).toStrictEqual([
      [taken(2), taken(1)],
      [added(2), added(1)],
    ]);
  });

  it("of a manager that does not take its outcome is an error, not asked for ever", async () => {
    const transfer = await used.transfers.prepared();
    const manager = (ordinary: TransferManager): TransferManager => ({
      ...ordinary,
      outcomeInput: (key, outcome) => ({ type: "RecordOutcome", key: `not ${key}`, outcome }),
    });
    await expect(used.transfers.tell(transfer, "ask", { manager })).rejects.toThrow(
      new ProcessStuckError(`transfer-${transfer.id} was told how ask:take ended, and still waits for it`),
    );
    await used.transfers.tell(transfer, "ask");
    await used.transfers.tell(transfer, "approve");
    expect(await used.transfers.streams(transfer)).toStrictEqual(scenarios.paid?.ends);
  });

  it("and any error that is not known to last is thrown, so that the event comes again", async () => {
    const transfer = await used.transfers.prepared();
    const store = new WatchedStore(
      used.transfers.store,
      killedAt("before", ({ what }) => what.startsWith("read purse-")),
    );
    await expect(used.transfers.tell(transfer, "ask", { store })).rejects.toThrow("killed before read purse-");
  });
});
