/**
 * Read your writes: an append, and a query that is given what was appended. Over an append and two invocations of an empty
 * function, one after the other, which is what the query and the projector that it asks cost without any work; and over those
 * with the least that both have to read and write, by the plain clients; there is no delivery meanwhile, so every query has to
 * ask. And over an append and the same query without the promise, sent again until delivery has brought what was appended, which
 * is what a client has to do that is promised nothing.
 */
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import type { AllStreamRecordedEvent } from "@eventstore/db-client";
import { catalogKey } from "../engine/views/catalog.ts";
import { type Item, rowItemKey } from "../engine/views/item.ts";
import { catalogTable } from "../functions/dynamodb-connection.ts";
import { tablePrefix } from "../local/system/processes.ts";
import { orderSummary } from "../projections/order-summary.ts";
import {
  connect,
  type Connections,
  disconnect,
  makeLive,
  prepareView,
  putAway,
  subscriptionOf,
} from "./delivery-connections.ts";
import { invoke } from "./invoke.ts";
import { Latencies } from "./latencies.ts";
import { orderQuery } from "./order-query.ts";
import { placeOrder, type PlacedOrder } from "./placed-order.ts";
import { emptyFunction, type Servers } from "./servers.ts";
import { writeSummaries } from "./raw-writes.ts";
import { compare, type Comparison, type Measured, type Prepared, type Subject, timed } from "./side-by-side.ts";

// What earlier rounds have appended is no part of this one.
const fromNow = { startingPosition: "LATEST" } as const;

/** A round appends `count` orders one after the other. */
export async function* compareReadYourWrites(
  servers: Servers,
  count: number,
  rounds: number,
): AsyncGenerator<Comparison> {
  await servers.startEmptyFunction();
  const connections = await connect(servers);
  const { client, lambda, emptyLambda } = connections;
  const query = orderQuery(lambda);
  const seen = async (order: PlacedOrder): Promise<void> => {
    if (!(await query(order, true))) throw new Error(`the query did not see ${order.stream}`);
  };
  const polled = async (order: PlacedOrder): Promise<void> => {
    while (!(await query(order, false)));
  };
  const twoInvocations = async (): Promise<void> => {
    for (let times = 0; times < 2; times += 1) await invoke(emptyLambda, emptyFunction, "{}");
  };
  const each = async (ask: (order: PlacedOrder) => Promise<void>, latencies: Latencies): Promise<number> => {
    for (let number = 0; number < count; number += 1) {
      await latencies.of(async () => ask(await placeOrder(client)));
    }
    return count;
  };
  const subject = (prepare: () => Promise<Asking>): Subject => ({
    prepare: async (): Promise<Prepared> => {
      const { ask, clear } = await prepare();
      const run = async (): Promise<Measured> => {
        const latencies = new Latencies();
        return { ...(await timed(() => each(ask, latencies))), latencies };
      };
      return { run, ...(clear === undefined ? {} : { clear }) };
    },
  });
  const asked = subject(async () => ({ ask: seen, clear: (await viewWithoutDelivery(connections)).clear }));
  try {
    yield await compare(
      "append + query that has seen it over append + 2 empty invocations",
      "queries",
      rounds,
      asked,
      subject(() => Promise.resolve({ ask: twoInvocations })),
    );
    yield await compare(
      "append + query that has seen it over append + 2 empty invocations + the same reads and writes",
      "queries",
      rounds,
      asked,
      subject(async () => {
        const { table, clear } = await viewWithoutDelivery(connections);
        const ask = async (order: PlacedOrder): Promise<void> => {
          await twoInvocations();
          await readAndWrite(connections, table, order);
        };
        return { ask, clear };
      }),
    );
    yield await compare(
      "append + query that has seen it over append + queries until it is delivered",
      "queries",
      rounds,
      subject(async () => ({ ask: seen, clear: await deliveredView(connections) })),
      subject(async () => ({ ask: polled, clear: await deliveredView(connections) })),
    );
  } finally {
    await disconnect(connections);
  }
}

interface Asking {
  /** Returns when the order is seen. */
  readonly ask: (order: PlacedOrder) => Promise<void>;
  readonly clear?: () => Promise<void>;
}

/** What no query and projector can do without: the guard, the catalog and the event, the row, and the row again for whoever asked. */
async function readAndWrite({ client, dynamodb }: Connections, table: string, order: PlacedOrder): Promise<void> {
  const read = (name: string, key: Item) =>
    dynamodb.send(new GetItemCommand({ TableName: name, Key: key, ConsistentRead: true }));
  const row = rowItemKey(orderSummary.rowOf(order.orderId));
  await read(table, row);
  const events: AllStreamRecordedEvent[] = [];
  const event = async (): Promise<void> => {
    for await (const { event } of client.readStream(order.stream, { maxCount: 1 })) {
      if (event?.position !== undefined) events.push({ ...event, position: event.position });
    }
  };
  await Promise.all([read(catalogTable(tablePrefix), catalogKey(orderSummary.name)), event()]);
  await writeSummaries(dynamodb, table, events);
  const { Item } = await read(table, row);
  if (Item === undefined) throw new Error(`${order.stream} has no row`);
}

async function viewWithoutDelivery(
  connections: Connections,
): Promise<{ readonly table: string; readonly clear: () => Promise<void> }> {
  const view = await prepareView(connections, orderSummary, fromNow);
  await makeLive(connections.dynamodb, orderSummary, view);
  return { table: view.table, clear: () => putAway(connections, view) };
}

/** Returns what puts it away. */
async function deliveredView(connections: Connections): Promise<() => Promise<void>> {
  const view = await prepareView(connections, orderSummary, fromNow);
  await makeLive(connections.dynamodb, orderSummary, view);
  const subscription = subscriptionOf(connections, view);
  subscription.start();
  return async () => {
    await subscription.stop(5_000);
    await putAway(connections, view);
  };
}
