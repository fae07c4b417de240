/**
 * The quarantine table: which events are failing and how often, and which streams wait behind one that was given up.
 *
 * An event that is acknowledged without its effect is either the one that a record names, or up to the record's `waitingTo`,
 * which only rises; and a record goes only together with what it waited for. So nothing that was acknowledged is ever lost.
 */
import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { scanItems } from "../consistency/table-items.ts";
import { isTransactionConflict, translated, ViewsUnavailableError } from "../views/dynamodb.ts";
import type { Item } from "../views/item.ts";
import { type Decision, readDecisions } from "./decisions.ts";
import { partitionItems } from "./partition-items.ts";
import {
  type FailedAttempt,
  itemOfRecord,
  type QuarantineRecord,
  recordKey,
  recordOfItem,
} from "./quarantine-record.ts";

export type Waiting =
  /** The record will have the event applied. */
  | "waiting"
  /** There is no record (any more): the event is to be applied now. */
  | "released";

const maximumTries = 12;

/** The fixed table that holds what was given up. */
export function quarantineTable(tablePrefix: string): string {
  return `${tablePrefix}quarantine`;
}

export class Quarantine {
  readonly #dynamodb: DynamoDBClient;
  readonly table: string;

  constructor(dynamodb: DynamoDBClient, table: string) {
    this.#dynamodb = dynamodb;
    this.table = table;
  }

  /** The record of a stream, read consistently. */
  async read(target: string, stream: string): Promise<QuarantineRecord | undefined> {
    const get = new GetItemCommand({ TableName: this.table, Key: recordKey({ target, stream }), ConsistentRead: true });
    const { Item } = await translated(this.#dynamodb.send(get));
    return Item === undefined ? undefined : recordOfItem(Item);
  }

  /** Counts a failed attempt. Of a stream that is quarantined already it returns the record as it stands. */
  async attempted(target: string, attempt: FailedAttempt, at: Date, keptUntil: Date): Promise<QuarantineRecord> {
    for (let tries = 0; tries < maximumTries; tries += 1) {
      const counted = await this.#countOneMore(target, attempt, at, keptUntil);
      if (counted !== undefined) return counted;
      const known = await this.read(target, attempt.stream);
      if (known?.state === "quarantined") return known;
      const first = await this.#countFirst(target, attempt, at, keptUntil, known);
      if (first !== undefined) return first;
    }
    throw new ViewsUnavailableError(`the record of ${attempt.stream} keeps changing: try again`);
  }

  /**
   * Gives the event up: from now on its stream waits, up to `waitingTo` at first. `guard` is to be written in the same
   * transaction, and refuses it when the event has been applied meanwhile.
   */
  async close(
    record: QuarantineRecord,
    reason: string,
    waitingTo: bigint,
    guard?: TransactWriteItem,
  ): Promise<"quarantined" | "changed"> {
    const closed: QuarantineRecord = { ...record, state: "quarantined", reason, waitingTo };
    return this.#replace(record, closed, guard);
  }

  /** The stream waits for a later event than before: a redrive came on until there. */
  async moveOn(
    record: QuarantineRecord,
    next: QuarantineRecord,
    guard?: TransactWriteItem,
  ): Promise<"moved" | "changed"> {
    return (await this.#replace(record, next, guard)) === "quarantined" ? "moved" : "changed";
  }

  /** Lets an event of a quarantined stream wait with the others, so that it can be acknowledged. */
  async waitBehind(target: string, stream: string, revision: bigint): Promise<Waiting> {
    const raise = new UpdateItemCommand({
      TableName: this.table,
      Key: recordKey({ target, stream }),
      UpdateExpression: "SET waitingTo = :revision",
      ConditionExpression: "#state = :quarantined AND waitingTo < :revision",
      ExpressionAttributeNames: { "#state": "state" },
      ExpressionAttributeValues: { ":quarantined": { S: "quarantined" }, ":revision": { N: revision.toString() } },
    });
    if (await taken(this.#dynamodb.send(raise))) return "waiting";
    const record = await this.read(target, stream);
    return record?.state === "quarantined" && record.waitingTo >= revision ? "waiting" : "released";
  }

  /** Removes the record if it still is as it was seen: nothing new waits. `guard` goes into the same transaction. */
  async release(record: QuarantineRecord, ...others: readonly TransactWriteItem[]): Promise<"released" | "changed"> {
    return (await this.transact([this.#removal(record), ...others])) ? "released" : "changed";
  }

  /** The write by which a stream that waits goes on behind the event: to what else waits, or to nothing. */
  stepOver(record: QuarantineRecord): TransactWriteItem {
    const { revision, waitingTo } = record;
    if (waitingTo <= revision) return this.#removal(record);
    const next: QuarantineRecord = {
      ...record,
      revision: revision + 1n,
      attempts: 0,
      reason: "the event before it was discarded",
    };
    return { Put: { TableName: this.table, Item: itemOfRecord(next), ...unchanged(record) } };
  }

  /** What was decided about events of a view or a process. */
  decisions(subject: string): Promise<Decision[]> {
    return readDecisions(this.#dynamodb, this.table, subject);
  }

  /** Removes all records of a target that is gone, also one that changes meanwhile: nothing can be done for what waits there. */
  async forget(target: string): Promise<void> {
    for await (const record of this.recordsOf(target)) {
      await translated(
        this.#dynamodb.send(new DeleteItemCommand({ TableName: this.table, Key: { ...recordKey(record) } })),
      );
    }
  }

  /** Whether there is any record of a target, of an event that is failing or given up. */
  async hasRecords(target: string): Promise<boolean> {
    const query = new QueryCommand({
      TableName: this.table,
      ConsistentRead: true,
      KeyConditionExpression: "pk = :target",
      ExpressionAttributeValues: { ":target": { S: target } },
      Limit: 1,
    });
    const { Items = [] } = await translated(this.#dynamodb.send(query));
    return Items.length > 0;
  }

  /** How many streams of a target wait. */
  async count(target: string): Promise<number> {
    let count = 0;
    let after: Item | undefined;
    do {
      const query = new QueryCommand({
        TableName: this.table,
        ConsistentRead: true,
        Select: "COUNT",
        KeyConditionExpression: "pk = :target",
        FilterExpression: "#state = :quarantined",
        ExpressionAttributeNames: { "#state": "state" },
        ExpressionAttributeValues: { ":target": { S: target }, ":quarantined": { S: "quarantined" } },
        ...(after === undefined ? {} : { ExclusiveStartKey: after }),
      });
      const { Count = 0, LastEvaluatedKey } = await translated(this.#dynamodb.send(query));
      count += Count;
      after = LastEvaluatedKey;
    } while (after !== undefined);
    return count;
  }

  /** The records of a target, by stream. */
  async *recordsOf(target: string): AsyncGenerator<QuarantineRecord, void> {
    for await (const item of partitionItems(this.#dynamodb, this.table, target)) {
      if (isRecord(item)) yield recordOfItem(item);
    }
  }

  /** All records of all targets, in no order. */
  async *records(): AsyncGenerator<QuarantineRecord, void> {
    for await (const items of scanItems(this.#dynamodb, this.table)) {
      for (const item of items) if (isRecord(item)) yield recordOfItem(item);
    }
  }

  /** Writes all or nothing; false when one of the conditions did not hold. */
  async transact(items: readonly TransactWriteItem[]): Promise<boolean> {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        await translated(this.#dynamodb.send(new TransactWriteItemsCommand({ TransactItems: [...items] })));
        return true;
      } catch (error) {
        if (isTransactionConflict(error)) {
          if (conflicts === maximumTries) throw new ViewsUnavailableError("too many write at once: try again");
          await sleep(Math.random() * Math.min(1_000, 10 * 2 ** conflicts));
          continue;
        }
        if (!(error instanceof TransactionCanceledException)) throw error;
        const reasons = error.CancellationReasons ?? [];
        if (!reasons.some(({ Code }) => Code === "ConditionalCheckFailed")) throw error;
        return false;
      }
    }
  }

  #removal(record: QuarantineRecord): TransactWriteItem {
    return { Delete: { TableName: this.table, Key: recordKey(record), ...unchanged(record) } };
  }

  async #countOneMore(
    target: string,
    { stream, revision, error }: FailedAttempt,
    at: Date,
    keptUntil: Date,
  ): Promise<QuarantineRecord | undefined> {
    const update = new UpdateItemCommand({
      TableName: this.table,
      Key: recordKey({ target, stream }),
      UpdateExpression: "SET lastFailedAt = :at, lastError = :error, expiresAt = :expiresAt ADD attempts :one",
      ConditionExpression: "#state = :failing AND revision = :revision",
      ExpressionAttributeNames: { "#state": "state" },
      ExpressionAttributeValues: {
        ":at": { S: at.toISOString() },
        ":error": { S: error },
        ":expiresAt": expiry(keptUntil),
        ":one": { N: "1" },
        ":failing": { S: "failing" },
        ":revision": { N: revision.toString() },
      },
      ReturnValues: "ALL_NEW",
    });
    try {
      const { Attributes } = await translated(this.#dynamodb.send(update));
      return Attributes === undefined ? undefined : recordOfItem(Attributes);
    } catch (refusal) {
      if (refusal instanceof ConditionalCheckFailedException) return undefined;
      throw refusal;
    }
  }

  /** The first failure of this event; `known` is of another one, that has gone well since. */
  async #countFirst(
    target: string,
    { stream, revision, position, error }: FailedAttempt,
    at: Date,
    keptUntil: Date,
    known: QuarantineRecord | undefined,
  ): Promise<QuarantineRecord | undefined> {
    const failedAt = at.toISOString();
    const record: QuarantineRecord = {
      target,
      stream,
      state: "failing",
      revision,
      position,
      waitingTo: revision,
      attempts: 1,
      firstFailedAt: failedAt,
      lastFailedAt: failedAt,
      firstError: error,
      lastError: error,
    };
    const put = new PutItemCommand({
      TableName: this.table,
      Item: { ...itemOfRecord(record), expiresAt: expiry(keptUntil) },
      ...(known === undefined ? { ConditionExpression: "attribute_not_exists(pk)" } : unchanged(known)),
    });
    return (await taken(this.#dynamodb.send(put))) ? record : undefined;
  }

  async #replace(
    record: QuarantineRecord,
    next: QuarantineRecord,
    guard: TransactWriteItem | undefined,
  ): Promise<"quarantined" | "changed"> {
    const put: TransactWriteItem = {
      Put: { TableName: this.table, Item: itemOfRecord(next), ...unchanged(record) },
    };
    return (await this.transact(guard === undefined ? [put] : [put, guard])) ? "quarantined" : "changed";
  }
}

/** The table holds other things too: what was decided about events. */
function isRecord(item: Item): boolean {
  return item["state"] !== undefined;
}

/** Attempts may be counted meanwhile; what waits, and for what, may not have changed. */
function unchanged({ state, revision, waitingTo }: QuarantineRecord): {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Item;
} {
  return {
    ConditionExpression: "#state = :state AND revision = :revision AND waitingTo = :waitingTo",
    ExpressionAttributeNames: { "#state": "state" },
    ExpressionAttributeValues: {
      ":state": { S: state },
      ":revision": { N: revision.toString() },
      ":waitingTo": { N: waitingTo.toString() },
    },
  };
}

/** In seconds, as DynamoDB's time to live wants it. */
function expiry(at: Date): { N: string } {
  return { N: Math.ceil(at.getTime() / 1_000).toString() };
}

/** False when the write's condition did not hold. */
async function taken(write: Promise<unknown>): Promise<boolean> {
  try {
    await translated(write);
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}
