/**
 * When a filtered subscription is due a checkpoint: after so many events considered, matched or not. Live, that is the very
 * event. History the real server reads in pages, and looks at its counter between two of them.
 */

/** What a page of history may match at most. */
const pageMatches = 32;

export interface CheckpointInterval {
  /** Events that a page of history considers at most. */
  readonly window: number;
  /** Events from one checkpoint to the next. */
  readonly length: number;
}

export class HistoryCounter {
  readonly #interval: CheckpointInterval;
  #considered = 0;
  #inPage: number;
  #matchedInPage = 0;

  /** @param fromEvent whether the first page begins with an event that the subscriber has had: it is considered again */
  constructor(interval: CheckpointInterval, fromEvent: boolean) {
    this.#interval = interval;
    this.#inPage = fromEvent ? 1 : 0;
  }

  /** Takes the next event; true if a checkpoint is due after it. */
  consider(matches: boolean): boolean {
    const { window, length } = this.#interval;
    this.#inPage += 1;
    if (matches) this.#matchedInPage += 1;
    if (this.#inPage < window && this.#matchedInPage < pageMatches) return false;
    this.#considered += this.#inPage;
    this.#inPage = 0;
    this.#matchedInPage = 0;
    if (this.#considered < length) return false;
    this.#considered %= length;
    return true;
  }
}

export class LiveCounter {
  readonly #length: number;
  #considered = 0;

  constructor({ length }: CheckpointInterval) {
    this.#length = length;
  }

  /** Takes the next event; true if a checkpoint is due after it. */
  consider(): boolean {
    this.#considered += 1;
    if (this.#considered < this.#length) return false;
    this.#considered = 0;
    return true;
  }

  /** How many checkpoints come due within so many events. */
  due(events: number): number {
    return Math.floor((this.#considered + events) / this.#length);
  }
}
