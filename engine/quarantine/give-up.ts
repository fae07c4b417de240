/**
 * What becomes of events that fail in a generation of a view: each failure is counted, and one too many gives the event up. It
 * is written to the quarantine before it is acknowledged, in one transaction with a mark beside the stream's guard and on
 * condition that the guard still stands before it: what another writer has applied meanwhile is not given up.
 */
import type { Logger } from "../http/logger.ts";
import type { Generation } from "../views/catalog.ts";
import type { Projection } from "../views/projection.ts";
import { possibleGuardKeyOf } from "../views/stream-keys.ts";
import { markGuard } from "../views/stream-write.ts";
import type { Quarantine } from "./quarantine.ts";
import { type FailedAttempt, type QuarantineRecord, viewTarget } from "./quarantine-record.ts";
import { reasonToGiveUp, type RetryLimits } from "./retry-limits.ts";

export interface GiveUpContext {
  readonly quarantine: Quarantine;
  readonly limits: RetryLimits;
  readonly log: Logger;
}

/** `waiting`: it may be acknowledged with all that was delivered of its stream. `failed`: it is to be tried again. */
export type AttemptOutcome = "waiting" | "failed";

/** How long the record of a failing event is kept after its last failure, in milliseconds: longer than any pause between tries. */
const keptMs = 86_400_000;

/**
 * Counts the failure of an event in a generation; `last` is the last revision that was delivered of its stream. Throws
 * ViewsUnavailableError when it cannot be counted now.
 */
export async function failedInView(
  context: GiveUpContext,
  projection: Projection,
  { id, table }: Pick<Generation, "id" | "table">,
  attempt: FailedAttempt,
  last: bigint,
): Promise<AttemptOutcome> {
  // A stream whose name no key can hold has no guard to be marked: it can only be tried for ever, and seen in the log.
  const guardKey = possibleGuardKeyOf(projection, attempt.stream);
  if (guardKey === undefined) return "failed";
  return failed(context, viewTarget(projection.name, id), attempt, last, () =>
    markGuard(table, guardKey, attempt.revision),
  );
}

/** The same for a process, which has no guards: there the record alone says that the stream waits. */
export async function failedInProcess(
  context: GiveUpContext,
  process: string,
  attempt: FailedAttempt,
  last: bigint,
): Promise<AttemptOutcome> {
  return failed(context, process, attempt, last);
}

async function failed(
  { quarantine, limits, log }: GiveUpContext,
  target: string,
  attempt: FailedAttempt,
  last: bigint,
  guard?: () => Parameters<Quarantine["close"]>[3],
): Promise<AttemptOutcome> {
  const at = new Date();
  const record = await quarantine.attempted(target, attempt, at, new Date(at.getTime() + keptMs));
  if (record.state === "quarantined") return waits(quarantine, record, last);
  const reason = reasonToGiveUp(record, limits);
  if (reason === undefined) return "failed";
  if ((await quarantine.close(record, reason, last, guard?.())) === "changed") return "failed";
  const { stream, revision, attempts, lastError } = record;
  const facts = { target, stream, revision: revision.toString(), attempts, waitingTo: last.toString() };
  log.error({ ...facts, error: lastError }, `event quarantined: it ${reason}`);
  return "waiting";
}

async function waits(quarantine: Quarantine, record: QuarantineRecord, last: bigint): Promise<AttemptOutcome> {
  const outcome = await quarantine.waitBehind(record.target, record.stream, last);
  return outcome === "waiting" ? "waiting" : "failed";
}
