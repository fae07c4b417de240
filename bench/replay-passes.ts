/**
 * What one pass over the log saves, in the events of Northwind in all contexts: three projections in one pass over the one of
 * them alone that reads most, and over the three one after the other; and a projection that reads one event in twenty, for
 * which the store leaves out the others, over the same projection sent all of them.
 */
import { type EventData, jsonEvent } from "@eventstore/db-client";
import { z } from "zod";
import { EventStore } from "../engine/event-store/event-store.ts";
import { roundsOfAll } from "../engine/event-store/rounds-of-all.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import { defineOnePerStreamProjection, type Projection, readsStream } from "../engine/views/projection.ts";
import { northwind as readNorthwind } from "../local/sample-data/northwind/northwind.ts";
import { historyOfCopies, type SampleMoment } from "../local/sample-data/sale-history.ts";
import { seedLog } from "../local/sample-data/seed-log.ts";
import { orderToCash } from "../projections/order-to-cash.ts";
import { productSales } from "../projections/product-sales.ts";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { connect, type Connections, disconnect, type FilledLog, prepareBackFills } from "./back-fill.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Prepared, type Subject } from "./side-by-side.ts";

const rareStreams = 50;
const together: readonly [Projection, ...Projection[]] = [orderToCash, productSales, salesByMonth];

/** One row a stream of a category that has one event in twenty. */
const rare = defineOnePerStreamProjection({
  name: "rare",
  version: 1,
  category: "rare",
  eventTypes: { Measured: { version: 1, schema: z.object({ value: z.int() }) } },
  rowOf: (id) => ({ partition: id, sort: "rare" }),
  on: { Measured: ({ data: { value } }) => ({ add: { value } }) },
});

/** Writes the log that {@link comparePasses} reads, into the directory of an event store that does not run. */
export async function seedPasses(directory: string, orders: number): Promise<FilledLog> {
  const northwind = await readNorthwind();
  const copies = Math.ceil(orders / northwind.sales.length);
  const counts = new Map<Projection, number>();
  function* history(): Generator<SampleMoment, void> {
    for (const moment of historyOfCopies(northwind, copies, new Date("2026-01-01T00:00:00.000Z"))) {
      for (const projection of together) {
        const read = moment.appends.filter(({ stream }) => readsStream(projection, stream));
        const before = counts.get(projection) ?? 0;
        counts.set(
          projection,
          read.reduce((sum, { events }) => sum + events.length, before),
        );
      }
      yield moment;
    }
  }
  return { events: await seedLog(directory, history()), read: (projection) => counts.get(projection) ?? 0 };
}

/** `log` is what the event store of `servers` holds. */
export async function* comparePasses(servers: Servers, log: FilledLog, rounds: number): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  const [largest] = together;
  const names = together.map(({ name }) => name).join(", ");
  const inOnePass: Subject = { prepare: () => prepareBackFills(connections, together, log) };
  try {
    yield await compare(`${names} in one pass over ${largest.name} alone`, "events", rounds, inOnePass, {
      prepare: () => prepareBackFills(connections, [largest], log),
    });
    yield await compare(`${names} in one pass over one after the other`, "events", rounds, inOnePass, {
      prepare: () => oneAfterTheOther(connections, log),
    });
    const events = await appendRare(connections, log);
    const rareLog: FilledLog = { events, read: () => events };
    const unfiltered = { ...connections, store: new Unfiltered(connections.store) };
    yield await compare(
      "back-fill that reads 5 % of the events, filtered by the store, over one that is sent all",
      "events",
      rounds,
      { prepare: () => prepareBackFills(connections, [rare], rareLog) },
      { prepare: () => prepareBackFills(unfiltered, [rare], rareLog) },
    );
  } finally {
    await disconnect(connections);
  }
}

async function oneAfterTheOther(connections: Connections, log: FilledLog): Promise<Prepared> {
  const each = await Promise.all(together.map((projection) => prepareBackFills(connections, [projection], log)));
  return {
    run: async () => {
      let seconds = 0;
      for (const { run } of each) seconds += (await run()).seconds;
      return { units: log.events, seconds };
    },
    clear: async () => {
      for (const { clear } of each) await clear();
    },
  };
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
async function appendRare({ client }: Connections, log: FilledLog): Promise<number> {
  const eachStream = Math.max(1, Math.round(log.events / 19 / rareStreams));
  for (let stream = 0; stream < rareStreams; stream += 1) {
    const events = Array.from({ length: eachStream }, (_, value): EventData =>
      jsonEvent({ type: "Measured", data: { value } }),
    );
    await client.appendToStream(`rare-${stream}`, events);
  }
  return rareStreams * eachStream;
}
