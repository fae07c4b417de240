/**
 * Replays that somebody looks on at: their steps and waits on stderr, and the result on stdout as soon as readers have it, so
 * that nobody waits for the removal of what was live long ago.
 */
import { messageOf } from "../../engine/errors/message-of.ts";
import type { Position } from "../../engine/event-store/position.ts";
import { ReplayInterruptedError, ReplayPausedError } from "../../engine/replay/errors.ts";
import type { Preview } from "../../engine/replay/preview.ts";
import { Replay, type ReplayObserver, type ReplayReport, type Started } from "../../engine/replay/replay.ts";
import type { GenerationReport } from "../../engine/replay/report.ts";
import { describeReport } from "../../engine/replay/run-report.ts";
import { CommandError, errorDocument } from "../cli/command-error.ts";
import { summary } from "./replay-summary.ts";
import { writeReport } from "./report-file.ts";
import { StepDisplay } from "./step-display.ts";

export interface ForegroundOptions {
  readonly from?: Position;
  readonly until?: Position;
  readonly rate?: number;
  readonly autoSwap?: boolean;
  /** Hours. */
  readonly soak?: number;
  /** A file to write the report to. */
  readonly report?: string;
  readonly json?: boolean;
  /** Goes on with what stands still or was cut off, and begins nothing. */
  readonly resumes?: boolean;
}

/**
 * Throws {@link CommandError} when it was interrupted, or when only the removal failed, and whatever the replay throws; of
 * several, when any fails, after what became of each was told. False when there was nothing to resume.
 */
export async function runInForeground(machines: readonly Replay[], options: ForegroundOptions): Promise<boolean> {
  const { json, report: file, resumes = false, soak, from, until, rate, autoSwap } = options;
  const wishes = {
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ...(rate === undefined ? {} : { rate }),
    ...(autoSwap === undefined ? {} : { autoSwap }),
    ...(soak === undefined ? {} : { soakHours: soak }),
  };
  const startedAt = performance.now();
  const told = new Set<string>();
  const documents: object[] = [];
  const tell = (report: ReplayReport): void => {
    if (told.has(report.view)) return;
    told.add(report.view);
    const seconds = (performance.now() - startedAt) / 1_000;
    if (json !== true) console.log(summary(report, seconds));
    else if (machines.length === 1) console.log(JSON.stringify({ ...describeReport(report), seconds }));
    else documents.push({ ...describeReport(report), seconds });
  };
  const outcomes = await watched(machines, async (signal, observer) => {
    const watching = { signal, observer: { ...observer, swapped: tell } };
    const [machine] = machines;
    if (!resumes || machine === undefined) return Replay.startTogether(machines, { ...wishes, ...watching });
    return resumed(machine, watching);
  });
  for (const outcome of outcomes) if ("report" in outcome) tell(outcome.report);
  const failed = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome] : []));
  const errors = failed.map(({ view, error }) => explained(error, view));
  if (json === true && machines.length > 1) {
    console.log(
      JSON.stringify({ views: [...documents, ...failed.map(({ view }, index) => failure(view, errors[index]))] }),
    );
  }
  if (file !== undefined) await writeReportOf(machines, file);
  if (errors.length === 0) return outcomes.length > 0;
  if (machines.length === 1) throw errors[0];
  const lines = errors.map((error) => messageOf(error));
  throw new CommandError("REPLAYS_FAILED", lines.join("; "), 1, errors[0]);
}

/** What replays would do, one after the other. */
export async function previewInForeground(
  machines: readonly Replay[],
  { from, until }: Pick<ForegroundOptions, "from" | "until">,
): Promise<readonly Preview[]> {
  return watched(machines, async (signal, observer) => {
    const previews: Preview[] = [];
    const range = { ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { until }) };
    for (const machine of machines) previews.push(await machine.preview({ ...range, signal, observer }));
    return previews;
  });
}

export async function verifyInForeground(machine: Replay): Promise<GenerationReport> {
  return watched([machine], (signal, observer) => machine.verify({ signal, observer }));
}

/** Ctrl-C ends the work at the next safe place. */
async function watched<Result>(
  machines: readonly Replay[],
  work: (signal: AbortSignal, observer: ReplayObserver) => Promise<Result>,
): Promise<Result> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const display = new StepDisplay(machines.map(({ view }) => view).join(", "));
  try {
    return await work(interrupted.signal, display.observer);
  } finally {
    display.stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, interrupt);
  }
}

async function resumed(
  machine: Replay,
  options: { readonly signal: AbortSignal; readonly observer: ReplayObserver },
): Promise<readonly Started[]> {
  const { view } = machine;
  try {
    const report = await machine.resume({ ...options, for: "operator" });
    return report === undefined ? [] : [{ view, report }];
  } catch (error) {
    return [{ view, error }];
  }
}

async function writeReportOf(machines: readonly Replay[], file: string): Promise<void> {
  for (const machine of machines) {
    const report = await machine.report();
    // Of several, each in a file of its own.
    const name = machines.length === 1 ? file : file.replace(/(\.\w+)$/, `-${machine.view}$1`);
    if (report !== undefined) await writeReport(name, report);
  }
}

function failure(view: string, error: unknown): object {
  return { view, outcome: "failed", error: errorDocument(error) };
}

function explained(error: unknown, view: string): unknown {
  if (error instanceof ReplayPausedError || !(error instanceof ReplayInterruptedError)) return error;
  const goOn = `run it again to go on from its checkpoint, or: tidemark replay abort ${view}`;
  return new CommandError(error.code, `${error.message}; the live view is untouched; ${goOn}`, 1, error);
}
