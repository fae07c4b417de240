/** A generation that was built is compared with its events once more, and what is found is kept in its report. */
import { describeDifference } from "../consistency/difference.ts";
import { GenerationCheck } from "../consistency/generation-check.ts";
import type { Position } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import type { Projection } from "../views/projection.ts";
import { type ReplayContext, settingsOf } from "./replay-context.ts";
import type { GenerationReport } from "./report.ts";
import { putReport, readReport } from "./report-store.ts";
import { Verification } from "./verification.ts";

export interface VerifiedGeneration {
  readonly context: ReplayContext;
  readonly projection: Projection;
  readonly generation: Generation;
}

export interface VerifyOptions {
  readonly throwIfInterrupted: () => void;
  readonly onEvents: ((events: number, at: Position, tail: Position) => void) | undefined;
}

type Checked = Omit<NonNullable<GenerationReport["checked"]>, "at">;

/**
 * One that projectors write, by the consistency check; a frozen one, which nobody writes, as it was verified before. Returns
 * what is wrong with it for good, if anything is. Throws VerificationFailedError of a frozen one that is not what the events say.
 */
export async function verifyAgain(
  verified: VerifiedGeneration,
  options: VerifyOptions,
): Promise<{ readonly wrong: string | undefined }> {
  const { until } = verified.generation;
  if (until === undefined) return checkWritten(verified, options);
  await verifyFrozen(verified, until, options);
  return { wrong: undefined };
}

async function verifyFrozen(
  verified: VerifiedGeneration,
  until: Position,
  { throwIfInterrupted, onEvents }: VerifyOptions,
): Promise<void> {
  const { projection, generation } = verified;
  const { eventStore, dynamodb } = verified.context;
  using verification = new Verification(eventStore, projection, generation);
  await verification.foldTo(until, (events, at) => {
    throwIfInterrupted();
    onEvents?.(events, at, until);
  });
  const counts = await verification.compareAll(dynamodb, generation.table, throwIfInterrupted);
  await keep(verified, { outcome: "agrees", ...counts, differences: 0, undecided: 0, lines: [] });
}

async function checkWritten(
  verified: VerifiedGeneration,
  { throwIfInterrupted, onEvents }: VerifyOptions,
): Promise<{ readonly wrong: string | undefined }> {
  const { context, projection, generation } = verified;
  const found = await GenerationCheck.run(context, projection, generation, {
    waitForGuardsMs: settingsOf(context).waitForGuardsMs,
    onEvents: (events, at, tail) => {
      throwIfInterrupted();
      onEvents?.(events, at, tail);
    },
  });
  const { rows, guards, differenceCount: differences, undecidedCount: undecided } = found;
  const outcome = differences > 0 ? "differs" : undecided > 0 ? "undecided" : "agrees";
  const lines = found.differences.map(describeDifference);
  await keep(verified, { outcome, rows, guards, differences, undecided, lines });
  // What has not arrived yet, or waits, is missing for a while; everything else is wrong for good.
  const isWrong = found.differenceCount > found.lateCount;
  return { wrong: isWrong ? `verified again, it differs from its events in ${differences} places` : undefined };
}

async function keep({ context, projection, generation }: VerifiedGeneration, checked: Checked): Promise<void> {
  const report = await readReport(context, projection.name, generation.id);
  if (report === undefined) return;
  const { outcome, rows, guards, differences, undecided, lines } = checked;
  const at = new Date().toISOString();
  const kept = { ...report, checked: { at, outcome, rows, guards, differences, undecided, lines } };
  await putReport(context, projection.name, kept);
}
