/**
 * Keeps a stream's events with one consumer: streams hash to 1024 buckets, a bucket belongs to one consumer until that
 * leaves or a newcomer takes its share. Best effort, as on the real server: a message whose consumer is full waits, and
 * later ones of other buckets overtake it.
 */
import type { Consumer } from "./consumer.ts";
import type { Choice, ConsumerStrategy } from "./consumer-strategies.ts";
import type { Message } from "./message.ts";
import { xxHash32 } from "./xx-hash.ts";

const bucketCount = 1024;

export class PinnedStrategy<Payload> implements ConsumerStrategy<Payload> {
  #consumers: Consumer<Payload>[] = [];
  readonly #owners = new Map<number, Consumer<Payload>>();

  get consumers(): readonly Consumer<Payload>[] {
    return this.#consumers;
  }

  add(consumer: Consumer<Payload>): void {
    this.#consumers.push(consumer);
    const share = Math.floor(this.#owners.size / this.#consumers.length);
    for (let moved = 0; moved < share; moved += 1) {
      const bucket = this.#bucketOf(this.#mostLoaded(consumer));
      if (bucket === undefined) return;
      this.#owners.set(bucket, consumer);
    }
  }

  remove(consumer: Consumer<Payload>): void {
    this.#consumers = this.#consumers.filter((other) => other !== consumer);
    for (const [bucket, owner] of this.#owners) if (owner === consumer) this.#owners.delete(bucket);
  }

  choose(message: Message<Payload>): Choice<Payload> {
    if (!this.#consumers.some((consumer) => consumer.hasRoom)) return { kind: "no-capacity" };
    const bucket = xxHash32(message.source) % bucketCount;
    const consumer = this.#owners.get(bucket) ?? this.#assign(bucket);
    if (consumer === undefined) return { kind: "no-capacity" };
    return consumer.hasRoom ? { kind: "consumer", consumer } : { kind: "wait" };
  }

  #assign(bucket: number): Consumer<Payload> | undefined {
    const loads = this.#loads();
    let least: Consumer<Payload> | undefined;
    for (const consumer of this.#consumers) {
      if (least === undefined || (loads.get(consumer) ?? 0) < (loads.get(least) ?? 0)) least = consumer;
    }
    if (least !== undefined) this.#owners.set(bucket, least);
    return least;
  }

  #mostLoaded(newcomer: Consumer<Payload>): Consumer<Payload> | undefined {
    const loads = this.#loads();
    let most: Consumer<Payload> | undefined;
    for (const consumer of this.#consumers) {
      if (consumer !== newcomer && (loads.get(consumer) ?? 0) > (most === undefined ? 0 : (loads.get(most) ?? 0))) {
        most = consumer;
      }
    }
    return most;
  }

  #bucketOf(consumer: Consumer<Payload> | undefined): number | undefined {
    for (const [bucket, owner] of this.#owners) if (owner === consumer) return bucket;
    return undefined;
  }

  #loads(): Map<Consumer<Payload>, number> {
    const loads = new Map<Consumer<Payload>, number>();
    for (const owner of this.#owners.values()) loads.set(owner, (loads.get(owner) ?? 0) + 1);
    return loads;
  }
}
