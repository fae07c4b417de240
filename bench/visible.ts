/**
 * From the append's answer to the row that a consistent read shows, at a steady rate: ours over the same subscription drained
 * by the plain client, which invokes an empty function of the same runtime for each batch and writes each row by one update.
 */
import { type DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import type { AllStreamRecordedEvent } from "@eventstore/db-client";
import { setTimeout as sleep } from "node:timers/promises";
import { bufferSize } from "../engine/delivery/subscription-settings.ts";
import { guardNames, rowItemKey } from "../engine/views/item.ts";
import { orderSummary } from "../projections/order-summary.ts";
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
import { invoke } from "./invoke.ts";
import { Latencies } from "./latencies.ts";
import { placeOrder } from "./placed-order.ts";
import { drainRaw } from "./raw-drain.ts";
import { writeSummaries } from "./raw-writes.ts";
import { emptyFunction, type Servers } from "./servers.ts";
import { compare, type Comparison, type Measured, type Subject, timed } from "./side-by-side.ts";

const appendsPerSecond = 100;
/** What is appended while a subscription is still connecting tells of that, and would be the slowest hundredth. */
const connectingMs = 500;
/** Of the appends one in so many is watched: to look for every row would be more work than to write it. */
const watchedOneIn = 4;

/** Each round appends for so many seconds. */
export async function* compareVisible(servers: Servers, seconds: number, rounds: number): AsyncGenerator<Comparison> {
  await servers.startEmptyFunction();
  const connections = await connect(servers);
  try {
    yield await compare(
      `append to visible row at ${appendsPerSecond}/s over raw drain + empty invocation + one write`,
      "rows",
      rounds,
      ours(connections, seconds),
      raw(connections, seconds),
    );
  } finally {
    await disconnect(connections);
  }
}

// The view begins at the end of the log: what earlier rounds have appended is no part of this one.
const fromNow = { startingPosition: "LATEST" } as const;

function ours(connections: Connections, seconds: number): Subject {
  return {
    prepare: async () => {
      const view = await prepareView(connections, orderSummary, fromNow);
      await makeLive(connections.dynamodb, orderSummary, view);
      const subscription = subscriptionOf(connections, view);
      const draining = drained(subscription, seconds * appendsPerSecond);
      await sleep(connectingMs);
      return {
        run: () => appendAndWatch(connections, view.table, seconds, draining),
        clear: async () => {
          await subscription.stop(5_000);
          await putAway(connections, view);
        },
      };
    },
  };
}

function raw(connections: Connections, seconds: number): Subject {
  const { client, dynamodb, emptyLambda } = connections;
  return {
    prepare: async () => {
      const view = await prepareView(connections, orderSummary, fromNow);
      const { group, batchSize, parallelizationFactor: lanes } = view.settings;
      const write = async (events: readonly AllStreamRecordedEvent[]): Promise<void> => {
        const records = events.map(({ id, type, data, metadata }) => ({ id, type, data, metadata }));
        await invoke(emptyLambda, emptyFunction, JSON.stringify({ records }));
        await writeSummaries(dynamodb, view.table, events);
      };
      const options = { client, group, bufferSize: bufferSize(view.settings), batchSize, lanes, write };
      const draining = drainRaw(options, seconds * appendsPerSecond);
      await sleep(connectingMs);
      return {
        run: () => appendAndWatch(connections, view.table, seconds, draining),
        clear: () => putAway(connections, view),
      };
    },
  };
}

/** Appends at the rate, whether what was appended before is visible or not, and ends when all of it is delivered. */
async function appendAndWatch(
  { client, dynamodb }: Connections,
  table: string,
  seconds: number,
  draining: Promise<unknown>,
): Promise<Measured> {
  const latencies = new Latencies();
  const measured = await timed(async () => {
    const appends: Promise<void>[] = [];
    const startedAt = performance.now();
    for (let number = 0; number < seconds * appendsPerSecond; number += 1) {
      const dueAt = startedAt + (number * 1_000) / appendsPerSecond;
      if (dueAt > performance.now()) await sleep(dueAt - performance.now());
      const isWatched = number % watchedOneIn === 0;
      appends.push(
        placeOrder(client).then(async ({ orderId }) => {
          if (isWatched) await latencies.of(() => untilVisible(dynamodb, table, orderId));
        }),
      );
    }
    await Promise.all([...appends, draining]);
    return appends.length;
  });
  return { ...measured, latencies };
}

async function untilVisible(dynamodb: DynamoDBClient, table: string, orderId: string): Promise<void> {
  const Key = rowItemKey(orderSummary.rowOf(orderId));
  for (;;) {
    const { Item } = await dynamodb.send(new GetItemCommand({ TableName: table, Key, ConsistentRead: true }));
    if (Item?.[guardNames.revision] !== undefined) return;
    await sleep(1);
  }
}
