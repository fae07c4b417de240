/** One write of one stream into a generation: the rows that some of its successive events change, and its guard. */
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type TransactWriteItem,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { comparePositions, type Position } from "../event-store/position.ts";
import { readEventData } from "../event-store/event-types.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { translated } from "./dynamodb.ts";
import type { Guard } from "./guard.ts";
import {
  guardAttributes,
  guardItemKey,
  guardNames,
  type ItemKey,
  marshallRow,
  ownerName,
  quarantinedName,
  rowItemKey,
  writesName,
} from "./item.ts";
import { isListed, type Projection, type RowKey } from "./projection.ts";
import {
  andThen,
  andThenWrite,
  checkChange,
  checkedOwner,
  checkOwnership,
  noWrite,
  type RowChange,
  RowChangeError,
  type RowWrite,
  setsOwned,
} from "./row-write.ts";
import { checkedRowKey, guardKeyOf, ownedRowKey } from "./stream-keys.ts";
import { updateExpression } from "./update-expression.ts";

/** DynamoDB's limit on a transaction. */
export const maximumTransactionItems = 100;

export interface StreamWrite {
  readonly stream: string;
  /** The revision that the guard must be at for this write to be taken; -1 when there is no guard yet. */
  readonly expected: bigint;
  readonly guard: Guard;
  /** Changed rows by their key's text. */
  readonly rows: Rows;
  /** Why the event after the guard could not be applied; absent when nothing is wrong with it. */
  readonly failure?: { readonly revision: bigint; readonly error: unknown };
}

interface ChangedRow {
  readonly key: RowKey;
  readonly write: RowWrite;
  /** The stream, where it sets attributes of a row that others may touch too. */
  readonly owner: string | undefined;
}

type Rows = ReadonlyMap<string, ChangedRow>;

const noRows: Rows = new Map();

const keyText = (key: RowKey): string => JSON.stringify([key.partition, key.sort]);

/**
 * The changes that one event makes, keyed; nothing for types that the projection does not list, and for events that are discarded. Throws {@link RowChangeError}
 * for changes that no generation can take, so that live delivery and replay refuse the same events.
 */
export function changesOf(
  projection: Projection,
  event: StoredEvent,
): readonly { readonly key: RowKey; readonly change: RowChange }[] {
  if (!isListed(projection, event.type) || projection.isDiscarded?.(event) === true) return [];
  const { type, stream, revision, position } = event;
  const projected = { type, data: readEventData(projection.eventTypes, event), stream, revision, position };
  if (projection.rows === "one-per-stream") {
    const key = ownedRowKey(projection, stream);
    const change = projection.changes(projected);
    checkChange(change);
    return [{ key, change }];
  }
  const changes = projection.changes(projected).map((change) => ({ key: checkedRowKey(change.key), change }));
  for (const { change } of changes) {
    checkChange(change);
    checkOwnership(change, projection.owned);
  }
  const rows = changes.length < maximumTransactionItems ? 0 : new Set(changes.map(({ key }) => keyText(key))).size;
  if (rows >= maximumTransactionItems) {
    throw new RowChangeError(`one event changes ${rows} rows: at most 99 fit a transaction with the guard`);
  }
  return changes;
}

/**
 * Folds the first of `events`, successive ones right after revision `expected`, into one write: as many as fit one
 * transaction, and none from the first that cannot be applied on. Events before `from` only move the guard.
 */
export function writeOfEvents(
  projection: Projection,
  from: Position,
  expected: bigint,
  events: readonly StoredEvent[],
): StreamWrite | undefined {
  const rows = new Map<string, ChangedRow>();
  let guard: Guard | undefined;
  let stream = "";
  for (const event of events) {
    stream = event.stream;
    let changed: Rows;
    try {
      changed = comparePositions(event.position, from) < 0 ? noRows : changedRows(projection, event, rows);
    } catch (error) {
      const failure = { revision: event.revision, error };
      const reached = guard ?? { revision: expected, position: event.position };
      return { stream, expected, guard: reached, rows, failure };
    }
    const added = [...changed.keys()].filter((key) => !rows.has(key)).length;
    if (guard !== undefined && 1 + rows.size + added > maximumTransactionItems) break;
    for (const [key, row] of changed) rows.set(key, row);
    guard = { revision: event.revision, position: event.position };
  }
  return guard === undefined ? undefined : { stream, expected, guard, rows };
}

function changedRows(projection: Projection, event: StoredEvent, rows: Rows): Rows {
  const changed = new Map<string, ChangedRow>();
  for (const { key, change } of changesOf(projection, event)) {
    const text = keyText(key);
    const before = changed.get(text) ?? rows.get(text);
    const owner = projection.rows === "shared" && setsOwned(change) ? event.stream : before?.owner;
    changed.set(text, { key, write: andThen(before?.write ?? noWrite, change), owner });
  }
  return changed;
}

/** Writes the row of a one-per-stream projection with the guard in it. */
export async function writeOwnedRow(
  dynamodb: DynamoDBClient,
  table: string,
  projection: Extract<Projection, { rows: "one-per-stream" }>,
  write: StreamWrite,
): Promise<"written" | "guard-moved"> {
  const key = guardKeyOf(projection, write.stream);
  const row = [...write.rows.values()][0]?.write ?? noWrite;
  const condition = guardCondition(write.expected);
  try {
    await translated(
      row.replace
        ? dynamodb.send(
            // Without attributes this leaves a hidden tombstone: the guard outlives the row.
            new PutItemCommand({
              TableName: table,
              Item: { ...key, ...marshallRow(row), ...guardAttributes(write.guard) },
              ...condition,
            }),
          )
        : dynamodb.send(
            new UpdateItemCommand({
              TableName: table,
              Key: key,
              ...merged(updateExpression(row, guardAttributes(write.guard)), condition),
            }),
          ),
    );
    return "written";
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return "guard-moved";
    throw error;
  }
}

/**
 * Writes the rows and guards of several streams in one transaction: a row that many of them touch is written once.
 * Returns the streams whose guards were not where they were expected; then nothing was written.
 */
export async function writeSharedRows(
  dynamodb: DynamoDBClient,
  table: string,
  writes: readonly StreamWrite[],
): Promise<"written" | { readonly moved: readonly string[] }> {
  const guards = writes.map((write) => guardUpdate(table, write));
  const changed = [...rowsOf(writes).values()];
  const rows = changed.map<TransactWriteItem>(({ key, write, owner }) => {
    const counted = { ...write, add: new Map([...write.add, [writesName, 1]]) };
    const update =
      owner === undefined
        ? updateExpression(counted, {})
        : merged(updateExpression(counted, { [ownerName]: { S: owner } }), ownerCondition(owner));
    return { Update: { TableName: table, Key: rowItemKey(key), ...update } };
  });
  try {
    await translated(dynamodb.send(new TransactWriteItemsCommand({ TransactItems: [...guards, ...rows] })));
    return "written";
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    const reasons = error.CancellationReasons ?? [];
    const moved = writes.filter((_, index) => reasons[index]?.Code === "ConditionalCheckFailed");
    if (moved.length > 0) return { moved: moved.map(({ stream }) => stream) };
    const foreign = changed.find((_, index) => reasons[writes.length + index]?.Code === "ConditionalCheckFailed");
    if (foreign === undefined) throw error;
    const row = JSON.stringify([foreign.key.partition, foreign.key.sort]).slice(0, 200);
    const message = `stream ${foreign.owner ?? ""} sets attributes of the row ${row}, which another stream owns: give each row one owner`;
    throw new RowChangeError(message, { cause: error });
  }
}

const movedGuard = { "#guard": guardNames.revision, "#commit": guardNames.commit, "#prepare": guardNames.prepare };

/** Moves a guard that is an item of its own. A batch has hundreds of them, so the expression is not put together each time. */
function guardUpdate(table: string, { stream, expected, guard }: StreamWrite): TransactWriteItem {
  const move = {
    UpdateExpression: "SET #guard = :moved, #commit = :commit, #prepare = :prepare",
    ExpressionAttributeNames: movedGuard,
    ExpressionAttributeValues: {
      ":moved": { N: guard.revision.toString() },
      ":commit": { N: guard.position.commit.toString() },
      ":prepare": { N: guard.position.prepare.toString() },
    },
  };
  return { Update: { TableName: table, Key: guardItemKey(stream), ...merged(move, guardCondition(expected)) } };
}

/** The rows of several writes, sums of the same row added up. Throws {@link RowChangeError} where two of them would own one. */
function rowsOf(writes: readonly StreamWrite[]): Rows {
  const rows = new Map<string, ChangedRow>();
  for (const { rows: changed } of writes) {
    for (const [text, row] of changed) {
      const before = rows.get(text);
      const owner = row.owner === undefined ? before?.owner : checkedOwner(before?.owner, row.owner);
      const write = before === undefined ? row.write : andThenWrite(before.write, row.write);
      rows.set(text, { key: row.key, write, owner });
    }
  }
  return rows;
}

/** Packs writes, in their order, into transactions of at most 100 items. */
export function groupForTransactions(writes: readonly StreamWrite[]): StreamWrite[][] {
  const groups: StreamWrite[][] = [];
  const keys = new Set<string>();
  for (const write of writes) {
    const last = groups.at(-1);
    let added = 0;
    for (const key of write.rows.keys()) if (!keys.has(key)) added += 1;
    if (last !== undefined && last.length + 1 + keys.size + added <= maximumTransactionItems) last.push(write);
    else {
      groups.push([write]);
      keys.clear();
    }
    for (const key of write.rows.keys()) keys.add(key);
  }
  return groups;
}

/** Marks a stream as waiting at `revision`, provided that its guard stands right before it. */
export function markGuard(table: string, key: ItemKey, revision: bigint): TransactWriteItem {
  const { ExpressionAttributeNames, ExpressionAttributeValues, ConditionExpression } = guardCondition(revision - 1n);
  return {
    Update: {
      TableName: table,
      Key: { ...key },
      UpdateExpression: "SET #quarantined = :quarantined",
      ConditionExpression,
      ExpressionAttributeNames: { ...ExpressionAttributeNames, "#quarantined": quarantinedName },
      ExpressionAttributeValues: { ...ExpressionAttributeValues, ":quarantined": { N: revision.toString() } },
    },
  };
}

/** Takes the mark from a stream whose guard has come to `revision` at least. */
export function unmarkGuard(table: string, key: ItemKey, revision: bigint): TransactWriteItem {
  return {
    Update: {
      TableName: table,
      Key: { ...key },
      UpdateExpression: "REMOVE #quarantined",
      ConditionExpression: "#guard >= :revision",
      ExpressionAttributeNames: { "#guard": guardNames.revision, "#quarantined": quarantinedName },
      ExpressionAttributeValues: { ":revision": { N: revision.toString() } },
    },
  };
}

/** Moves the guard over one event without its changes; `waitsAt` is where the stream waits then, if it does. */
export function passGuard(table: string, key: ItemKey, guard: Guard, waitsAt: bigint | undefined): TransactWriteItem {
  const condition = guardCondition(guard.revision - 1n);
  const mark: RowWrite = { ...noWrite, remove: new Set(waitsAt === undefined ? [quarantinedName] : []) };
  const engine = {
    ...guardAttributes(guard),
    ...(waitsAt === undefined ? {} : { [quarantinedName]: { N: waitsAt.toString() } }),
  };
  return { Update: { TableName: table, Key: { ...key }, ...merged(updateExpression(mark, engine), condition) } };
}

interface Expression {
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
  readonly ConditionExpression: string;
}

function guardCondition(expected: bigint): Expression {
  const ExpressionAttributeNames = { "#guard": guardNames.revision };
  return expected < 0n
    ? { ConditionExpression: "attribute_not_exists(#guard)", ExpressionAttributeNames }
    : {
        ConditionExpression: "#guard = :guard",
        ExpressionAttributeNames,
        ExpressionAttributeValues: { ":guard": { N: expected.toString() } },
      };
}

function ownerCondition(owner: string): Expression {
  return {
    ConditionExpression: "attribute_not_exists(#owner) OR #owner = :owner",
    ExpressionAttributeNames: { "#owner": ownerName },
    ExpressionAttributeValues: { ":owner": { S: owner } },
  };
}

function merged(
  update: ReturnType<typeof updateExpression>,
  condition: Expression,
): Expression & { UpdateExpression: string } {
  return {
    ...update,
    ...condition,
    ExpressionAttributeNames: { ...update.ExpressionAttributeNames, ...condition.ExpressionAttributeNames },
    ExpressionAttributeValues: {
      ...update.ExpressionAttributeValues,
      ...condition.ExpressionAttributeValues,
    },
  };
}
