/**
 * Read your writes: an append, and a query that is given what was appended. Over an append and two invocations of an empty
 * function, one after the other, which is what the query and the projector that it asks cost without any work; there is no
 * delivery meanwhile, so every query has to ask. And over an append and the same query without the promise, sent again until
 * delivery has brought what was appended, which is what a client has to do that is promised nothing.
 */
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
import { compare, type Comparison, type Prepared, timed } from "./side-by-side.ts";

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
  const subject = (prepare: () => Promise<Pick<Prepared, "clear">>, ask: (order: PlacedOrder) => Promise<void>) => ({
    prepare: async (): Promise<Prepared> => ({
      ...(await prepare()),
      run: async () => {
        const latencies = new Latencies();
        return { ...(await timed(() => each(ask, latencies))), latencies };
      },
    }),
  });
  try {
    yield await compare(
      "append + query that has seen it over append + 2 empty invocations",
      "queries",
      rounds,
      subject(() => viewWithoutDelivery(connections), seen),
      subject(() => Promise.resolve({}), twoInvocations),
    );
    yield await compare(
      "append + query that has seen it over append + queries until it is delivered",
      "queries",
      rounds,
      subject(() => deliveredView(connections), seen),
      subject(() => deliveredView(connections), polled),
    );
  } finally {
    await disconnect(connections);
  }
}

async function viewWithoutDelivery(connections: Connections): Promise<Pick<Prepared, "clear">> {
  const view = await prepareView(connections, orderSummary, fromNow);
  await makeLive(connections.dynamodb, orderSummary, view);
  return { clear: () => putAway(connections, view) };
}

async function deliveredView(connections: Connections): Promise<Pick<Prepared, "clear">> {
  const view = await prepareView(connections, orderSummary, fromNow);
  await makeLive(connections.dynamodb, orderSummary, view);
  const subscription = subscriptionOf(connections, view);
  subscription.start();
  return {
    clear: async () => {
      await subscription.stop(5_000);
      await putAway(connections, view);
    },
  };
}
