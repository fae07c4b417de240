/**
 * A process function's batch, with failures counted and streams that wait left alone. A process has no guards: that a stream waits
 * is said by its record alone, which is looked for before the batch. A process takes an event that comes again without effect,
 * so telling it once more what it may have been told is always safe.
 */
import { type BatchResponse, itemIdentifier } from "../delivery/event-record.ts";
import { comparePositions } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { UntoldEvent } from "../processes/process-batch.ts";
import { ViewsUnavailableError } from "../views/dynamodb.ts";
import { isInfrastructureFailure } from "../views/live-writer.ts";
import { type AttemptOutcome, failedInProcess, type GiveUpContext } from "./give-up.ts";
import { errorText, type FailedAttempt, type QuarantineRecord } from "./quarantine-record.ts";
import { eventsFrom, failedAgain, type RedriveContext, type RedriveOutcome } from "./redrive.ts";

/** Tells the processes of events; returns those of which one could not be told. */
export type TellProcesses = (events: readonly StoredEvent[]) => Promise<readonly UntoldEvent[]>;

/** Throws ViewsUnavailableError when nobody can say which streams wait. */
export async function tellUnlessWaiting(
  context: GiveUpContext,
  process: string,
  events: readonly StoredEvent[],
  tell: TellProcesses,
): Promise<BatchResponse> {
  const waiting = await waitingStreams(context, process, events);
  const untold = await tell(events.filter(({ stream }) => !waiting.has(stream)));
  const failed: StoredEvent[] = [];
  for (const [stream, ofStream] of Map.groupBy(untold, ({ event }) => event.stream)) {
    const inOrder = ofStream.toSorted((left, right) => comparePositions(left.event.position, right.event.position));
    const [first] = inOrder;
    if (first === undefined) continue;
    const delivered = events.filter((event) => event.stream === stream && event.revision >= first.event.revision);
    const outcome = await outcomeOf(context, process, first, delivered);
    if (outcome === "failed") failed.push(...delivered);
    // Acknowledged by itself: with it, those behind it would come and fail together for ever.
    if (outcome === "discarded") failed.push(...delivered.filter(({ revision }) => revision > first.event.revision));
  }
  return { batchItemFailures: failed.map((event) => ({ itemIdentifier: itemIdentifier(event) })) };
}

/** Counts that an event ended the invocation of a process function before it could say so. */
export async function countProcessFailure(
  context: GiveUpContext,
  process: string,
  attempt: FailedAttempt,
): Promise<AttemptOutcome> {
  if (await isDiscarded(context, process, attempt)) return "waiting";
  return failedInProcess(context, process, attempt, attempt.revision);
}

/** What does not come of the event itself: the store or a busy stream, and waiting behind another event of the same process. */
function isOwnFault({ error, isBehind }: UntoldEvent): boolean {
  const isBusy = error instanceof Error && "code" in error && error.code === "PROCESS_BUSY";
  return !isBehind && !isBusy && !isInfrastructureFailure(error);
}

async function outcomeOf(
  context: GiveUpContext,
  process: string,
  untold: UntoldEvent,
  delivered: readonly StoredEvent[],
): Promise<AttemptOutcome | "discarded"> {
  if (!isOwnFault(untold)) return "failed";
  const { stream, revision, position } = untold.event;
  const last = lastOf(delivered, revision);
  try {
    // It came again after it was discarded; of those behind it, the next delivery tells.
    if (await isDiscarded(context, process, untold.event)) return "discarded";
    const attempt = { stream, revision, position, error: errorText(untold.error) };
    return await failedInProcess(context, process, attempt, last);
  } catch (err) {
    context.log.warn({ process, stream, err }, "failed attempt not counted");
    return "failed";
  }
}

/** The last revision, at least `first`. A tombstone is no event of its stream. */
function lastOf(events: readonly StoredEvent[], first: bigint): bigint {
  return events.reduce((last, event) => (event.revision > last && !isTombstone(event) ? event.revision : last), first);
}

async function isDiscarded(
  { quarantine }: GiveUpContext,
  process: string,
  { stream, revision }: Pick<FailedAttempt, "stream" | "revision">,
): Promise<boolean> {
  const decisions = await quarantine.decisions(process);
  return decisions.some((decision) => decision.stream === stream && decision.revision === revision);
}

/** Streams whose events may be acknowledged untold, because a record now says that they wait. */
async function waitingStreams(
  { quarantine, log }: GiveUpContext,
  process: string,
  events: readonly StoredEvent[],
): Promise<ReadonlySet<string>> {
  const waiting = new Set<string>();
  if (!(await quarantine.hasRecords(process))) return waiting;
  for (const [stream, ofStream] of Map.groupBy(events, (event) => event.stream)) {
    if ((await quarantine.read(process, stream))?.state !== "quarantined") continue;
    const last = lastOf(ofStream, -1n);
    if ((await quarantine.waitBehind(process, stream, last)) !== "waiting") continue;
    log.warn({ process, stream, waitingTo: last.toString() }, "events wait behind one that is quarantined");
    waiting.add(stream);
  }
  return waiting;
}

/** Tells the process again, of the event that was given up and of all that waits behind it. */
export async function redriveInProcess(
  { eventStore, quarantine }: Pick<RedriveContext, "eventStore" | "quarantine">,
  process: string,
  record: QuarantineRecord,
  tell: TellProcesses,
): Promise<RedriveOutcome> {
  let events = 0;
  let next = record.revision;
  let current: QuarantineRecord | undefined = record;
  for (;;) {
    while (next <= current.waitingTo) {
      const batch = await eventsFrom(eventStore, current, next, current.position);
      const last = batch.at(-1);
      // Scavenged: there is nothing left to be told.
      if (last === undefined) break;
      const untold = await tell(batch);
      const [first] = untold.toSorted((left, right) => comparePositions(left.event.position, right.event.position));
      if (first !== undefined) return stillUntold(quarantine, current, first);
      events += batch.length;
      next = last.revision + 1n;
    }
    if ((await quarantine.release(current)) === "released") return { outcome: "released", events };
    current = await quarantine.read(process, record.stream);
    if (current?.state !== "quarantined") return { outcome: "nothing-to-do" };
  }
}

async function stillUntold(
  quarantine: RedriveContext["quarantine"],
  record: QuarantineRecord,
  untold: UntoldEvent,
): Promise<RedriveOutcome> {
  const { revision, position } = untold.event;
  if (!isOwnFault(untold)) {
    throw new ViewsUnavailableError(`event ${itemIdentifier(untold.event)} could not be tried now: try again`, {
      cause: untold.error,
    });
  }
  const next = failedAgain(record, revision, position, errorText(untold.error));
  await quarantine.moveOn(record, next);
  return { outcome: "still-failing", revision, error: next.lastError };
}
