/**
 * The ids of lately committed events, by which an append with expected revision `any` or `stream-exists` is recognised
 * as a repeat. As in EventStoreDB it is a first-in-first-out memory of 8 MiB that a restart empties; an id that is
 * already known keeps its first place.
 */
export interface IdPlace {
  readonly stream: string;
  readonly revision: bigint;
}

const capacity = 8 * 1024 * 1024;
/** What one entry is charged: a GUID, a length, a reference and the name in UTF-16. */
const charge = (place: IdPlace): number => 28 + 2 * place.stream.length;

export class RecentEventIds {
  readonly #places = new Map<string, IdPlace>();
  /**
   * The ids in the order of their commits, the oldest at `#head`. The map has that order too, but asked for its first entry
   * it walks over all that were deleted before.
   */
  #order: string[] = [];
  #head = 0;
  /** Of the transaction under way: these push none out before they are on disk. */
  readonly #pending = new Map<string, IdPlace>();
  #size = 0;

  get(id: string): IdPlace | undefined {
    return this.#places.get(id) ?? this.#pending.get(id);
  }

  add(id: string, place: IdPlace): void {
    if (this.get(id) === undefined) this.#pending.set(id, place);
  }

  committed(): void {
    for (const [id, place] of this.#pending) {
      this.#places.set(id, place);
      this.#order.push(id);
      this.#size += charge(place);
    }
    this.#pending.clear();
    while (this.#size > capacity) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const oldest = this.#order[this.#head] ?? "";
    this.#head += 1;
    const place = this.#places.get(oldest);
    this.#places.delete(oldest);
    if (place !== undefined) this.#size -= charge(place);
    if (this.#head * 2 < this.#order.length) return;
    this.#order = this.#order.slice(this.#head);
    this.#head = 0;
  }

  /** The commit failed: of its ids nothing is remembered, of those before it everything. */
  rollback(): void {
    this.#pending.clear();
  }
}
