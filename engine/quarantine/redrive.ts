/**
 * Tries again what was given up: the event, and all that waits behind it, in order, from the stream's guard. The record goes only
 * when the guard has come to the last event that waits, and in the same moment nothing new does; events that are delivered
 * meanwhile are applied by whoever is first, and by the guard only once.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { collect } from "../commands/load-by-snapshot.ts";
import { StreamDeletedError } from "../event-store/errors.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { type Position, startOfAll } from "../event-store/position.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { type Catalog, type Generation, writtenGenerations } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { ViewsUnavailableError } from "../views/dynamodb.ts";
import { StreamHoleError } from "../views/gap.ts";
import { applyEvents, isInfrastructureFailure, readGuard, type StreamFailure } from "../views/live-writer.ts";
import type { Projection } from "../views/projection.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { markGuard, unmarkGuard } from "../views/stream-write.ts";
import type { Quarantine } from "./quarantine.ts";
import { errorText, type QuarantineRecord, viewOfTarget, viewTarget } from "./quarantine-record.ts";

export interface RedriveContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly catalog: Catalog;
  readonly quarantine: Quarantine;
}

export type RedriveOutcome =
  /** All that waited is applied; `events` of them by this redrive. */
  | { readonly outcome: "released"; readonly events: number }
  /** It still fails, at this revision, which may be a later one than before: the stream waits there. */
  | { readonly outcome: "still-failing"; readonly revision: bigint; readonly error: string }
  /** Its generation is written no more, or another redrive was quicker. */
  | { readonly outcome: "nothing-to-do" };

/** Events that are read and applied in one go. */
const eventsAtOnce = 500;
const maximumRounds = 1_000;

/** Tries a record of a view. Throws ViewsUnavailableError and the errors of the event store: then nothing has changed. */
export async function redriveInView(
  context: RedriveContext,
  versions: readonly Projection[],
  record: QuarantineRecord,
): Promise<RedriveOutcome> {
  const generation = await generationOf(context, record);
  if (generation === undefined) {
    // What wrote it is gone with all that it held.
    await context.quarantine.release(record);
    return { outcome: "nothing-to-do" };
  }
  const entry = { projection: viewOfTarget(record.target)?.view ?? "" };
  const writer = { ...context, projection: deployedVersion(entry, generation, versions), generation };
  let events = 0;
  let current: QuarantineRecord | undefined = record;
  for (let round = 0; round < maximumRounds; round += 1) {
    const guard = await readGuard(writer, record.stream);
    const seen = guard?.revision ?? -1n;
    if (seen >= current.waitingTo) {
      const unmark = unmarkGuard(generation.table, guardKeyOf(writer.projection, record.stream), current.waitingTo);
      if ((await context.quarantine.release(current, unmark)) === "released") return { outcome: "released", events };
    } else {
      const batch = await eventsFrom(context.eventStore, current, seen + 1n, guard?.position ?? startOfAll);
      const { applied, failures } = await applyEvents(writer, batch);
      events += applied;
      const [failure] = batch.length === 0 ? [goneFrom(record.stream, seen + 1n)] : failures;
      if (failure !== undefined) return stillFailing(context, writer, current, failure, batch);
    }
    current = await context.quarantine.read(record.target, record.stream);
    if (current?.state !== "quarantined") return { outcome: "nothing-to-do" };
  }
  throw new ViewsUnavailableError(`the stream ${record.stream} moves on faster than it is redriven: try again`);
}

function goneFrom(stream: string, revision: bigint): StreamFailure {
  const what = `revision ${revision.toString()} of ${stream} is no longer in the store: it was scavenged`;
  return { stream, revision, error: new StreamHoleError(what) };
}

async function generationOf(
  { catalog }: RedriveContext,
  { target }: QuarantineRecord,
): Promise<Generation | undefined> {
  const of = viewOfTarget(target);
  if (of === undefined) throw new RangeError(`${target} is no generation of a view`);
  const written = writtenGenerations(await catalog.read(of.view));
  return written.find(({ id }) => viewTarget(of.view, id) === target);
}

async function stillFailing(
  { quarantine }: RedriveContext,
  { projection, generation }: { readonly projection: Projection; readonly generation: Generation },
  record: QuarantineRecord,
  { revision, error }: StreamFailure,
  batch: readonly StoredEvent[],
): Promise<RedriveOutcome> {
  if (isInfrastructureFailure(error)) {
    throw new ViewsUnavailableError(`event ${revision.toString()}@${record.stream} could not be tried now: try again`, {
      cause: error,
    });
  }
  const position = batch.find((event) => event.revision === revision)?.position ?? record.position;
  const next = failedAgain(record, revision, position, errorText(error));
  const mark = markGuard(generation.table, guardKeyOf(projection, record.stream), revision);
  await quarantine.moveOn(record, next, mark);
  return { outcome: "still-failing", revision, error: next.lastError };
}

/** The record after one more failure, of the same event or of a later one. */
export function failedAgain(
  record: QuarantineRecord,
  revision: bigint,
  position: Position,
  error: string,
): QuarantineRecord {
  const lastFailedAt = new Date().toISOString();
  // One that was only waiting until the event before it was discarded has not failed before.
  if (revision === record.revision && record.attempts > 0) {
    return { ...record, attempts: record.attempts + 1, lastFailedAt, lastError: error };
  }
  const waitingTo = record.waitingTo > revision ? record.waitingTo : revision;
  const first = {
    attempts: 1,
    firstFailedAt: lastFailedAt,
    firstError: error,
    reason: "failed when its stream was redriven",
  };
  return { ...record, ...first, revision, position, waitingTo, lastFailedAt, lastError: error };
}

/**
 * The next events of a record's stream from `first` on, up to the last that waits. What truncation or deletion hides is left for
 * the guard's gap to be filled, for which one event behind it is enough.
 */
export async function eventsFrom(
  eventStore: EventStore,
  { stream, waitingTo }: Pick<QuarantineRecord, "stream" | "waitingTo">,
  first: bigint,
  after: Position,
): Promise<readonly StoredEvent[]> {
  const left = waitingTo - first + 1n;
  const most = left < BigInt(eventsAtOnce) ? left : BigInt(eventsAtOnce);
  try {
    const events = await collect(eventStore.readStream(stream, first, most));
    const wanted = events.filter(({ revision }) => revision <= waitingTo);
    if (wanted.length > 0) return wanted;
  } catch (error) {
    if (!(error instanceof StreamDeletedError)) throw error;
  }
  const hidden: StoredEvent[] = [];
  for await (const event of eventStore.readAll(after)) {
    if (event.stream !== stream || event.revision < first || event.revision > waitingTo) continue;
    hidden.push(event);
    if (event.revision === waitingTo) break;
  }
  return hidden;
}
