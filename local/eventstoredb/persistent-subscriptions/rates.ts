/** Items since the last question about a group, and how many a second that makes: of the group, and of each consumer. */
export interface Rate {
  readonly count: number;
  readonly perSecond: number;
}

interface Measured {
  /** Milliseconds. */
  readonly startedAt: number;
}

export class Rates {
  readonly #now: () => number;
  readonly #askedAt = new WeakMap<Measured, number>();
  readonly #totals = new WeakMap<object, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** All rates of one answer are over the same time, even of a consumer that came in the middle of it. */
  since(group: Measured): (subject: object, total: number) => Rate {
    const now = this.#now();
    const elapsed = now - (this.#askedAt.get(group) ?? group.startedAt);
    this.#askedAt.set(group, now);
    return (subject, total) => {
      const count = total - (this.#totals.get(subject) ?? 0);
      this.#totals.set(subject, total);
      return { count, perSecond: elapsed > 0 ? Math.trunc((count * 1000) / elapsed) : 0 };
    };
  }
}
