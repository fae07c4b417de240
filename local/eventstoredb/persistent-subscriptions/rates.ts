/** Items since the last question, and how many a second that makes. */
interface Sample {
  readonly total: number;
  readonly at: number;
}

export class Rates {
  readonly #now: () => number;
  readonly #samples = new WeakMap<object, Sample>();
  readonly #started: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#started = now();
  }

  measure(subject: object, total: number): { readonly count: number; readonly perSecond: number } {
    const at = this.#now();
    const before = this.#samples.get(subject) ?? { total: 0, at: this.#started };
    this.#samples.set(subject, { total, at });
    const count = total - before.total;
    const elapsed = at - before.at;
    return { count, perSecond: elapsed > 0 ? Math.trunc((count * 1000) / elapsed) : 0 };
  }
}
