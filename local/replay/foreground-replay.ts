/**
 * A replay that somebody looks on at: its steps and waits on stderr, and the result on stdout as soon as readers have it, so
 * that nobody waits for the removal of what was live long ago.
 */
import type { Position } from "../../engine/event-store/position.ts";
import { ReplayInterruptedError } from "../../engine/replay/errors.ts";
import type { Replay } from "../../engine/replay/replay.ts";
import { describeReport } from "../../engine/replay/run-report.ts";
import { CommandError } from "../cli/command-error.ts";
import { summary } from "./replay-summary.ts";
import { StepDisplay } from "./step-display.ts";

export interface ForegroundOptions {
  readonly from?: Position;
  readonly json?: boolean;
}

/** Throws {@link CommandError} when it was interrupted, or when only the removal failed, and whatever `Replay.run` throws. */
export async function runInForeground(machine: Replay, { from, json }: ForegroundOptions): Promise<void> {
  const { view } = machine;
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const display = new StepDisplay(view);
  const startedAt = performance.now();
  let isLive = false;
  try {
    await machine.run({
      ...(from === undefined ? {} : { from }),
      signal: interrupted.signal,
      observer: {
        ...display.observer,
        swapped: (report) => {
          isLive = true;
          display.stop();
          const seconds = (performance.now() - startedAt) / 1_000;
          console.log(
            json === true ? JSON.stringify({ ...describeReport(report), seconds }) : summary(report, seconds),
          );
        },
      },
    });
  } catch (error) {
    throw explained(error, view, isLive);
  } finally {
    display.stop();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, interrupt);
  }
}

function explained(error: unknown, view: string, isLive: boolean): unknown {
  if (isLive) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `${view} is live as reported, but what soaked before could not be removed: ${why}; the next replay removes it`;
    return new CommandError("RETIREMENT_FAILED", message, 1, error);
  }
  if (!(error instanceof ReplayInterruptedError)) return error;
  const goOn = `run it again to go on from its checkpoint, or: tidemark replay abort ${view}`;
  return new CommandError(error.code, `${error.message}; the live view is untouched; ${goOn}`, 1, error);
}
