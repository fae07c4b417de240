/** How long single calls took, in milliseconds. */
export class Latencies {
  readonly #taken: number[] = [];

  /** What the call gives; how long it took is noted. */
  async of<Result>(call: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    const result = await call();
    this.#taken.push(performance.now() - start);
    return result;
  }

  static together(parts: readonly Latencies[]): Latencies {
    const all = new Latencies();
    for (const part of parts) all.#taken.push(...part.#taken);
    return all;
  }

  /** So many percent of the calls took no longer than this. */
  percentile(percent: number): number {
    const sorted = this.#taken.toSorted((left, right) => left - right);
    return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
  }
}
