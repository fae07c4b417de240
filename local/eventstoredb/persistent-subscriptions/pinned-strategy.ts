/**
 * Keeps a stream's events with one consumer: streams hash to 1024 buckets, a bucket belongs to one consumer until that
 * leaves or a newcomer takes its share. Best effort, as on the real server: a message whose consumer is full waits, and
 * later ones of other buckets overtake it.
 */
import type { Consumer } from "./consumer.ts";
import { noCapacity, type Choice, type ConsumerStrategy } from "./consumer-strategies.ts";
import type { Message } from "./message.ts";
import { streamHash } from "./stream-hash.ts";

const bucketCount = 1024;

interface Bucket<Payload> {
  owner: Consumer<Payload>;
  inFlight: number;
}

export class PinnedStrategy<Payload> implements ConsumerStrategy<Payload> {
  /** How many buckets each consumer owns, in the order in which they came. */
  readonly #loads = new Map<Consumer<Payload>, number>();
  readonly #buckets = new Map<number, Bucket<Payload>>();

  /** Whoever owns more than an even share gives the newcomer what is above it, first what has nothing in flight. */
  add(consumer: Consumer<Payload>): void {
    const others = [...this.#loads];
    this.#loads.set(consumer, 0);
    const share = Math.ceil(this.#buckets.size / this.#loads.size);
    for (const [owner, load] of others) {
      for (const bucket of this.#idlestOf(owner, load - share)) this.#assign(bucket, consumer);
    }
  }

  remove(consumer: Consumer<Payload>): void {
    this.#loads.delete(consumer);
    for (const [number, { owner }] of this.#buckets) if (owner === consumer) this.#buckets.delete(number);
  }

  choose(message: Message<Payload>): Choice<Payload> {
    if (!this.#hasRoom()) return noCapacity;
    message.bucket ??= streamHash(message.source) % bucketCount;
    const bucket = this.#buckets.get(message.bucket) ?? this.#open(message.bucket);
    if (bucket === undefined) return noCapacity;
    if (!bucket.owner.hasRoom) return { kind: "wait" };
    bucket.inFlight += 1;
    return { kind: "consumer", consumer: bucket.owner };
  }

  /** A message that is in flight to a former owner of its bucket goes on counting for the bucket, as on the real server. */
  released(consumer: Consumer<Payload>, message: Message<Payload>): void {
    const bucket = message.bucket === undefined ? undefined : this.#buckets.get(message.bucket);
    if (bucket?.owner === consumer) bucket.inFlight -= 1;
  }

  #hasRoom(): boolean {
    for (const consumer of this.#loads.keys()) if (consumer.hasRoom) return true;
    return false;
  }

  /** A bucket's first message gives it to the consumer that owns least, of equals to the one that came first. */
  #open(number: number): Bucket<Payload> | undefined {
    let least: Consumer<Payload> | undefined;
    let leastLoad = Infinity;
    for (const [consumer, load] of this.#loads) {
      if (load < leastLoad) [least, leastLoad] = [consumer, load];
    }
    if (least === undefined) return undefined;
    const bucket: Bucket<Payload> = { owner: least, inFlight: 0 };
    this.#buckets.set(number, bucket);
    this.#loads.set(least, leastLoad + 1);
    return bucket;
  }

  #assign(bucket: Bucket<Payload>, newcomer: Consumer<Payload>): void {
    this.#loads.set(bucket.owner, (this.#loads.get(bucket.owner) ?? 0) - 1);
    this.#loads.set(newcomer, (this.#loads.get(newcomer) ?? 0) + 1);
    bucket.owner = newcomer;
  }

  #idlestOf(owner: Consumer<Payload>, count: number): readonly Bucket<Payload>[] {
    if (count <= 0) return [];
    return [...this.#buckets]
      .filter(([, bucket]) => bucket.owner === owner)
      .sort(([one, { inFlight: ofOne }], [other, { inFlight: ofOther }]) => ofOne - ofOther || one - other)
      .slice(0, count)
      .map(([, bucket]) => bucket);
  }
}
