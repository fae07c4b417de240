/**
 * Delivery: a backlog drained by the subscription through the Lambda Invoke API into the projector functions, over the same
 * backlog drained from an equal persistent subscription by the plain client that writes the same to DynamoDB itself. Every
 * round has a group and a table of its own. The functions run where `npm start` runs them, in a process of their own.
 *
 * Sales by month are measured twice: over a client that folds as ours does, which is what the engine itself costs, and over
 * one that writes each event by itself, as somebody would who has no engine; the difference is what folding is worth.
 */
import { bufferSize } from "../engine/delivery/subscription-settings.ts";
import type { Projection } from "../engine/views/projection.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { ComparedTables } from "./compared-tables.ts";
import {
  connect,
  type Connections,
  disconnect,
  drained,
  makeLive,
  prepareView,
  putAway,
  subscriptionOf,
} from "./delivery-connections.ts";
import type { OrderLog } from "./order-log.ts";
import { drainRaw, type RawDrainOptions } from "./raw-drain.ts";
import { type RawWrite, writeSales, writeSalesOneByOne, writeSummaries } from "./raw-writes.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, median, type Subject, timed } from "./side-by-side.ts";
import type { Table } from "./table.ts";

const rawWriters: readonly { readonly name: string; readonly projection: Projection; readonly write: RawWrite }[] = [
  { name: "delivery into sales-by-month over raw drain + same writes", projection: salesByMonth, write: writeSales },
  {
    name: "delivery into sales-by-month over raw drain + one transaction an event",
    projection: salesByMonth,
    write: writeSalesOneByOne,
  },
  {
    name: "delivery into order-summary over raw drain + same writes",
    projection: orderSummary,
    write: writeSummaries,
  },
];

/** `log` is what the event store of `servers` holds. */
export async function* compareDelivery(servers: Servers, log: OrderLog, rounds: number): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  try {
    for (const { name, projection, write } of rawWriters) {
      const tables = new ComparedTables(connections.dynamodb);
      yield await compare(
        name,
        "events",
        rounds,
        deliveryInto(connections, projection, log, tables),
        raw(connections, projection, log, tables, write),
      );
    }
  } finally {
    await disconnect(connections);
  }
}

/** The median of `rounds` drains into sales by month for each number of lanes, which are invocations at once. */
export async function lanesTable(
  servers: Servers,
  log: OrderLog,
  lanes: readonly number[],
  rounds: number,
): Promise<Table> {
  const rates = new Map(lanes.map((number): [number, number[]] => [number, []]));
  const connections = await connect(servers);
  try {
    const tables = new ComparedTables(connections.dynamodb);
    // All numbers in each round, so that what slows the machine for a while slows them all. The first does not count.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [number, measured] of rates) {
        const { run, clear } = await deliveryInto(connections, salesByMonth, log, tables, number).prepare();
        const { units, seconds } = await run();
        await clear?.();
        if (round > 0) measured.push(units / seconds);
      }
    }
  } finally {
    await disconnect(connections);
  }
  const medians = [...rates].map(([number, measured]) => [number, median(measured)] as const);
  const ofOne = medians[0]?.[1] ?? Number.NaN;
  return {
    name: "delivery into sales-by-month by lanes",
    columns: ["lanes", "events/s", "over one lane"],
    rows: medians.map(([number, rate]) => [
      number.toString(),
      Math.round(rate).toLocaleString("en"),
      `${(rate / ofOne).toFixed(2)}x`,
    ]),
  };
}

/** A backlog drained into a generation that is live. */
export function deliveryInto(
  connections: Connections,
  projection: Projection,
  log: OrderLog,
  tables: ComparedTables,
  lanes?: number,
): Subject {
  return {
    prepare: async () => {
      const view = await prepareView(
        connections,
        projection,
        lanes === undefined ? {} : { parallelizationFactor: lanes },
      );
      await makeLive(connections.dynamodb, projection, view);
      const subscription = subscriptionOf(connections, view);
      return {
        run: () => timed(() => drained(subscription, log.events)),
        clear: async () => {
          await subscription.stop(5_000);
          await tables.compare(view.table);
          await putAway(connections, view);
        },
      };
    },
  };
}

function raw(
  connections: Connections,
  projection: Projection,
  log: OrderLog,
  tables: ComparedTables,
  write: RawWrite,
): Subject {
  const { client, dynamodb } = connections;
  return {
    prepare: async () => {
      const view = await prepareView(connections, projection);
      const { group, batchSize, parallelizationFactor: lanes } = view.settings;
      const options: RawDrainOptions = {
        client,
        group,
        bufferSize: bufferSize(view.settings),
        batchSize,
        lanes,
        write: (events) => write(dynamodb, view.table, events),
      };
      return {
        run: () =>
          timed(async () => {
            await drainRaw(options, log.events);
            return log.events;
          }),
        clear: async () => {
          await tables.compare(view.table);
          await putAway(connections, view);
        },
      };
    },
  };
}
