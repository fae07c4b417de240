/**
 * What ours is measured against: a persistent subscription drained with the plain client, each batch written to DynamoDB
 * from the same process. The group's settings, the lanes, the conditions of the writes and what goes into one transaction
 * are those of ours; there is no function, no catalog, no schema, no retry.
 */
import {
  type DynamoDBClient,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import type { AllStreamRecordedEvent, AllStreamResolvedEvent, EventStoreDBClient } from "@eventstore/db-client";
import type { OrderEvent } from "../domain/ordering/events.ts";

/** An event that the store has delivered, and what is acknowledged for it. */
interface Delivered {
  readonly event: AllStreamRecordedEvent;
  readonly resolved: AllStreamResolvedEvent;
}

export interface RawDrainOptions {
  readonly client: EventStoreDBClient;
  readonly group: string;
  readonly bufferSize: number;
  readonly batchSize: number;
  readonly lanes: number;
  /** Resolves when the events of a batch are in the table. */
  readonly write: (events: readonly AllStreamRecordedEvent[]) => Promise<void>;
}

/** Drains the group until `count` events are acknowledged. */
export async function drainRaw(options: RawDrainOptions, count: number): Promise<void> {
  const { client, group, bufferSize, batchSize, lanes, write } = options;
  const subscription = client.subscribeToPersistentSubscriptionToAll(group, { bufferSize });
  const queues = Array.from({ length: lanes }, (): Delivered[] => []);
  const isBusy = queues.map(() => false);
  let acknowledged = 0;
  const { promise: drained, resolve, reject } = Promise.withResolvers<undefined>();

  const empty = async (lane: number, queue: Delivered[]): Promise<void> => {
    if (isBusy[lane] === true) return;
    isBusy[lane] = true;
    while (queue.length > 0) {
      const batch = queue.splice(0, batchSize);
      await write(batch.map(({ event }) => event));
      void subscription.ack(...batch.map(({ resolved }) => resolved));
      acknowledged += batch.length;
    }
    isBusy[lane] = false;
    if (acknowledged >= count) resolve(undefined);
  };
  subscription.on("error", reject);
  subscription.on("data", (resolved) => {
    const { event } = resolved;
    if (event === undefined) return;
    const lane = laneOf(event.streamId, lanes);
    const queue = queues[lane] ?? [];
    queue.push({ event, resolved });
    // What arrives in the same turn goes into the same batch.
    if (queue.length === 1) setImmediate(() => void empty(lane, queue).catch(reject));
  });
  try {
    await drained;
  } finally {
    await subscription.unsubscribe();
  }
}

/** A stream's events must not overtake each other. */
function laneOf(stream: string, lanes: number): number {
  let hash = 0;
  for (let index = 0; index < stream.length; index += 1) hash = (Math.imul(hash, 31) + stream.charCodeAt(index)) >>> 0;
  return hash % lanes;
}

/** The successive events of one stream. */
type StreamEvents = readonly [AllStreamRecordedEvent, ...AllStreamRecordedEvent[]];

function byStream(events: readonly AllStreamRecordedEvent[]): StreamEvents[] {
  const streams = new Map<string, [AllStreamRecordedEvent, ...AllStreamRecordedEvent[]]>();
  for (const event of events) {
    const earlier = streams.get(event.streamId);
    if (earlier === undefined) streams.set(event.streamId, [event]);
    else earlier.push(event);
  }
  return [...streams.values()];
}

function orderEvent({ type, data }: AllStreamRecordedEvent): OrderEvent {
  // The log holds what this benchmark has put there, and the raw side checks nothing.
  return { type, data } as unknown as OrderEvent;
}

type Values = Record<string, { N: string }>;

/** Sets the guard on condition that it stands right before the first event. */
function guardUpdate(events: StreamEvents): { set: string; condition: string; values: Values } {
  const { revision, position } = events.at(-1) ?? events[0];
  const values: Values = {
    ":revision": { N: revision.toString() },
    ":commit": { N: position.commit.toString() },
    ":prepare": { N: position.prepare.toString() },
  };
  const set = "#revision = :revision, #commit = :commit, #prepare = :prepare";
  const before = events[0].revision - 1n;
  if (before < 0n) return { set, condition: "attribute_not_exists(#revision)", values };
  return { set, condition: "#revision = :before", values: { ...values, ":before": { N: before.toString() } } };
}

const guardNames = { "#revision": "_revision", "#commit": "_commit", "#prepare": "_prepare" };

const itemsPerTransaction = 100;

/** Sums by month in one row each and a guard for each stream, in transactions of up to 100 items, one after the other. */
export async function writeSales(
  dynamodb: DynamoDBClient,
  table: string,
  events: readonly AllStreamRecordedEvent[],
): Promise<void> {
  let guards: TransactWriteItem[] = [];
  let months = new Map<string, { orders: number; revenue: number }>();
  const send = async (): Promise<void> => {
    const rows = [...months].map(([sk, { orders, revenue }]): TransactWriteItem => ({
      Update: {
        TableName: table,
        Key: { pk: { S: "months" }, sk: { S: sk } },
        UpdateExpression: "ADD #orders :orders, #revenue :revenue, #writes :one",
        ExpressionAttributeNames: { "#orders": "orders", "#revenue": "revenue", "#writes": "_writes" },
        ExpressionAttributeValues: {
          ":orders": { N: orders.toString() },
          ":revenue": { N: revenue.toString() },
          ":one": { N: "1" },
        },
      },
    }));
    await dynamodb.send(new TransactWriteItemsCommand({ TransactItems: [...guards, ...rows] }));
    guards = [];
    months = new Map();
  };
  for (const stream of byStream(events)) {
    // All events of an order are of one month.
    const { orderedAt, total } = orderEvent(stream[0]).data;
    const month = `${orderedAt.slice(0, 7)}#${total.currency}`;
    const isFull = guards.length + 1 + months.size + (months.has(month) ? 0 : 1) > itemsPerTransaction;
    if (isFull) await send();
    const sum = months.get(month) ?? { orders: 0, revenue: 0 };
    months.set(month, sum);
    for (const event of stream) {
      const sign = event.type === "OrderPlaced" ? 1 : -1;
      sum.orders += sign;
      sum.revenue += sign * total.amount;
    }
    const { set, condition, values } = guardUpdate(stream);
    guards.push({
      Update: {
        TableName: table,
        Key: { pk: { S: `_guard#${stream[0].streamId}` }, sk: { S: "_guard" } },
        UpdateExpression: `SET ${set}`,
        ConditionExpression: condition,
        ExpressionAttributeNames: guardNames,
        ExpressionAttributeValues: values,
      },
    });
  }
  if (guards.length > 0) await send();
}

const updatesAtOnce = 16;

/** One row a stream with its guard in it, one update each, sixteen at once. */
export async function writeSummaries(
  dynamodb: DynamoDBClient,
  table: string,
  events: readonly AllStreamRecordedEvent[],
): Promise<void> {
  const updates = byStream(events)
    .map((stream) => summaryUpdate(table, stream))
    .values();
  const work = async (): Promise<void> => {
    for (const update of updates) await dynamodb.send(new UpdateItemCommand(update));
  };
  await Promise.all(Array.from({ length: updatesAtOnce }, work));
}

function summaryUpdate(table: string, stream: StreamEvents): UpdateItemCommandInput {
  const row: Record<string, unknown> = {};
  for (const { type, data } of stream.map(orderEvent)) {
    if (type === "OrderPlaced") {
      const { orderId, customerId, orderedAt, total, lines } = data;
      const placement = `${orderedAt}#${orderId}`;
      Object.assign(row, { orderId, customerId, orderedAt, placement, status: "placed", total, lines });
    } else row["status"] = "cancelled";
  }
  const names = Object.keys(row);
  const { set, condition, values } = guardUpdate(stream);
  const id = stream[0].streamId.slice("order-".length);
  return {
    TableName: table,
    Key: { pk: { S: id }, sk: { S: "order" } },
    UpdateExpression: `SET ${names.map((name) => `#${name} = :${name}`).join(", ")}, ${set}`,
    ConditionExpression: condition,
    ExpressionAttributeNames: { ...guardNames, ...Object.fromEntries(names.map((name) => [`#${name}`, name])) },
    ExpressionAttributeValues: {
      ...values,
      ...marshall(Object.fromEntries(names.map((name) => [`:${name}`, row[name]]))),
    },
  };
}
