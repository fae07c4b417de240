/** What the events say of the sales of customers, added up as the import adds up what the views say. */
import type { Aggregate, AggregateEvent, AggregateRejection } from "../../engine/commands/aggregate.ts";
import { foldStored, nothingLoaded } from "../../engine/commands/fold.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { customerAggregate } from "../../functions/customer-aggregate.ts";
import { invoiceAggregate } from "../../functions/invoice-aggregate.ts";
import { orderAggregate } from "../../functions/order-aggregate.ts";
import { shipmentAggregate } from "../../functions/shipment-aggregate.ts";
import type { SaleTotals } from "../../local/sample-data/sale-totals.ts";

/** Reads the whole log; `isCounted` tells whose sales count. */
export async function totalsOfLog(
  connectionString: string,
  isCounted: (customerId: string) => boolean,
): Promise<SaleTotals> {
  const streams = await streamsOf(connectionString);
  const statesOf = async <State extends { status: string }, Command, Event extends AggregateEvent>(
    aggregate: Aggregate<State, Command, Event, AggregateRejection>,
  ): Promise<Exclude<State, { status: "unknown" }>[]> => {
    const states: Exclude<State, { status: "unknown" }>[] = [];
    for (const [stream, events] of streams) {
      if (!stream.startsWith(`${aggregate.category}-`)) continue;
      const { state } = await foldStored(aggregate, nothingLoaded(aggregate.decider.initialState), events);
      if (isKnown(state)) states.push(state);
    }
    return states;
  };

  const customers = (await statesOf(customerAggregate)).filter(({ customerId }) => isCounted(customerId));
  const orders = (await statesOf(orderAggregate)).filter(({ facts }) => isCounted(facts.customerId));
  const invoices = (await statesOf(invoiceAggregate)).filter(({ issued }) => isCounted(issued.customerId));
  const shipments = (await statesOf(shipmentAggregate)).filter(({ scheduled }) => isCounted(scheduled.customerId));
  const standing = orders.filter(({ status }) => status !== "cancelled" && status !== "rejected");
  return {
    customers: customers.length,
    orders: orders.length,
    lines: shipments.reduce((sum, { scheduled }) => sum + scheduled.items.length, 0),
    byState: Object.fromEntries(
      [...Map.groupBy(orders, ({ status }) => status)].map(([status, { length }]) => [status, length]),
    ),
    revenue: sumOf(standing.map(({ facts }) => facts.total)),
    freight: sumOf(invoices.map(({ issued }) => issued.freight)),
    receivables: sumOf(invoices.map(({ open }) => open)),
    creditReserved: sumOf(customers.map(({ reserved }) => reserved)),
  };
}

/** The events of all users' streams, by stream. */
export async function streamsOf(connectionString: string): Promise<Map<string, StoredEvent[]>> {
  const eventStore = EventStore.connect(connectionString);
  try {
    const events: StoredEvent[] = [];
    for await (const event of eventStore.readAll()) if (!event.stream.startsWith("$")) events.push(event);
    return Map.groupBy(events, ({ stream }) => stream);
  } finally {
    await eventStore.dispose();
  }
}

function isKnown<State extends { status: string }>(state: State): state is Exclude<State, { status: "unknown" }> {
  return state.status !== "unknown";
}

function sumOf(sums: readonly { readonly amount: number }[]): number {
  return sums.reduce((sum, { amount }) => sum + amount, 0);
}
