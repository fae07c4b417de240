import { setTimeout as sleep } from "node:timers/promises";

/** Sees to it that no more than `rate` events are read a second; absent, it never waits. */
export class Pace {
  readonly #rate: number | undefined;
  readonly #startedAt = performance.now();
  #events = 0;

  constructor(rate: number | undefined) {
    this.#rate = rate;
  }

  /** After so many were read: resolves when the next may be, or when `signal` ends the wait. */
  async read(events: number, signal?: AbortSignal): Promise<void> {
    if (this.#rate === undefined) return;
    this.#events += events;
    const wait = this.#startedAt + (this.#events / this.#rate) * 1_000 - performance.now();
    if (wait <= 0) return;
    await sleep(wait, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error;
    });
  }
}
