import { setTimeout as sleep } from "node:timers/promises";

export interface PaceOptions {
  /** Events that are read a second at most. */
  readonly rate?: number | undefined;
  /** Whether what readers see is behind, and the work has to leave it room. */
  readonly givesWay?: () => boolean;
  /** How many times as long as it worked it then rests. */
  readonly restPerWork: number;
}

/** A rest is cut into these, for what it is taken for may be over; and it has an end, for others wait for the worker too. */
const shortRestMs = 500;
const longestRestMs = 5_000;

/** When the next events may be read: absent `rate` and `givesWay`, at once. */
export class Pace {
  readonly #options: PaceOptions;
  #goesOnAt = performance.now();

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** After so many were read, and worked on: resolves when the next may be, or when `signal` ends the wait. */
  async read(events: number, signal?: AbortSignal): Promise<void> {
    const { rate, givesWay, restPerWork } = this.#options;
    const workedMs = performance.now() - this.#goesOnAt;
    // Of these events alone: what was slow before is not made up for by more than the rate.
    if (rate !== undefined) await wait((events / rate) * 1_000 - workedMs, signal);
    const restedAt = this.#goesOnAt + workedMs + restAfter(workedMs, restPerWork);
    while (givesWay?.() === true && performance.now() < restedAt && signal?.aborted !== true) {
      await wait(Math.min(shortRestMs, restedAt - performance.now()), signal);
    }
    this.#goesOnAt = performance.now();
  }
}

/** Milliseconds to rest after so many of work. */
export function restAfter(workedMs: number, restPerWork: number): number {
  return Math.min(workedMs * restPerWork, longestRestMs);
}

async function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds <= 0) return;
  await sleep(milliseconds, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}
