/**
 * What the raw clients write to DynamoDB: the same as ours, in as many writes, with the same conditions; and the same in one
 * transaction an event.
 */
import {
  type DynamoDBClient,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import type { AllStreamRecordedEvent } from "@eventstore/db-client";
import type { OrderEvent } from "../domain/ordering/events.ts";

export type RawWrite = (
  dynamodb: DynamoDBClient,
  table: string,
  events: readonly AllStreamRecordedEvent[],
) => Promise<void>;

/** The successive events of one stream. */
export type StreamEvents = readonly [AllStreamRecordedEvent, ...AllStreamRecordedEvent[]];

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

/** The row and the guard of each event in a transaction of their own, one after the other. */
export async function writeSalesOneByOne(
  dynamodb: DynamoDBClient,
  table: string,
  events: readonly AllStreamRecordedEvent[],
): Promise<void> {
  for (const event of events) await writeSales(dynamodb, table, [event]);
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

export function summaryUpdate(table: string, stream: StreamEvents): UpdateItemCommandInput {
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
