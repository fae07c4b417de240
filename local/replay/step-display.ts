/** The steps of a replay and what it waits for, for a person who looks on; on stderr, so that stdout stays the result. */
import type { Position } from "../../engine/event-store/position.ts";
import type { ReplayObserver, ReplayStep, ReplayWait } from "../../engine/replay/replay.ts";
import { type Progress, showProgress } from "../cli/progress.ts";

/** Each step with the share of the log that it has read; a step that reads nothing has a line and no bar. */
export class StepDisplay {
  readonly observer: ReplayObserver;
  readonly #view: string;
  #step: ReplayStep | undefined;
  #progress: Progress | undefined;

  constructor(view: string) {
    this.#view = view;
    this.observer = {
      step: (step) => {
        this.stop();
        this.#step = step;
        if (!stepsThatRead.has(step)) process.stderr.write(`${view}: ${step}\n`);
      },
      progress: (_events, at, target) => {
        this.#progress ??= showProgress(`${this.#view}: ${this.#step ?? "preview"}, percent`, 100);
        this.#progress.update(percentOf(at, target));
      },
      givesWay: () => {
        this.stop();
        process.stderr.write(`${view}: reads slower while live delivery is behind\n`);
      },
      waiting: (wait) => {
        this.stop();
        process.stderr.write(`${view}: ${waitText(wait, Date.now())}\n`);
      },
    };
  }

  stop(): void {
    this.#progress?.stop();
    this.#progress = undefined;
  }
}

const whatIsAwaited: Readonly<Record<ReplayWait["for"], string>> = {
  lease: "for the lease of a worker that is gone, or is at work and will renew it",
  "late-writes": "for the last writes of a worker that is gone",
  guards: "for events to arrive in the live view",
  readers: "for readers to forget the generation that is to be removed",
};

/** One line for a person; `now` as `until`, in milliseconds since the epoch. */
export function waitText({ for: what, until }: ReplayWait, now: number): string {
  const seconds = Math.max(1, Math.ceil((until - now) / 1_000));
  return `waiting up to ${seconds} s ${whatIsAwaited[what]}`;
}

const stepsThatRead: ReadonlySet<ReplayStep> = new Set(["back-fill", "verify"]);

/** A position counts bytes or records of the log: as a measure of the way it serves as well as the number of events. */
function percentOf(at: Position, target: Position): number {
  return target.commit === 0n ? 100 : Number((at.commit * 100n) / target.commit);
}
