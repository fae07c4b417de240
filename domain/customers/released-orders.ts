/**
 * The orders whose reservations a customer has released, remembered for ever. They are nearly all orders there ever were, so a
 * snapshot holds them as one text, and those read back from it are shared by all states that follow and never copied.
 */
import { Set as PersistentSet } from "immutable";
import type { OrderId } from "../kernel/ids.ts";

/** No id holds it. */
const separator = "\n";

export class ReleasedOrders implements Iterable<OrderId> {
  /** Out of a snapshot. */
  readonly #before: ReadonlySet<OrderId>;
  readonly #since: PersistentSet<OrderId>;

  private constructor(before: ReadonlySet<OrderId>, since: PersistentSet<OrderId>) {
    this.#before = before;
    this.#since = since;
  }

  static readonly none = new ReleasedOrders(new Set(), PersistentSet());

  /** What {@link pack} gave. */
  static unpack(packed: string): ReleasedOrders {
    // Only ids were ever packed.
    const ids = packed === "" ? [] : (packed.split(separator) as OrderId[]);
    return new ReleasedOrders(new Set(ids), PersistentSet());
  }

  pack(): string {
    return [...this].join(separator);
  }

  has(orderId: OrderId): boolean {
    return this.#before.has(orderId) || this.#since.has(orderId);
  }

  add(orderId: OrderId): ReleasedOrders {
    return this.has(orderId) ? this : new ReleasedOrders(this.#before, this.#since.add(orderId));
  }

  *[Symbol.iterator](): Generator<OrderId, void> {
    yield* this.#before;
    yield* this.#since;
  }
}
