/** First in, first out, without moving what stays: taking from the front costs the same however long the queue is. */
export class Queue<Item> {
  #items: Item[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  get last(): Item | undefined {
    return this.length === 0 ? undefined : this.#items.at(-1);
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) this.#compact();
    return item;
  }

  /**
   * Puts an item before the first one that `is` "later"; at the end if none is. Items that are "neither" have no order;
   * the others have to stand in it.
   */
  insert(item: Item, is: (other: Item) => "earlier" | "later" | "neither"): void {
    let place = this.#items.length;
    for (let at = this.#items.length - 1; at >= this.#head; at -= 1) {
      const other = this.#items[at];
      const order = other === undefined ? "earlier" : is(other);
      if (order === "earlier") break;
      if (order === "later") place = at;
    }
    this.#items.splice(place, 0, item);
  }

  /** Offers the items in order. "taken" leaves the queue, "kept" stays, "stop" stays and ends the pass. */
  offer(to: (item: Item) => "taken" | "kept" | "stop"): "stopped" | "exhausted" {
    const kept: Item[] = [];
    while (this.length > 0) {
      const item = this.#items[this.#head];
      if (item === undefined) break;
      const verdict = to(item);
      if (verdict === "stop") {
        this.#items = kept.length === 0 ? this.#items : [...kept, ...this.#items.slice(this.#head)];
        if (kept.length > 0) this.#head = 0;
        this.#compactIfWorthIt();
        return "stopped";
      }
      this.#head += 1;
      if (verdict === "kept") kept.push(item);
    }
    this.#items = kept;
    this.#head = 0;
    return "exhausted";
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (let at = this.#head; at < this.#items.length; at += 1) {
      const item = this.#items[at];
      if (item !== undefined) yield item;
    }
  }

  /** Drops the items that are not wanted any more, wherever they stand. */
  retain(wanted: (item: Item) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter(wanted);
    this.#head = 0;
  }

  #compactIfWorthIt(): void {
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) this.#compact();
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
