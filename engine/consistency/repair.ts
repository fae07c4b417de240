/**
 * Puts single rows and guards right, beside traffic, where a check has found them wrong. The guards are taken for the truth,
 * except where they cannot be: each row is brought to the fold of its streams up to their guards, by a write on condition that
 * nothing has touched the row since it was read; what delivery has not brought is then applied as delivery does. Whether all is
 * right afterwards is for another check to say.
 */
import { type DynamoDBClient, PutItemCommand, UpdateItemCommand, DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "../event-store/event-store.ts";
import { collect } from "../commands/load-by-snapshot.ts";
import { withDecisions } from "../quarantine/decisions.ts";
import { viewTarget } from "../quarantine/quarantine-record.ts";
import type { Generation } from "../views/catalog.ts";
import { isNamed, translated } from "../views/dynamodb.ts";
import type { Guard } from "../views/guard.ts";
import {
  guardAttributes,
  guardNames,
  guardOfItem,
  type Item,
  type ItemKey,
  marshallRow,
  ownerName,
  quarantinedName,
  rowItemKey,
  streamOfGuardItem,
  writesName,
  writesOfItem,
} from "../views/item.ts";
import { applyEvents, type LiveWriter } from "../views/live-writer.ts";
import type { Projection, RowAttributes, RowKey } from "../views/projection.ts";
import { rowOf } from "../views/row-write.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { type CheckContext, liveOf } from "./check.ts";
import {
  attributesText,
  type Difference,
  describeDifference,
  guardText,
  jsonValue,
  rowText,
  toJson,
} from "./difference.ts";
import type { CheckReport } from "./generation-check.ts";
import { History } from "./history.ts";
import { isSameRow } from "./plain-row.ts";
import { foundAttributes, getItems, itemText, readRevisions } from "./table-items.ts";

export interface RepairScope extends Pick<LiveWriter, "waitBehind"> {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table" | "from">;
  /** Rows that the check could not decide: they may count events that their guards have not let in. */
  readonly undecidedRows?: number;
  /** Whether all rows were checked; true unless given. Those that were not may count events that their guards have not let in. */
  readonly isWhole?: boolean;
  /** Told of a row or guard right before it is written, as it will be told afterwards if nothing has come in between. */
  readonly onWrite?: (repaired: Repair) => void;
  /** Whether what was decided about events still is what `projection` knows; true unless given. */
  readonly isDecidedSo?: () => Promise<boolean>;
}

/** What was done about a difference. */
export type Repair =
  /** `before` is what was there, `after` what is there now; without attributes the row is not there. */
  | {
      readonly what: "row-repaired";
      readonly key: RowKey;
      readonly before: RowAttributes;
      readonly after: RowAttributes;
    }
  | {
      readonly what: "guard-repaired";
      readonly stream: string;
      readonly before: Guard;
      /** Absent where the guard was of no stream and is gone. */
      readonly after?: Guard;
    }
  /** The stream's events that were missing are applied, so many. */
  | { readonly what: "events-applied"; readonly stream: string; readonly events: number }
  /** Delivery, or another repair, was quicker. */
  | { readonly what: "right-already"; readonly difference: Difference }
  /** Nothing that a write could mend, or nobody can say what would be right. */
  | { readonly what: "left"; readonly difference: Difference; readonly why: string };

/** So many wrong rows are no damage of single rows: a replay builds the view anew, beside the one that is read. */
export const mostRepairs = 1_000;

export class TooMuchToRepairError extends Error {
  readonly code = "TOO_MUCH_TO_REPAIR";
  override readonly name = "TooMuchToRepairError";
}

const maximumTries = 50;
const longestPauseMs = 40;

/** Repairs the live generation of a view, if that is still the one in which the differences were found. Throws as {@link repair}. */
export async function* repairLive(
  context: CheckContext,
  versions: readonly [Projection, ...Projection[]],
  found: Pick<CheckReport, "generation" | "differences" | "undecidedCount" | "only">,
  { onWrite }: Pick<RepairScope, "onWrite"> = {},
): AsyncGenerator<Repair, void> {
  const view = versions[0].name;
  const { generation, projection, decisions } = await liveOf(context, view, versions);
  if (generation.id !== found.generation) return;
  const { dynamodb, eventStore, quarantine } = context;
  const target = viewTarget(view, generation.id);
  const waitBehind = (stream: string, revision: bigint) => quarantine.waitBehind(target, stream, revision);
  const isDecidedSo = async (): Promise<boolean> => (await quarantine.decisions(view)).length === decisions.length;
  const decided = withDecisions(projection, decisions);
  const rows = { undecidedRows: found.undecidedCount, isWhole: found.only === undefined };
  const told = onWrite === undefined ? {} : { onWrite };
  const scope = { dynamodb, eventStore, generation, projection: decided, waitBehind, isDecidedSo, ...rows, ...told };
  yield* repair(scope, found.differences);
}

/** Guards first, then rows, then what never arrived. Throws {@link TooMuchToRepairError} before anything is written. */
export async function* repair(scope: RepairScope, differences: readonly Difference[]): AsyncGenerator<Repair, void> {
  if (differences.length > mostRepairs) {
    throw new TooMuchToRepairError(
      `${differences.length} places differ, more than ${mostRepairs}: replay the view, which is as quick and can be undone`,
    );
  }
  const rows: { readonly key: RowKey; readonly difference: Difference }[] = [];
  const behind: Extract<Difference, { kind: "guard-behind" }>[] = [];
  for (const difference of differences) {
    switch (difference.kind) {
      case "row-missing":
      case "row-unexpected":
      case "row-differs":
        rows.push({ key: difference.key, difference });
        break;
      case "guard-behind":
        behind.push(difference);
        break;
      case "guard-ahead":
      case "guard-position":
        yield await repairGuard(scope, difference);
        break;
      case "guard-orphan":
        // In a row of one stream it goes with the row, which no event says should be there.
        if (scope.projection.rows === "shared") yield await removeOrphan(scope, difference);
        else rows.push({ key: difference.key, difference });
        break;
      case "quarantined":
        yield { what: "left", difference, why: "redrive it, or discard the event: it is no damage" };
        break;
      case "event-unreadable":
        yield { what: "left", difference, why: "deploy code that can take the event" };
        break;
    }
  }
  for (const { stream, actual } of behind) if (actual === undefined) await removeDamagedGuard(scope, stream);
  let isDecided = (scope.undecidedRows ?? 0) === 0;
  for await (const repaired of repairRows(scope, rows)) {
    if (repaired.what === "left") isDecided = false;
    yield repaired;
  }
  // A row of one stream was checked with its guard, and nothing else counts its events.
  const isWhole = scope.projection.rows !== "shared" || (scope.isWhole ?? true);
  const rowsInDoubt = isDecided ? "that were not checked" : "that are not decided";
  const why = `rows ${rowsInDoubt} may count its events already: applied now, they could count twice`;
  for (const difference of behind) {
    yield isDecided && isWhole ? await applyMissing(scope, difference) : { what: "left", difference, why };
  }
}

async function repairGuard(
  { dynamodb, projection, generation, onWrite }: RepairScope,
  difference: Extract<Difference, { kind: "guard-ahead" | "guard-position" }>,
): Promise<Repair> {
  const { stream, expected, actual } = difference;
  const repaired: Repair = { what: "guard-repaired", stream, before: actual, after: expected };
  onWrite?.(repaired);
  const written = await conditionally(
    dynamodb.send(
      new UpdateItemCommand({
        TableName: generation.table,
        Key: { ...guardKeyOf(projection, stream) },
        UpdateExpression: "SET #guard = :guard, #commit = :commit, #prepare = :prepare",
        ConditionExpression: "#guard = :seen",
        ExpressionAttributeNames: {
          "#guard": guardNames.revision,
          "#commit": guardNames.commit,
          "#prepare": guardNames.prepare,
        },
        ExpressionAttributeValues: {
          ":guard": { N: expected.revision.toString() },
          ":commit": { N: expected.position.commit.toString() },
          ":prepare": { N: expected.position.prepare.toString() },
          ":seen": { N: actual.revision.toString() },
        },
      }),
    ),
  );
  return written ? repaired : { what: "right-already", difference };
}

async function removeOrphan(
  { dynamodb, generation, onWrite }: RepairScope,
  difference: Extract<Difference, { kind: "guard-orphan" }>,
): Promise<Repair> {
  const { stream, key, actual } = difference;
  const repaired: Repair = { what: "guard-repaired", stream, before: actual };
  onWrite?.(repaired);
  const seen = {
    TableName: generation.table,
    Key: { ...rowItemKey(key) },
    ConditionExpression: "#guard = :seen",
    ExpressionAttributeValues: { ":seen": { N: actual.revision.toString() } },
  };
  const gone = await conditionally(
    streamOfGuardItem(seen.Key) === undefined
      ? // It strayed into a row, which stays.
        dynamodb.send(new UpdateItemCommand({ ...seen, ...withoutGuard }))
      : dynamodb.send(new DeleteItemCommand({ ...seen, ExpressionAttributeNames: { "#guard": guardNames.revision } })),
  );
  return gone ? repaired : { what: "right-already", difference };
}

const withoutGuard = {
  UpdateExpression: "REMOVE #guard, #commit, #prepare",
  ExpressionAttributeNames: {
    "#guard": guardNames.revision,
    "#commit": guardNames.commit,
    "#prepare": guardNames.prepare,
  },
};

/** A guard that has lost a part counts as none wherever it is read, and yet keeps writes from making it anew. */
async function removeDamagedGuard({ dynamodb, projection, generation }: RepairScope, stream: string): Promise<void> {
  await conditionally(
    dynamodb.send(
      new UpdateItemCommand({
        TableName: generation.table,
        Key: { ...guardKeyOf(projection, stream) },
        ConditionExpression:
          "attribute_exists(#guard) AND (attribute_not_exists(#commit) OR attribute_not_exists(#prepare))",
        ...withoutGuard,
      }),
    ),
  );
}

async function* repairRows(
  scope: RepairScope,
  rows: readonly { readonly key: RowKey; readonly difference: Difference }[],
): AsyncGenerator<Repair, void> {
  if (rows.length === 0) return;
  const { eventStore, projection, generation } = scope;
  const only = new Set(rows.map(({ key }) => itemText(rowItemKey(key))));
  using history = new History({ eventStore, projection, generation, floorOf: () => -1n, only });
  for (const { key, difference } of rows) yield await repairRow(scope, history, key, difference);
}

async function repairRow(scope: RepairScope, history: History, key: RowKey, difference: Difference): Promise<Repair> {
  const { dynamodb, projection, generation } = scope;
  const { table } = generation;
  const itemKey = rowItemKey(key);
  const text = itemText(itemKey);
  for (let tries = 0; tries < maximumTries; tries += 1) {
    if (tries > 0) await sleep(Math.random() * longestPauseMs);
    await history.catchUp();
    const item = (await getItems(dynamodb, table, [itemKey])).get(text);
    const guards = await guardsOf(scope, new Set([...history.streamsOf(text), ...history.doubtfulOf(text)]), item);
    // Every event that the row can count lies before a tail that is taken after it was read.
    await history.catchUp();
    if (history.streamsOf(text).some((stream) => !guards.has(stream))) continue;
    if (scope.isDecidedSo !== undefined && !(await scope.isDecidedSo())) {
      return { what: "left", difference, why: "an event was discarded meanwhile: repair again" };
    }
    const doubtful = history.whyDoubtful(text, (stream) => guards.get(stream) ?? -1n);
    if (doubtful !== undefined) return { what: "left", difference, why: doubtful };
    if ([...guards].some(([stream, guard]) => history.isBeyond(stream, guard))) {
      return { what: "left", difference, why: "the guard of one of its streams is beyond the last event" };
    }
    const expected = history.rowAt(text, guards);
    if (expected.outcome === "unknown") return { what: "left", difference, why: expected.why };
    const before = foundAttributes(item);
    const isOfNoStream = history.streamsOf(text).length === 0 && history.streamOfGuard(text) === undefined;
    const isOrphan = projection.rows !== "shared" && isOfNoStream && item !== undefined;
    if (isSameRow(expected.attributes, before) && !isOrphan) return { what: "right-already", difference };
    const after = expected.attributes;
    const repaired: Repair = { what: "row-repaired", key, before, after };
    scope.onWrite?.(repaired);
    const written =
      projection.rows === "shared"
        ? await putSharedRow(scope, itemKey, item, after, history.ownerOf(text, guards))
        : await putOwnedRow(scope, itemKey, item, after, isOfNoStream);
    if (written) return repaired;
  }
  return { what: "left", difference, why: "it was written too often to be repaired" };
}

/** Read after the row: where nothing has touched the row since, they are those that it stands at. */
async function guardsOf(
  { dynamodb, projection, generation }: RepairScope,
  streams: ReadonlySet<string>,
  item: Item | undefined,
): Promise<Map<string, bigint>> {
  if (projection.rows !== "shared") {
    return new Map([...streams].map((stream) => [stream, guardOfItem(item)?.revision ?? -1n]));
  }
  const keys = new Map([...streams].map((stream) => [stream, guardKeyOf(projection, stream)]));
  return readRevisions(dynamodb, generation.table, keys);
}

/** Every write of a shared row raises its counter: with the counter unmoved nothing has touched it. */
async function putSharedRow(
  { dynamodb, generation }: RepairScope,
  key: ItemKey,
  item: Item | undefined,
  attributes: RowAttributes,
  owner: string | undefined,
): Promise<boolean> {
  const seen = item?.[writesName];
  return conditionally(
    dynamodb.send(
      new PutItemCommand({
        TableName: generation.table,
        Item: {
          ...key,
          ...marshallRow(rowOf(attributes)),
          [writesName]: { N: (writesOfItem(item) + 1n).toString() },
          ...(owner === undefined ? {} : { [ownerName]: { S: owner } }),
        },
        ConditionExpression: seen === undefined ? "attribute_not_exists(#writes)" : "#writes = :seen",
        ExpressionAttributeNames: { "#writes": writesName },
        ...(seen === undefined ? {} : { ExpressionAttributeValues: { ":seen": seen } }),
      }),
    ),
  );
}

/** The guard sits in the row: with the guard unmoved nothing has touched it. A row of no stream goes, and its guard with it. */
async function putOwnedRow(
  { dynamodb, generation }: RepairScope,
  key: ItemKey,
  item: Item | undefined,
  attributes: RowAttributes,
  isOfNoStream: boolean,
): Promise<boolean> {
  const guard = guardOfItem(item);
  const mark = item?.[quarantinedName];
  // A stream may be given up without its guard being moved: its mark is to stay.
  const isUnmoved = guard === undefined ? "attribute_not_exists(#guard)" : "#guard = :seen";
  const isUnmarked = mark === undefined ? "attribute_not_exists(#mark)" : "#mark = :mark";
  const values = {
    ...(guard === undefined ? {} : { ":seen": { N: guard.revision.toString() } }),
    ...(mark === undefined ? {} : { ":mark": mark }),
  };
  const condition = {
    TableName: generation.table,
    ConditionExpression: `${isUnmoved} AND ${isUnmarked}`,
    ExpressionAttributeNames: { "#guard": guardNames.revision, "#mark": quarantinedName },
    ...(Object.keys(values).length === 0 ? {} : { ExpressionAttributeValues: values }),
  };
  if (isOfNoStream || (guard === undefined && mark === undefined)) {
    return conditionally(dynamodb.send(new DeleteItemCommand({ ...condition, Key: { ...key } })));
  }
  const engine = {
    ...(guard === undefined ? {} : guardAttributes(guard)),
    ...(mark === undefined ? {} : { [quarantinedName]: mark }),
  };
  const whole: Item = { ...key, ...marshallRow(rowOf(attributes)), ...engine };
  return conditionally(dynamodb.send(new PutItemCommand({ ...condition, Item: whole })));
}

/** The last event that was found missing is handed over once more, from the log, for its stream may hide it; what lies before it is found missing too. */
async function applyMissing(
  scope: RepairScope,
  difference: Extract<Difference, { kind: "guard-behind" }>,
): Promise<Repair> {
  const { stream, expected } = difference;
  const [last] = await collect(scope.eventStore.readAll(expected.position, expected.position));
  if (last?.stream !== stream) return { what: "left", difference, why: "its last event is not in the store any more" };
  const { applied, failures, waiting } = await applyEvents(scope, [last]);
  const [failure] = failures;
  if (failure !== undefined) {
    const why = failure.error instanceof Error ? failure.error.message : String(failure.error);
    return { what: "left", difference, why };
  }
  if (waiting.length > 0) return { what: "left", difference, why: "it waits behind an event that was given up" };
  return applied === 0
    ? { what: "right-already", difference }
    : { what: "events-applied", stream: difference.stream, events: applied };
}

/** False when the condition did not hold. */
async function conditionally(write: Promise<unknown>): Promise<boolean> {
  try {
    await translated(write);
    return true;
  } catch (error) {
    if (isNamed(error, "ConditionalCheckFailedException")) return false;
    throw error;
  }
}

/** One line for a person. */
export function describeRepair(repaired: Repair): string {
  switch (repaired.what) {
    case "row-repaired": {
      const { key, before, after } = repaired;
      return `row ${rowText(key)} repaired: ${attributesText(before)} -> ${attributesText(after)}`;
    }
    case "guard-repaired": {
      const { stream, before, after } = repaired;
      return `guard of ${stream} repaired: ${guardText(before)} -> ${guardText(after)}`;
    }
    case "events-applied":
      return `${repaired.events} events of ${repaired.stream} applied that were missing`;
    case "right-already":
      return `right by now: ${describeDifference(repaired.difference)}`;
    case "left":
      return `left as it is: ${describeDifference(repaired.difference)}: ${repaired.why}`;
  }
}

/** For JSON, like a difference. */
export function repairToJson(repaired: Repair): Record<string, unknown> {
  const parts = Object.entries(repaired).map(([name, part]) => [
    name,
    name === "difference" && "difference" in repaired ? toJson(repaired.difference) : jsonValue(part),
  ]);
  return Object.fromEntries(parts) as Record<string, unknown>;
}
