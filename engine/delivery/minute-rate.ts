/** Counts, and tells how many a second they were within the last minute: by whole seconds, so that memory is constant. */
export class MinuteRate {
  readonly #now: () => number;
  readonly #startedAt: number;
  /** By second of the minute. */
  readonly #counts = new Float64Array(60);
  #second: number;

  /** `now` in milliseconds; only differences count. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
    this.#second = Math.floor(this.#startedAt / 1_000);
  }

  add(count: number): void {
    this.#moveOn();
    const at = this.#second % 60;
    this.#counts[at] = (this.#counts[at] ?? 0) + count;
  }

  /** Of the last minute, or of the time since the start while that is shorter; a second at least. */
  get perSecond(): number {
    this.#moveOn();
    const seconds = Math.min(60, Math.max(1, (this.#now() - this.#startedAt) / 1_000));
    return this.#counts.reduce((sum, count) => sum + count, 0) / seconds;
  }

  /** Forgets the seconds that the present one takes the places of. */
  #moveOn(): void {
    const second = Math.floor(this.#now() / 1_000);
    for (let passed = Math.max(this.#second + 1, second - 59); passed <= second; passed += 1)
      this.#counts[passed % 60] = 0;
    this.#second = second;
  }
}
