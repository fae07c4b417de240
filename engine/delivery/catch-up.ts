/**
 * Brings one stream up to a revision in a view because a reader waits for it, instead of letting the reader wait for the
 * delivery of its events: what is delivered afterwards is found applied.
 *
 * The catalog is read once and not again afterwards, as a delivered batch needs it, for nothing is acknowledged here: what joins
 * after that reading has the event from the log, or from its delivery, before it can become live.
 */
import { collect } from "../commands/load-by-snapshot.ts";
import { StreamDeletedError } from "../event-store/errors.ts";
import type { EventStore } from "../event-store/event-store.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { type CatalogEntry, liveGeneration } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { type ApplyReport, readGuard } from "../views/live-writer.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import type { CatchUpResponse, StreamRevision } from "./function-payload.ts";
import { projectOnce, type ProjectorContext } from "./project-batch.ts";

export async function catchUp(
  context: ProjectorContext,
  versions: readonly [Projection, ...Projection[]],
  upTo: StreamRevision,
): Promise<CatchUpResponse> {
  const { stream, revision } = upTo;
  if (!versions.some((version) => readsStream(version, stream))) return { catchUp: "outside-view" };
  // The guard is not looked at first: who asks has just found it behind, and waits for every call that is made here.
  // The catalog is read after the event: what joins after that reading takes its tail when the event is there.
  const event = await eventAt(context.eventStore, stream, revision);
  const entry = await context.catalog.read(versions[0].name);
  const generation = liveGeneration(entry);
  const applied: CatchUpResponse = {
    catchUp: "applied",
    ...(generation === undefined ? {} : { generation: generation.id }),
  };
  const isApplied = (): Promise<boolean> => hasSeen(context, versions, entry, upTo);
  if (event === undefined) return (await isApplied()) ? applied : { catchUp: "beyond-head" };
  const { failures, live } = await projectOnce({ ...context, countsFailures: false }, versions, entry, [event]);
  if (failures.length > 0 || live === undefined) return { catchUp: "failed" };
  // What is not reported as failed is applied, or waits where its stream was given up, which may be behind this event.
  return isWhole(live) || (await isApplied()) ? applied : { catchUp: "quarantined" };
}

/** Whether the report alone says that the event is in the live rows; of one that the live version does not read it says nothing. */
function isWhole(live: ApplyReport): boolean {
  if (live.waiting.length > 0 || live.failures.length > 0) return false;
  return live.applied > 0 || live.duplicates > 0;
}

async function hasSeen(
  { dynamodb }: ProjectorContext,
  versions: readonly [Projection, ...Projection[]],
  entry: CatalogEntry,
  { stream, revision }: StreamRevision,
): Promise<boolean> {
  const generation = liveGeneration(entry);
  if (generation === undefined) return false;
  const projection = deployedVersion(entry, generation, versions);
  const guard = await readGuard({ dynamodb, projection, generation }, stream);
  return guard !== undefined && guard.revision >= revision;
}

/** The event, or a later one where it is hidden by truncation: what lies before is then read from `$all`. */
async function eventAt(eventStore: EventStore, stream: string, revision: bigint): Promise<StoredEvent | undefined> {
  try {
    const [event] = await collect(eventStore.readStream(stream, revision, 1n));
    const found = event ?? (await eventStore.lastEvent(stream));
    return found !== undefined && found.revision >= revision ? found : undefined;
  } catch (error) {
    if (error instanceof StreamDeletedError) return undefined;
    throw error;
  }
}
