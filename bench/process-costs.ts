/**
 * What one order costs on its way to cash, counted and not timed: what the people's requests and what the process cost in
 * reads and appends at the event store, the events that they leave, and how often the process function is told. Every event
 * is told by itself here; under load a batch tells many at once.
 */
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../domain/kernel/schemas.ts";
import { paymentIdSchema } from "../domain/billing/ids.ts";
import type { Aggregate, AggregateEvent, AggregateRejection } from "../engine/commands/aggregate.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { EventStore } from "../engine/event-store/event-store.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import { matches } from "../engine/delivery/filter-criteria.ts";
import { processBatch } from "../engine/processes/process-batch.ts";
import { customerAggregate } from "../functions/customer-aggregate.ts";
import { invoiceAggregate } from "../functions/invoice-aggregate.ts";
import { orderAggregate } from "../functions/order-aggregate.ts";
import { orderToCashManager, orderToCashTrigger } from "../functions/order-to-cash-process.ts";
import { shipmentAggregate } from "../functions/shipment-aggregate.ts";
import type { Table } from "./table.ts";

export interface Cost {
  readonly step: string;
  readonly reads: number;
  readonly appends: number;
  readonly events: number;
  /** Of the process function. */
  readonly invocations: number;
}

/** Counts what goes to the store. */
class CountingStore extends EventStore {
  reads = 0;
  appends = 0;
  events = 0;

  override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
    this.appends += 1;
    const outcome = await super.append(...append);
    if (outcome.outcome === "appended") this.events += append[2].length;
    return outcome;
  }

  override readStream(...read: Parameters<EventStore["readStream"]>): ReturnType<EventStore["readStream"]> {
    this.reads += 1;
    return super.readStream(...read);
  }

  override lastEvents(...read: Parameters<EventStore["lastEvents"]>): ReturnType<EventStore["lastEvents"]> {
    this.reads += 1;
    return super.lastEvents(...read);
  }
}

/** One order of a customer who is registered already. Throws unless it ends completed. */
export async function orderToCashCosts(eventStore: EventStore): Promise<readonly Cost[]> {
  const store = new CountingStore(eventStore.client);
  const log = pino({ level: "silent" });
  const manager = orderToCashManager(store);
  const orderId = orderIdSchema.parse(randomUUID());
  const customerId = customerIdSchema.parse(randomUUID());
  const streams = [`order-${orderId}`, `shipment-${orderId}`, `invoice-${orderId}`];
  const seen = new Set<string>();
  const costs: Cost[] = [];
  const counted = async (step: string, work: () => Promise<number>): Promise<void> => {
    Object.assign(store, { reads: 0, appends: 0, events: 0 });
    const invocations = await work();
    const { reads, appends, events } = store;
    costs.push({ step, reads, appends, events, invocations });
  };
  const send = async <State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
    aggregate: Aggregate<State, Command, Event, Refusal>,
    id: string,
    command: Command,
  ): Promise<number> => {
    const { outcome } = await handleCommand(store, aggregate, { id, command, origin: { correlationId: orderId } });
    if (outcome !== "accepted") throw new Error(`a command of the benchmark was ${outcome}`);
    return 0;
  };
  /** What the subscriber would do with what has been recorded since, until nothing more is. */
  const deliver = async (): Promise<number> => {
    let invocations = 0;
    for (let fresh = await unseen(eventStore, streams, seen); fresh.length > 0;) {
      for (const event of fresh.filter((each) => matches(orderToCashTrigger.filterCriteria, each))) {
        const untold = await processBatch({ eventStore: store, log }, manager, [event]);
        if (untold.length > 0) throw new Error("the process could not be told");
        invocations += 1;
      }
      fresh = await unseen(eventStore, streams, seen);
    }
    return invocations;
  };

  const usd = (amount: number): { amount: number; currency: string } => ({ amount, currency: "USD" });
  const at = new Date().toISOString();
  await send(customerAggregate, customerId, {
    type: "RegisterCustomer",
    customerId,
    name: "Bench",
    creditLimit: usd(1_000_000),
  });
  const productId = productIdSchema.parse("11");
  const lines = [{ productId, quantity: 12, unitPrice: usd(1_400), discountPercent: 0 }];
  await counted("place the order", () =>
    send(orderAggregate, orderId, { type: "PlaceOrder", orderId, customerId, orderedAt: at, lines }),
  );
  await counted("process: credit reserved, order confirmed, shipment scheduled", deliver);
  await counted("dispatch and deliver", async () => {
    const dispatched = { type: "DispatchShipment", carrier: "Speedy", freight: usd(100), dispatchedAt: at } as const;
    await send(shipmentAggregate, orderId, dispatched);
    return send(shipmentAggregate, orderId, { type: "DeliverShipment", deliveredAt: at });
  });
  await counted("process: invoice issued", deliver);
  const paymentId = paymentIdSchema.parse(orderId);
  await counted("record the payment", () =>
    send(invoiceAggregate, orderId, { type: "RecordPayment", paymentId, amount: usd(16_900), receivedAt: at }),
  );
  await counted("process: order completed, credit released", deliver);
  const last = await eventStore.lastEvent(`orderToCash-${orderId}`);
  if (last?.type !== "ProcessEnded") throw new Error("the order of the benchmark did not come to its end");
  return [...costs, totalOf(costs)];
}

function totalOf(costs: readonly Cost[]): Cost {
  const sum = (of: (cost: Cost) => number): number => costs.reduce((total, cost) => total + of(cost), 0);
  return {
    step: "together",
    reads: sum(({ reads }) => reads),
    appends: sum(({ appends }) => appends),
    events: sum(({ events }) => events),
    invocations: sum(({ invocations }) => invocations),
  };
}

export function costTable(costs: readonly Cost[]): Table {
  return {
    name: "one order to cash",
    columns: ["step", "reads", "appends", "events", "process invocations"],
    rows: costs.map(({ step, ...figures }) => [step, ...Object.values(figures).map(String)]),
  };
}

async function unseen(store: EventStore, streams: readonly string[], seen: Set<string>): Promise<StoredEvent[]> {
  const fresh: StoredEvent[] = [];
  for (const stream of streams) {
    for await (const event of store.readStream(stream)) {
      if (!seen.has(event.id)) fresh.push(event);
      seen.add(event.id);
    }
  }
  return fresh;
}
