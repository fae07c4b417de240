/** Orders on their way to cash on the real system: traced from the request to the last event, refused, halted, killed at. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { idRule } from "../../domain/kernel/ids.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { categoriesOf } from "../../engine/views/projection.ts";
import { PatientApi } from "../../local/sample-data/patient-api.ts";
import { importSale } from "../../local/sample-data/sale-import.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import { askedFor, brought, traced, type TracedEvent } from "./event-trace.ts";
import { StartedSystem, until } from "./started-system.ts";

const isProof = process.env["TIDEMARK_PROOF"] === "1";
const manyOrders = isProof ? 50 : 8;

const usd = (amount: number) => ({ amount, currency: "USD" });
const lines = [{ productId: "11", quantity: 3, unitPrice: usd(500), discountPercent: 10 }];
const total = usd(1_350);
const freight = usd(250);
const shipped = { carrier: "Speedy Express", freight, dispatchedAt: "2026-01-02T00:00:00.000Z" };

const traceparents: ReadonlyMap<string, string> = new Map(
  ["register", "place", "dispatch", "deliver", "pay"].map((request, index) => [
    `00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333${index + 1}-01`,
    request,
  ]),
);

const processSchema = z.object({
  progress: z.string(),
  ended: z.string().optional(),
  deliveredAt: z.string().optional(),
  deadline: z.object({ name: z.string() }).optional(),
  work: z.object({ state: z.string() }).optional(),
});

type Process = z.output<typeof processSchema>;

const statusSchema = z.object({
  orderToCash: z.object({ stalled: z.array(z.object({ orderId: z.string(), state: z.string(), reason: z.string() })) }),
});

const deliverySchema = z.object({
  delivery: z.object({
    subscriptions: z.array(
      z.object({
        name: z.string(),
        lag: z.object({ events: z.int(), bound: z.string(), seconds: z.number() }),
        subscriber: z.object({ connected: z.boolean(), batchesPerSecond: z.number() }).optional(),
      }),
    ),
  }),
});

describe("an order on its way to cash", () => {
  let system: StartedSystem;
  let eventStore: EventStore;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
    eventStore = EventStore.connect(system.eventStoreConnectionString);
    for (const customerId of ["HALTED", "MANY"]) await posted("/customers", registration(customerId));
  }, 120_000);

  afterAll(async () => {
    await eventStore.dispose();
    await system.remove();
  });

  const registration = (customerId: string) => ({ customerId, name: customerId, creditLimit: usd(10_000_000) });

  /** As the request of that name, if it has one. */
  async function posted(path: string, body: object, request?: string): Promise<void> {
    const traceparent = [...traceparents].find(([, name]) => name === request)?.[0];
    const headers = request === undefined ? {} : { "x-correlation-id": request, traceparent: traceparent ?? "" };
    const { status, body: answer } = await system.post(path, body, headers);
    expect([path, status < 300 ? "done" : answer]).toStrictEqual([path, "done"]);
  }

  async function processIs(orderId: string, what: string, condition: (process: Process) => boolean): Promise<void> {
    await until(`the process of ${orderId} is ${what}`, async () => {
      const process = processSchema.safeParse((await system.get(`/order-to-cash/${orderId}`)).body);
      return process.success && condition(process.data);
    });
  }

  const endsAs = (orderId: string, ending: string) =>
    processIs(orderId, `ended as ${ending}`, ({ ended }) => ended === ending);

  /** Of the streams whose name ends so. */
  async function eventsOf(...ids: readonly string[]): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const event of eventStore.readAll()) {
      const [category = "", ...id] = event.stream.split("-");
      if (!category.startsWith("$") && ids.includes(id.join("-"))) events.push(event);
    }
    return events;
  }

  it("leaves a trace from each event back to the request that brought it about", async () => {
    await posted("/customers", registration("TRACED"), "register");
    await posted("/orders", { orderId: "traced", customerId: "TRACED", lines }, "place");
    await processIs("traced", "waiting for dispatch", ({ deadline }) => deadline?.name === "dispatch");
    await posted("/shipments/traced/dispatch", shipped, "dispatch");
    await processIs("traced", "waiting for payment", ({ deadline }) => deadline?.name === "payment");
    await posted("/shipments/traced/deliver", {}, "deliver");
    await processIs("traced", "told of the delivery", ({ deliveredAt }) => deliveredAt !== undefined);
    await posted("/invoices/traced/record-payment", { amount: usd(1_600) }, "pay");
    await endsAs("traced", "completed");

    const trace = traced(await eventsOf("TRACED", "traced"), traceparents);
    const process = "orderToCash-traced";
    const accepted = (because: string, step: string, request: string, next: string): TracedEvent[] =>
      brought(because, `${because}:${step}:accepted`, request, "CommandAccepted", next);
    expect({ ...trace, [process]: sorted(trace[process]) }).toStrictEqual({
      "customer-TRACED": [
        askedFor("register", "CustomerRegistered"),
        ...brought("OrderPlaced", "OrderPlaced:reserve-credit", "place", "CreditReserved"),
        ...brought("PaymentRecorded", "PaymentRecorded:release-credit", "pay", "CreditReleased"),
      ],
      "order-traced": [
        askedFor("place", "OrderPlaced"),
        ...brought("OrderPlaced", "OrderPlaced:confirm-order", "place", "OrderConfirmed"),
        ...brought("PaymentRecorded", "PaymentRecorded:complete-order", "pay", "OrderCompleted"),
      ],
      "shipment-traced": [
        ...brought("OrderPlaced", "OrderPlaced:schedule-shipment", "place", "ShipmentScheduled"),
        askedFor("dispatch", "ShipmentDispatched"),
        askedFor("deliver", "ShipmentDelivered"),
      ],
      "invoice-traced": [
        ...brought("ShipmentDispatched", "ShipmentDispatched:issue-invoice", "dispatch", "InvoiceIssued"),
        askedFor("pay", "PaymentRecorded"),
      ],
      // What comes back from a context may be heard of before its answer is, or after.
      [process]: sorted([
        ...brought("OrderPlaced", "OrderPlaced", "place", "OrderReceived", "CommandIntended"),
        ...accepted("OrderPlaced", "reserve-credit", "place", "CommandIntended"),
        ...accepted("OrderPlaced", "confirm-order", "place", "CommandIntended"),
        ...brought("OrderPlaced", "OrderPlaced:schedule-shipment:accepted", "place", "CommandAccepted"),
        ...brought("ShipmentScheduled", "ShipmentScheduled", "place", "DispatchPlanned", "DeadlineSet"),
        ...brought("ShipmentDispatched", "ShipmentDispatched", "dispatch", "GoodsDispatched", "DeadlineLifted"),
        ...brought("ShipmentDispatched", "ShipmentDispatched", "dispatch", "CommandIntended"),
        ...brought("ShipmentDispatched", "ShipmentDispatched:issue-invoice:accepted", "dispatch", "CommandAccepted"),
        ...brought("InvoiceIssued", "InvoiceIssued", "dispatch", "InvoiceSent", "DeadlineSet"),
        ...brought("ShipmentDelivered", "ShipmentDelivered", "deliver", "GoodsDelivered"),
        ...brought("PaymentRecorded", "PaymentRecorded", "pay", "PaymentReceived", "DeadlineLifted", "CommandIntended"),
        ...accepted("PaymentRecorded", "complete-order", "pay", "CommandIntended"),
        ...accepted("PaymentRecorded", "release-credit", "pay", "ProcessEnded"),
      ]),
    });
  });

  it("is rejected, and says why, when its customer is not registered", async () => {
    await posted("/orders", { orderId: "strange", customerId: "STRANGER", lines });
    await endsAs("strange", "rejected");
    const orderSchema = z.object({ status: z.string(), rejectionReason: z.string().optional() });
    let order: z.output<typeof orderSchema> = { status: "placed" };
    await until("the order is not as it was placed", async () => {
      order = orderSchema.parse((await system.get("/orders/strange")).body);
      return order.status !== "placed";
    });
    expect(order).toStrictEqual({
      status: "rejected",
      rejectionReason: "CUSTOMER_NOT_FOUND: there is no such customer: register it first",
    });
  });

  describe("that is halted", () => {
    async function stalled(): Promise<z.output<typeof statusSchema>["orderToCash"]["stalled"]> {
      const { stdout } = await system.tidemark("status", "--json");
      return statusSchema.parse(JSON.parse(stdout)).orderToCash.stalled;
    }

    const retry = (orderId: string) => system.tidemark("order-to-cash", "retry", orderId);
    const isHalted = (orderId: string) => processIs(orderId, "halted", ({ work }) => work?.state === "halted");

    it("is told of with the reason, halts again unless that is mended, and then comes to its end", async () => {
      await posted("/customers/HALTED/reserve-credit", { orderId: "differs", amount: usd(1) });
      await posted("/orders", { orderId: "differs", customerId: "HALTED", lines });
      await isHalted("differs");
      const [told, ...others] = await stalled();
      expect({ told, others }).toStrictEqual({
        told: {
          orderId: "differs",
          state: "halted",
          reason: expect.stringMatching(/^reserve-credit was refused: .+ \(RESERVATION_DIFFERS\)$/) as string,
        },
        others: [],
      });
      expect((await system.tidemark("status")).stdout).toContain(told?.reason);

      expect((await retry("differs")).code).toBe(0);
      await isHalted("differs");
      // What was reserved is not of this order's amount, so that it cannot be had: the order can only be rejected.
      await posted("/customers/HALTED/release-credit", { orderId: "differs" });
      expect((await retry("differs")).code).toBe(0);
      await endsAs("differs", "rejected");
    });

    it("goes on to its completion once what it could not read is out of the way", async () => {
      const stray = { id: crypto.randomUUID(), type: "ShipmentWeighed", data: { grams: 900 }, metadata: {} };
      await eventStore.append("shipment-unread", "no_stream", [stray]);
      const selling = importSale(patientApi(), saleOf("unread", "HALTED"), new AbortController().signal);
      await isHalted("unread");
      expect(await stalled()).toStrictEqual([
        {
          orderId: "unread",
          state: "halted",
          reason:
            "schedule-shipment was refused: its history holds an event that this version cannot read: see the log " +
            "(EVENT_NOT_UNDERSTOOD)",
        },
      ]);
      await eventStore.client.deleteStream("shipment-unread");
      expect((await retry("unread")).code).toBe(0);
      await selling;
      await endsAs("unread", "completed");
      expect(await stalled()).toStrictEqual([]);
    });

    it("is cancelled by its customer, and gives up what it was refused when it is retried", async () => {
      const other = { shipmentId: "taken", orderId: "taken", customerId: "HALTED", currency: "USD" };
      await posted("/shipments", { ...other, items: [{ productId: "12", quantity: 1 }] });
      await posted("/orders", { orderId: "taken", customerId: "HALTED", lines });
      await isHalted("taken");
      await posted("/orders/taken/cancel", {});
      expect((await retry("taken")).code).toBe(0);
      await endsAs("taken", "cancelled");
      expect(await stalled()).toStrictEqual([]);
    });

    it("alone can be retried: what is no order's id is refused with what would be one", async () => {
      const { code, stdout, stderr } = await system.tidemark("order-to-cash", "retry", "../x");
      expect({ code, stdout }).toStrictEqual({ code: 1, stdout: "" });
      expect(stderr).toBe(`error: ../x: must be ${idRule}\n`);
    });

    it.each([
      ["traced", "PROCESS_NOT_HALTED"],
      ["nowhere", "PROCESS_NOT_FOUND"],
    ])("alone can be retried: %s is refused with %s", async (orderId, code) => {
      const { code: exitCode, stdout, stderr } = await system.tidemark("order-to-cash", "retry", orderId, "--json");
      const { error } = z.object({ error: z.object({ code: z.string() }) }).parse(JSON.parse(stderr));
      expect({ exitCode, stdout, code: error.code }).toStrictEqual({ exitCode: 1, stdout: "", code });
    });
  });

  it("is told of as lag while nobody delivers its events, and no longer once somebody does", async () => {
    const delivery = async () => {
      const { stdout } = await system.tidemark("status", "--json");
      const { subscriptions } = deliverySchema.parse(JSON.parse(stdout)).delivery;
      return {
        lag: Object.fromEntries(subscriptions.map(({ name, lag }) => [name, `${lag.bound} ${lag.events}`])),
        ages: subscriptions.filter(({ lag }) => lag.seconds > 0).map(({ name }) => name),
        told: subscriptions.filter(({ subscriber }) => subscriber?.connected === true).length,
        batches: subscriptions.reduce((sum, { subscriber }) => sum + (subscriber?.batchesPerSecond ?? 0), 0),
      };
    };
    const { lag: atFirst } = await delivery();
    const none = Object.fromEntries(Object.keys(atFirst).map((name) => [name, "exact 0"]));
    await until("nothing lags", async () => JSON.stringify((await delivery()).lag) === JSON.stringify(none));

    const subscriber = await system.pidOf("subscriber");
    process.kill(subscriber, "SIGSTOP");
    try {
      for (const orderId of ["late-1", "late-2", "late-3"])
        await posted("/orders", { orderId, customerId: "STRANGER", lines });
      const ofOrders = viewNames.filter((view) => categoriesOf(versionsOf(view)[0]).includes("order"));
      const lagging = {
        ...Object.fromEntries(ofOrders.map((view) => [view, "exact 3"])),
        "process-order-to-cash": "at most 3",
      };
      expect(await delivery()).toStrictEqual({
        lag: { ...none, ...lagging },
        ages: Object.keys(lagging),
        // A process that is stopped says nothing; the stores tell all the same.
        told: 0,
        batches: 0,
      });
    } finally {
      process.kill(subscriber, "SIGCONT");
    }
    for (const orderId of ["late-1", "late-2", "late-3"]) await endsAs(orderId, "rejected");
    await until("nothing lags", async () => JSON.stringify((await delivery()).lag) === JSON.stringify(none));
    const { told, batches } = await delivery();
    expect({ told, isBusy: batches > 0 }).toStrictEqual({ told: Object.keys(none).length, isBusy: true });
  });

  /** With time for two restarts of the functions on a busy machine. */
  const patience = { first: 60_000, later: 300_000, untold: 300_000 };
  const patientApi = () => new PatientApi(new URL(system.url), () => undefined, patience);
  const saleOf = (orderId: string, customerId: string) => ({
    order: { orderId, customerId, orderedAt: "2026-01-01T00:00:00.000Z", lines },
    total,
    shipment: shipped,
  });

  it("is taken to its end once, one of many, although the functions are killed while they all are on their way", async () => {
    const orderIds = Array.from({ length: manyOrders }, (_, index) => `many-${index}`);
    const api = patientApi();
    const going = new AbortController();
    const ending = Promise.all(orderIds.map((orderId) => importSale(api, saleOf(orderId, "MANY"), going.signal)));
    const killed = (async () => {
      await processIs(`many-${manyOrders / 2}`, "on its way", () => true);
      await system.kill("functions");
      await until("some order has been paid", async () => {
        const progress = await Promise.all(orderIds.map((id) => system.get(`/order-to-cash/${id}`).catch(() => ({}))));
        return progress.some((answer) => JSON.stringify(answer).includes('"ended"'));
      });
      // Once more when some are done takes as long again.
      if (isProof) await system.kill("functions");
    })();
    await Promise.all([ending, killed]);

    const events = await eventsOf("MANY", ...orderIds);
    const types = Map.groupBy(events, ({ stream }) => stream);
    const typesIn = (stream: string): string[] => (types.get(stream) ?? []).map(({ type }) => type);
    for (const orderId of orderIds) {
      expect([
        orderId,
        ...["order", "shipment", "invoice"].map((category) => typesIn(`${category}-${orderId}`)),
      ]).toEqual([
        orderId,
        ["OrderPlaced", "OrderConfirmed", "OrderCompleted"],
        ["ShipmentScheduled", "ShipmentDispatched", "ShipmentDelivered"],
        ["InvoiceIssued", "PaymentRecorded"],
      ]);
    }
    const reservationsSchema = z.object({ orderId: z.string() });
    for (const type of ["CreditReserved", "CreditReleased"]) {
      const orders = events.filter((event) => event.type === type).map(({ data }) => reservationsSchema.parse(data));
      expect(orders.map(({ orderId }) => orderId).sort()).toStrictEqual(orderIds.toSorted());
    }
    expect((await system.tidemark("check")).code).toBe(0);
  }, 360_000);
});

function sorted(events: readonly TracedEvent[] = []): TracedEvent[] {
  return [...events].sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1));
}
