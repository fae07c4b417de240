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
  #size = 0;

  get(id: string): IdPlace | undefined {
    return this.#places.get(id);
  }

  add(id: string, place: IdPlace): void {
    if (this.#places.has(id)) return;
    this.#places.set(id, place);
    this.#size += charge(place);
    while (this.#size > capacity) {
      const oldest = this.#places.entries().next();
      if (oldest.done === true) return;
      this.#places.delete(oldest.value[0]);
      this.#size -= charge(oldest.value[1]);
    }
  }

  /** Takes back an id whose commit failed. */
  remove(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#size -= charge(place);
  }
}
