/**
 * Snapshots that this process has read and found good, the most recently used ones: with one of them a load reads only what
 * came after it. They are kept no better than those in the store are: each use compares them with the stream again.
 */
import type { EventStore } from "../event-store/event-store.ts";
import type { SnapshotPolicy } from "./snapshot-policy.ts";
import type { Snapshot } from "./snapshot.ts";

interface Known {
  readonly policy: object;
  readonly snapshot: Snapshot<unknown>;
  readonly size: number;
}

export class KnownSnapshots {
  readonly #limit: number;
  readonly #known = new Map<string, Known>();
  #size = 0;

  /** `limit`: most characters that all of them together are long as text. */
  constructor(limit = 16 * 1024 * 1024) {
    this.#limit = limit;
  }

  get<State>(policy: SnapshotPolicy<State>, stream: string): Snapshot<State> | undefined {
    const known = this.#known.get(stream);
    if (known?.policy !== policy) return undefined;
    this.#known.delete(stream);
    this.#known.set(stream, known);
    // It was put there under this very policy, whose format has made the state.
    return known.snapshot as Snapshot<State>;
  }

  set<State>(policy: SnapshotPolicy<State>, stream: string, snapshot: Snapshot<State>, size: number): void {
    this.delete(stream);
    this.#known.set(stream, { policy, snapshot, size });
    this.#size += size;
    for (const oldest of this.#known.keys()) {
      if (this.#size <= this.#limit) return;
      this.delete(oldest);
    }
  }

  delete(stream: string): void {
    this.#size -= this.#known.get(stream)?.size ?? 0;
    this.#known.delete(stream);
  }
}

const byEventStore = new WeakMap<EventStore, KnownSnapshots>();

/** Those of one event store: another may hold other streams under the same names. */
export function knownSnapshots(eventStore: EventStore): KnownSnapshots {
  const known = byEventStore.get(eventStore) ?? new KnownSnapshots();
  byEventStore.set(eventStore, known);
  return known;
}
