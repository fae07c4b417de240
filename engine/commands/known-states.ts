/**
 * Long aggregates as this process has loaded them last: with one of them the next load reads only what came since. They are
 * believed no more than snapshots are, each use compares them with the stream again; but they are used as they are, so that
 * `evolve` must leave the state that it is given as it was.
 */
import type { EventStore } from "../event-store/event-store.ts";
import { pageEvents, type SnapshotPolicy } from "../snapshots/snapshot-policy.ts";
import type { Loaded } from "./fold.ts";

interface Known {
  readonly policy: object;
  readonly loaded: Loaded<unknown>;
  readonly weight: number;
}

export class KnownStates {
  readonly #limit: number;
  readonly #known = new Map<string, Known>();
  #weight = 0;

  /** `limit`: of how many events all of them together are made, because a state hardly outgrows its events. */
  constructor(limit = 100_000) {
    this.#limit = limit;
  }

  get<State>(policy: SnapshotPolicy<State>, stream: string): Loaded<State> | undefined {
    const known = this.#known.get(stream);
    if (known?.policy !== policy) return undefined;
    this.#known.delete(stream);
    this.#known.set(stream, known);
    // It was put there under this very policy, which belongs to one aggregate and its state.
    const loaded = known.loaded as Loaded<State>;
    return { ...loaded, keys: loaded.keys.copy() };
  }

  /** In place of what was known of the stream; a short one is loaded as fast without. Those used longest ago give way. */
  set<State>(policy: SnapshotPolicy<State>, stream: string, loaded: Loaded<State>): void {
    this.#delete(stream);
    const { revision, first = 0n, keys, reading } = loaded;
    const weight = revision === "no_stream" ? 0 : Number(revision - first) + 1;
    // One that does not fit by itself would make all others give way, and then go too.
    if (weight <= pageEvents || weight > this.#limit) return;
    const kept = {
      ...loaded,
      keys: keys.copy(),
      reading: { ...reading, snapshot: { snapshot: "not-sought" } as const },
    };
    this.#known.set(stream, { policy, loaded: kept, weight });
    this.#weight += weight;
    for (const oldest of this.#known.keys()) {
      if (this.#weight <= this.#limit) return;
      this.#delete(oldest);
    }
  }

  #delete(stream: string): void {
    this.#weight -= this.#known.get(stream)?.weight ?? 0;
    this.#known.delete(stream);
  }
}

const byEventStore = new WeakMap<EventStore, KnownStates>();

/** Those of one event store: another may hold other streams under the same names. */
export function knownStates(eventStore: EventStore): KnownStates {
  const known = byEventStore.get(eventStore) ?? new KnownStates();
  byEventStore.set(eventStore, known);
  return known;
}
