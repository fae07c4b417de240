/** Snapshots of customers as they are deployed: asked for by a command, taken by the function, used by the next command. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodePayload, encodeRecord } from "../../engine/delivery/event-record.ts";
import { matches } from "../../engine/delivery/filter-criteria.ts";
import { load } from "../../engine/commands/load.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { snapshotStreamOf } from "../../engine/snapshots/snapshot-stream.ts";
import { customerAggregate } from "../../functions/customer-aggregate.ts";
import { ContextApi } from "./context-api.ts";

const customers = { context: "customers", idName: "customerId", category: "customer" } as const;
const usd = (amount: number): object => ({ amount, currency: "USD" });

describe("the snapshots of a customer", () => {
  let api: ContextApi;

  beforeAll(async () => {
    api = await ContextApi.started();
  });

  afterAll(() => api.stop());

  /** What the subscriber would invoke the function for. */
  async function asking(id: string): Promise<StoredEvent[]> {
    const { subscriptions } = await import("../../functions/subscriptions.ts");
    const trigger = subscriptions((name) => name).find(({ functionName }) => functionName === "write-snapshots");
    expect(trigger?.categories).toStrictEqual(["customer"]);
    return (await api.events(customers, id)).filter((event) => matches(trigger?.filterCriteria, event));
  }

  it("are taken when a hundred events have come, and spare the next command from reading them", async () => {
    const id = "long";
    const send = async (path: string, body: object, key: string): Promise<void> => {
      const { status } = await api.send(customers, [`POST ${path}`, body], id, { headers: { "idempotency-key": key } });
      expect(status).toBeLessThan(300);
    };
    await send("/customers", { customerId: id, name: "Long", creditLimit: usd(1_000_000) }, "register");
    for (let order = 1; order < 100; order += 1) {
      await send("/customers/{customerId}/reserve-credit", { orderId: `o${order}`, amount: usd(1) }, `o${order}`);
    }

    const events = await asking(id);
    expect(events.map(({ revision }) => revision)).toStrictEqual([99n]);
    const { handler } = await import("../../functions/write-snapshots.ts");
    expect(await handler(JSON.parse(encodePayload(events.map(encodeRecord))))).toStrictEqual({ batchItemFailures: [] });
    expect((await api.store.lastEvent(snapshotStreamOf(`customer-${id}`)))?.revision).toBe(0n);

    // As an instance that has never met this customer.
    const { reading, revision, state } = await load(
      new EventStore(api.store.client),
      customerAggregate,
      `customer-${id}`,
    );
    expect({ events: reading.events, ...reading.snapshot, revision }).toStrictEqual({
      events: 0,
      snapshot: "used",
      revision: 99n,
    });
    expect(state).toMatchObject({ status: "active", reserved: { amount: 99, currency: "USD" } });
  }, 60_000);
});
