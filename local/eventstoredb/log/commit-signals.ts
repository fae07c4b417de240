/**
 * Wakes those that wait for something new, in `$all` or in one stream. A stream's waiters cost nothing while other
 * streams are written, so a thousand idle subscriptions are a thousand map entries.
 */
export class CommitSignals {
  readonly #waitingForAny = new Set<() => void>();
  readonly #waitingForStream = new Map<string, Set<() => void>>();

  notify(streams: ReadonlySet<string>): void {
    wake(this.#waitingForAny);
    for (const stream of streams) {
      const waiting = this.#waitingForStream.get(stream);
      if (waiting === undefined) continue;
      this.#waitingForStream.delete(stream);
      wake(waiting);
    }
  }

  /** Resolves at the next commit that concerns the stream (any stream without a name), or when the signal aborts. */
  next(stream: string | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const waiting = stream === undefined ? this.#waitingForAny : this.#waitersOf(stream);
    return new Promise((resolve) => {
      const finish = (): void => {
        waiting.delete(finish);
        if (stream !== undefined && waiting.size === 0 && this.#waitingForStream.get(stream) === waiting) {
          this.#waitingForStream.delete(stream);
        }
        signal.removeEventListener("abort", finish);
        resolve();
      };
      waiting.add(finish);
      signal.addEventListener("abort", finish, { once: true });
    });
  }

  #waitersOf(stream: string): Set<() => void> {
    const known = this.#waitingForStream.get(stream);
    if (known !== undefined) return known;
    const created = new Set<() => void>();
    this.#waitingForStream.set(stream, created);
    return created;
  }
}

const wake = (waiting: Set<() => void>): void => {
  for (const finish of [...waiting]) finish();
};
