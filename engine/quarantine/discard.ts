/**
 * Takes an event out of a view for good: a recorded decision, which everything that folds events honours. The guards step over
 * the event in the same transaction, so there is no moment in which one generation has it and the decision says otherwise.
 */
import type { TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { type Position, startOfAll } from "../event-store/position.ts";
import { type CatalogEntry, catalogKey, type Generation, writtenGenerations } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { readGuard } from "../views/live-writer.ts";
import type { Projection } from "../views/projection.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { passGuard } from "../views/stream-write.ts";
import { decide, type Decision } from "./decisions.ts";
import { type QuarantineRecord, viewTarget } from "./quarantine-record.ts";
import { eventsFrom, type RedriveContext } from "./redrive.ts";

/** The event cannot be discarded as things are; the message says what would have to be done first. */
export class DiscardRefusedError extends Error {
  readonly code = "DISCARD_REFUSED";
  override readonly name = "DiscardRefusedError";
}

export interface DiscardContext extends RedriveContext {
  readonly catalogTable: string;
}

const maximumTries = 12;

/** Why an event is discarded is for those who find it missing years later. */
export function checkedReason(reason: string): string {
  const text = reason.trim();
  if (text.length >= 3 && text.length <= 1_000) return text.toWellFormed();
  throw new DiscardRefusedError("say why, in 3 to 1000 characters: the reason is kept with the decision");
}

/**
 * Discards the event that the stream waits at, in every generation of the view that is written. What waits behind it is then to
 * be redriven. Throws {@link DiscardRefusedError}.
 */
export async function discardInView(
  context: DiscardContext,
  view: string,
  versions: readonly Projection[],
  stream: string,
  reason: string,
): Promise<Decision> {
  const why = checkedReason(reason);
  for (let tries = 0; tries < maximumTries; tries += 1) {
    const entry = await context.catalog.read(view);
    const records = await recordsIn(context, entry, stream);
    const { decision, writes } = await decisionOn(context, entry, versions, records, stream, why);
    if (await context.quarantine.transact(writes)) return decision;
  }
  throw new DiscardRefusedError(`${stream} moves in ${view}, and may have taken the event meanwhile: redrive it`);
}

/** The same for a process, which has no generations and no guards. */
export async function discardInProcess(
  { quarantine }: Pick<DiscardContext, "quarantine">,
  process: string,
  stream: string,
  reason: string,
): Promise<Decision> {
  const why = checkedReason(reason);
  for (let tries = 0; tries < maximumTries; tries += 1) {
    const record = await quarantine.read(process, stream);
    if (record?.state !== "quarantined") throw notWaiting(process, stream);
    checkIsTried(record);
    const decision = decisionFor(process, record, why);
    if (await quarantine.transact([decide(quarantine.table, decision), quarantine.stepOver(record)])) return decision;
  }
  throw new DiscardRefusedError(`${stream} keeps moving in ${process}: try again`);
}

async function recordsIn(
  { quarantine }: DiscardContext,
  { projection: view, generations }: CatalogEntry,
  stream: string,
): Promise<ReadonlyMap<string, QuarantineRecord>> {
  const records = await Promise.all(generations.map(({ id }) => quarantine.read(viewTarget(view, id), stream)));
  return new Map(records.flatMap((record) => (record?.state === "quarantined" ? [[record.target, record]] : [])));
}

async function decisionOn(
  context: DiscardContext,
  entry: CatalogEntry,
  versions: readonly Projection[],
  records: ReadonlyMap<string, QuarantineRecord>,
  stream: string,
  reason: string,
): Promise<{ readonly decision: Decision; readonly writes: TransactWriteItem[] }> {
  const { projection: view } = entry;
  const building = entry.generations.find(({ role }) => role === "building");
  if (building !== undefined) {
    const what = `generation ${building.id} of ${view} is being built, and may hold the event already`;
    throw new DiscardRefusedError(`${what}: wait until its replay is over, or abort it`);
  }
  const paused = entry.generations.find((one) => one.paused !== undefined && one.role !== "retiring");
  if (paused !== undefined) {
    const what = `generation ${paused.id} of ${view} is paused, and may hold the event or wait at it when it goes on`;
    throw new DiscardRefusedError(`${what}: resume it first, or abort or retire it`);
  }
  const [first] = records.values();
  if (first === undefined) throw notWaiting(view, stream);
  checkIsTried(first);
  const decision = decisionFor(view, first, reason);
  const position = await positionOf(context, entry, versions, first);
  const passes: TransactWriteItem[] = [];
  for (const generation of writtenGenerations(entry)) {
    const record = records.get(viewTarget(view, generation.id));
    const projection = deployedVersion(entry, generation, versions);
    if (record !== undefined && record.revision !== first.revision) throw apart(record, first);
    if (record === undefined) throw await applied(context, projection, generation, first, view);
    const { revision, waitingTo } = record;
    const key = guardKeyOf(projection, stream);
    const waitsAt = waitingTo > revision ? revision + 1n : undefined;
    passes.push(passGuard(generation.table, key, { revision, position }, waitsAt), context.quarantine.stepOver(record));
  }
  const isSamePicture: TransactWriteItem = {
    ConditionCheck: {
      TableName: context.catalogTable,
      Key: catalogKey(view),
      ConditionExpression: "epoch = :epoch",
      ExpressionAttributeValues: { ":epoch": { N: entry.epoch.toString() } },
    },
  };
  return { decision, writes: [decide(context.quarantine.table, decision), isSamePicture, ...passes] };
}

/**
 * Where the event stands in the log, of which its record may know only that it is before another: a guard beyond it would hide
 * what lies between from whoever fills a gap. Of an event that is gone from the log, what is before it.
 */
async function positionOf(
  { dynamodb, eventStore }: DiscardContext,
  entry: CatalogEntry,
  versions: readonly Projection[],
  { stream, revision }: QuarantineRecord,
): Promise<Position> {
  const [generation] = writtenGenerations(entry);
  if (generation === undefined) throw notWaiting(entry.projection, stream);
  const projection = deployedVersion(entry, generation, versions);
  const before = (await readGuard({ dynamodb, projection, generation }, stream))?.position ?? startOfAll;
  const found = await eventsFrom(eventStore, { stream, waitingTo: revision }, revision, before);
  return found.find((event) => event.revision === revision)?.position ?? before;
}

/** Generations that disagree about an event: one has it, so that it can be applied after all. */
async function applied(
  { dynamodb }: DiscardContext,
  projection: Projection,
  generation: Generation,
  { stream, revision }: QuarantineRecord,
  view: string,
): Promise<DiscardRefusedError> {
  const { id } = generation;
  const guard = await readGuard({ dynamodb, projection, generation }, stream);
  const event = `event ${revision.toString()}@${stream}`;
  return guard !== undefined && guard.revision >= revision
    ? new DiscardRefusedError(
        `${event} is in the rows of generation ${id} of ${view}: make that one live, or abort or retire it first`,
      )
    : new DiscardRefusedError(`generation ${id} of ${view} has not come to ${event} yet: try again in a moment`);
}

/** Generations made by different code may take different events. */
function apart(one: QuarantineRecord, other: QuarantineRecord): DiscardRefusedError {
  const at = ({ target, revision }: QuarantineRecord): string => `at revision ${revision.toString()} in ${target}`;
  return new DiscardRefusedError(
    `${one.stream} waits ${at(one)} and ${at(other)}: redrive it until both wait at one event, or retire a generation`,
  );
}

function notWaiting(subject: string, stream: string): DiscardRefusedError {
  return new DiscardRefusedError(`${stream} does not wait in ${subject}: list what does`);
}

/** Nothing is known to be wrong with it: whoever asks has sent the discard of the event before it twice. */
function checkIsTried({ stream, revision, attempts }: QuarantineRecord): void {
  if (attempts > 0) return;
  throw new DiscardRefusedError(
    `event ${revision.toString()}@${stream} has not been tried since the one before it was discarded: redrive it first`,
  );
}

function decisionFor(subject: string, record: QuarantineRecord, reason: string): Decision {
  const { stream, revision, lastError } = record;
  return { subject, stream, revision, reason, decidedAt: new Date().toISOString(), lastError };
}
