/**
 * What one pass over the log saves: a projection that reads one event in twenty, for which the store leaves out the others,
 * over the same projection sent all of them; and three projections in one pass over one alone, where a third of its speed would
 * be no saving at all.
 */
import { type EventData, jsonEvent } from "@eventstore/db-client";
import { z } from "zod";
import { EventStore } from "../engine/event-store/event-store.ts";
import { roundsOfAll } from "../engine/event-store/rounds-of-all.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import { defineOnePerStreamProjection } from "../engine/views/projection.ts";
import { ordersByCustomer } from "../projections/orders-by-customer.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { connect, type Connections, disconnect, prepareBackFills } from "./back-fill.ts";
import type { OrderLog } from "./order-log.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison } from "./side-by-side.ts";

const rareStreams = 50;

/** One row a stream of a category that has one event in twenty. */
const rare = defineOnePerStreamProjection({
  name: "rare",
  version: 1,
  category: "rare",
  eventTypes: { Measured: { version: 1, schema: z.object({ value: z.int() }) } },
  rowOf: (id) => ({ partition: id, sort: "rare" }),
  on: { Measured: ({ data: { value } }) => ({ add: { value } }) },
});

/** `log` is what the event store of `servers` holds. */
export async function* comparePasses(servers: Servers, log: OrderLog, rounds: number): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  try {
    for (const projections of [[salesByMonth], [orderSummary]] as const) {
      const three = [orderSummary, ordersByCustomer, salesByMonth];
      yield await compare(
        `${three.map(({ name }) => name).join(", ")} in one pass over ${projections[0].name} alone`,
        "events",
        rounds,
        { prepare: () => prepareBackFills(connections, three, log.events) },
        { prepare: () => prepareBackFills(connections, projections, log.events) },
      );
    }
    const events = await appendRare(connections, log);
    yield await compare(
      "back-fill that reads 5 % of the events, filtered by the store, over one that is sent all",
      "events",
      rounds,
      { prepare: () => prepareBackFills(connections, [rare], events) },
      { prepare: () => prepareBackFills({ ...connections, store: new Unfiltered(connections.store) }, [rare], events) },
    );
  } finally {
    await disconnect(connections);
  }
}

/** Asks the store for everything and leaves out by itself what is not asked for. */
class Unfiltered extends EventStore {
  constructor(store: EventStore) {
    super(store.client);
  }

  override async *roundsOf(
    prefixes: readonly [string, ...string[]],
    { after, until, size }: Parameters<EventStore["roundsOf"]>[1],
  ): AsyncGenerator<StoredEvent[], void> {
    for await (const round of roundsOfAll(this, after, until, size)) {
      yield round.filter(({ stream }) => prefixes.some((prefix) => stream.startsWith(prefix)));
    }
  }
}

/** Returns how many there are: one event in twenty of the log, about. */
async function appendRare({ client }: Connections, log: OrderLog): Promise<number> {
  const eachStream = Math.max(1, Math.round(log.events / 19 / rareStreams));
  for (let stream = 0; stream < rareStreams; stream += 1) {
    const events = Array.from({ length: eachStream }, (_, value): EventData =>
      jsonEvent({ type: "Measured", data: { value } }),
    );
    await client.appendToStream(`rare-${stream}`, events);
  }
  return rareStreams * eachStream;
}
