/** An event that nobody can take, in the whole system: what a person sees of it on the command line, and does about it. */
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { StartedSystem } from "./started-system.ts";

const listSchema = z.object({
  quarantined: z.array(
    z.object({
      subject: z.string(),
      stream: z.string(),
      revision: z.string(),
      waitingTo: z.string(),
      attempts: z.int(),
      lastError: z.string(),
      event: z.object({ type: z.string(), data: z.unknown() }).optional(),
    }),
  ),
});

const order = {
  customerId: "VINET",
  lines: [{ productId: "11", quantity: 1, unitPrice: { amount: 100, currency: "USD" }, discountPercent: 0 }],
};
/** All that reads orders. */
const readers = [
  "customer-account",
  "order-summary",
  "orders-by-customer",
  "process-order-to-cash",
  "product-sales",
  "sales-by-month",
];

describe.runIf(process.env["TIDEMARK_PROOF"] === "1")("an event that nobody can take", () => {
  let system: StartedSystem;
  let client: EventStoreDBClient;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
    client = EventStoreDBClient.connectionString(system.eventStoreConnectionString);
  }, 120_000);

  afterAll(async () => {
    await client.dispose();
    await system.remove();
  });

  const place = (orderId: string): Promise<number> =>
    fetch(`${system.url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...order, orderId }),
    }).then(({ status }) => status);
  const statusOf = (path: string): Promise<number> => fetch(system.url + path).then(({ status }) => status);
  const list = async (...words: string[]) => {
    const { stdout } = await system.tidemark("quarantine", "list", ...words, "--json");
    return listSchema.parse(JSON.parse(stdout)).quarantined;
  };
  const told = async (...words: string[]): Promise<{ code: number | null; lines: string[] }> => {
    const { code, stdout, stderr } = await system.tidemark("quarantine", ...words);
    return { code, lines: (stdout + stderr).trim().split("\n") };
  };

  it("is quarantined by all that read it, and they go on with everything else", async () => {
    expect(await told("list")).toStrictEqual({ code: 0, lines: ["nothing is quarantined"] });
    await client.appendToStream("order-bad", [
      jsonEvent({ type: "OrderPlaced", data: { orderId: "bad" } }),
      jsonEvent({ type: "OrderConfirmed", data: { orderId: "bad" } }),
    ]);
    expect(await place("good")).toBe(201);
    await expect
      .poll(async () => (await list()).map(({ subject }) => subject).sort(), { timeout: 60_000, interval: 500 })
      .toStrictEqual(readers);
    await expect.poll(() => statusOf("/orders/good")).toBe(200);
    for (const { stream, revision, attempts } of await list()) {
      expect({ stream, revision, attempts }).toStrictEqual({ stream: "order-bad", revision: "0", attempts: 6 });
    }
    // It stays so after everything was killed: what was given up was acknowledged.
    for (const name of ["functions", "subscriber"]) await system.kill(name);
    expect((await list()).length).toBe(readers.length);
  }, 120_000);

  it("is shown with what was wrong, and a redrive that cannot mend it says so", async () => {
    const { code, stdout } = await system.tidemark("quarantine", "show", "order-summary", "order-bad", "--json");
    expect(code).toBe(0);
    const [shown] = listSchema.parse(JSON.parse(stdout)).quarantined;
    expect(shown).toMatchObject({
      lastError: expect.stringContaining("OrderPlaced") as unknown,
      event: { type: "OrderPlaced" },
    });
    const redriven = await told("redrive", "order-summary");
    expect(redriven.code).toBe(1);
    expect(redriven.lines[0]).toMatch(/^order-summary \(\S+\) {2}order-bad still fails at revision 0: /);
    expect(await told("show", "order-summary", "order-none")).toMatchObject({
      code: 1,
      lines: ["error: order-none does not wait in order-summary: list what does"],
    });
    expect(await told("list", "orders")).toMatchObject({
      code: 1,
      lines: [
        expect.stringMatching(/^error: there is no view or process "orders": use one of order-summary, /) as unknown,
      ],
    });
  });

  it("is discarded with a reason, after which the view is what its events say", async () => {
    expect((await told("discard", "order-summary", "order-bad")).code).toBe(2);
    const checked = await system.tidemark("check", "order-summary");
    expect(checked.code).toBe(1);
    expect(checked.stdout).toContain("order-bad waits at revision 0, which is quarantined:");
    const discarded = await told("discard", "order-summary", "order-bad", "--reason", "no order at all");
    expect(discarded.lines[0]).toBe("order-summary  event 0@order-bad is left out from now on");
    // The next event is as bad.
    expect(discarded.lines[1]).toMatch(/^order-summary \(\S+\) {2}order-bad still fails at revision 1: /);
    await told("discard", "order-summary", "order-bad", "--reason", "nor is this");
    expect((await list("order-summary")).length).toBe(0);
    expect((await system.tidemark("check", "order-summary")).stdout).toContain("order-summary: agrees with its events");
    expect((await list()).length).toBe(readers.length - 1);
  });
});
