/** One at a time where it helps nobody to be several: writers of one stream would only refuse each other's appends. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Does `work` when all that was given before it under the same name is over, however that ended. */
  take<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#last.get(name);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#last.set(name, turn);
    return turn;
  }
}
