/**
 * Deadlines of ours on the event store's calls. The client's streaming calls (reads, subscriptions, batched appends) wait
 * for ever on a server that accepts a connection and says nothing; a function would be killed waiting.
 */
import { EventStoreUnavailableError } from "./errors.ts";

/** Settles as `promise` does, or rejects after `milliseconds` with {@link EventStoreUnavailableError}. */
export async function withDeadline<Value>(promise: Promise<Value>, milliseconds: number, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new EventStoreUnavailableError(`${what} was not answered within ${milliseconds} ms: try again`));
    }, milliseconds);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Watches a read: calls `expire` when a wait for its next event lasts longer than `milliseconds`. */
export class ProgressDeadline {
  readonly #timer: NodeJS.Timeout;
  #waiting = true;

  constructor(milliseconds: number, expire: () => void) {
    this.#timer = setTimeout(() => {
      // The consumer may take its time between two events; only silence of the server counts.
      if (this.#waiting) expire();
      else this.#timer.refresh();
    }, milliseconds);
  }

  waiting(): void {
    this.#waiting = true;
    this.#timer.refresh();
  }

  arrived(): void {
    this.#waiting = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
