import { setTimeout as sleep } from "node:timers/promises";

export interface PaceOptions {
  /** Events that are read a second at most. */
  readonly rate?: number | undefined;
  /** Whether what readers see is behind, and the work has to leave it room. */
  readonly givesWay?: () => boolean;
  /** How many times as long as it worked it then rests. */
  readonly restPerWork: number;
}

/** A rest is cut into these, for what it is taken for may be over. */
const longestRestMs = 500;

/** When the next events may be read: absent `rate` and `givesWay`, at once. */
export class Pace {
  readonly #options: PaceOptions;
  #goesOnAt = performance.now();

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** After so many were read, and worked on: resolves when the next may be, or when `signal` ends the wait. */
  async read(events: number, signal?: AbortSignal): Promise<void> {
    const wait = waitAfter(this.#options, events, performance.now() - this.#goesOnAt);
    if (wait > 0) {
      await sleep(wait, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
        if (signal?.aborted !== true) throw error;
      });
    }
    this.#goesOnAt = performance.now();
  }
}

/** Milliseconds from the end of some milliseconds of work on so many events. */
export function waitAfter({ rate, givesWay, restPerWork }: PaceOptions, events: number, workedMs: number): number {
  // Of these events alone: what was slow before is not made up for by more than the rate.
  const byRate = rate === undefined ? 0 : (events / rate) * 1_000 - workedMs;
  const rest = givesWay?.() === true ? Math.min(workedMs * restPerWork, longestRestMs) : 0;
  return Math.max(0, byRate, rest);
}
