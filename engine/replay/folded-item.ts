/**
 * An item of the shadow table as the back-fill folds it in memory. It carries the position it is folded to, so an event at
 * or below it is known to be in the item already: that is what makes a back-fill exact that begins again at its checkpoint
 * after a crash between two batches.
 */
import { isAfter, type Position } from "../event-store/position.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Guard } from "../views/guard.ts";
import {
  attributesOfItem,
  foldedAttributes,
  foldedOfItem,
  guardAttributes,
  guardOfItem,
  type Item,
  type ItemKey,
  marshallRow,
  ownerName,
  ownerOfItem,
} from "../views/item.ts";
import {
  andThen,
  checkedOwner,
  emptyRow,
  rowOf,
  type RowChange,
  type RowWrite,
  setsOwned,
} from "../views/row-write.ts";

export class FoldedItem {
  readonly key: ItemKey;
  #row: RowWrite = emptyRow;
  #guard: Guard | undefined;
  #folded: Position | undefined;
  #owner: string | undefined;
  /** Whether a change is not written yet. */
  dirty = false;
  /** Whether a write of it is under way: there is never a second one, whose order to the first nobody knows. */
  writing = false;

  constructor(key: ItemKey, item?: Item) {
    this.key = key;
    if (item === undefined) return;
    this.#row = rowOf(attributesOfItem(item));
    this.#guard = guardOfItem(item);
    this.#owner = ownerOfItem(item);
    // Where the guard sits in the row, its position is the one that the row is folded to.
    this.#folded = foldedOfItem(item) ?? this.#guard?.position;
  }

  /** Folds all that one event does to the item. False when the item holds it already. */
  fold(event: StoredEvent, changes: readonly RowChange[], carriesGuard: boolean): boolean {
    if (this.#folded !== undefined && !isAfter(event.position, this.#folded)) return false;
    for (const change of changes) this.#row = andThen(this.#row, change);
    // Where the row holds no guard, it is one that several streams touch.
    if (!carriesGuard && changes.some(setsOwned)) this.#owner = checkedOwner(this.#owner, event.stream);
    this.#folded = event.position;
    if (carriesGuard) this.#guard = { revision: event.revision, position: event.position };
    this.dirty = true;
    return true;
  }

  /** What is stored: also for an item without a row, whose guard has to be kept. */
  toItem(): Item {
    const position =
      this.#guard !== undefined
        ? guardAttributes(this.#guard)
        : this.#folded !== undefined
          ? foldedAttributes(this.#folded)
          : {};
    const owner = this.#owner === undefined ? {} : { [ownerName]: { S: this.#owner } };
    return { ...this.key, ...marshallRow(this.#row), ...position, ...owner };
  }
}
