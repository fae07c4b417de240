/**
 * One effect per key. A command that carries a key gets event ids that follow from stream, key and body, so that two
 * racing copies write the same ids and the store takes the second for a repeat of the first; and its key and digest stand
 * in the metadata of its events, so that a copy that comes later finds them in the loaded stream.
 */
import { hash, randomUUID } from "node:crypto";
import type { EventMetadata } from "../event-store/stored-event.ts";
import {
  noPackedKeys,
  packedCount,
  packedEntry,
  type PackedKeys,
  packedPlace,
  packEntry,
  shortHash,
} from "./packed-keys.ts";
import { eventIdNamespace, madeIdNamespace, uuidV5 } from "./uuid-v5.ts";

/** A key and what was asked under it. Scoped to one stream: the same key on two streams is two keys. */
export interface IdempotencyKey {
  readonly key: string;
  /** From {@link commandDigest}. */
  readonly digest: string;
}

/** SHA-256, hex, of the command's name and its body exactly as sent: white space counts, as it did for the sender. */
export function commandDigest(name: string, body: string): string {
  return hash("sha256", `${name}\n${body}`, "hex");
}

/** The id that the server gives to what a keyed request creates: every resend creates the same thing. */
export function idFromKey(category: string, key: string): string {
  return uuidV5(JSON.stringify([category, key]), madeIdNamespace);
}

/**
 * Ids for the events of one command, the n-th always the same: without the digest in them another body under the same key
 * would pass as a repeat, because the store compares ids only. Without a key they are random, but the same for every try
 * of this one call, so that an append whose answer was lost can be sent again.
 */
export function eventIds(stream: string, idempotency: IdempotencyKey | undefined): (index: number) => string {
  const seed = idempotency === undefined ? [randomUUID()] : [stream, idempotency.key, idempotency.digest];
  return (index) => uuidV5(JSON.stringify([...seed, index]), eventIdNamespace);
}

/** How many keys a stream remembers. */
export const rememberedKeys = 1_000;

/** What a stream remembers of a key: what was asked and the revision that the first answer gave. */
export type RememberedKey =
  | { readonly digest: string; readonly revision: bigint }
  /** Out of a snapshot, which holds no whole digests. */
  | { readonly shortDigest: Buffer; readonly revision: bigint };

/** Whether the key was used for the command that has this digest. */
export function stoodFor(remembered: RememberedKey, digest: string): boolean {
  return "digest" in remembered ? remembered.digest === digest : remembered.shortDigest.equals(shortHash(digest));
}

/**
 * The keys of a stream's most recent commands. Bounded, so that a long stream costs no more memory than a short one: a
 * resend is recognised while fewer than `limit` keyed commands have changed the same stream since.
 */
export class RecentKeys {
  readonly #limit: number;
  /** Noted here, oldest first; they are newer than all of `#before`. */
  #keys = new Map<string, { readonly digest: string; readonly revision: bigint }>();
  readonly #before: PackedKeys;

  /** `before`: what {@link pack} gave when the stream was shorter. */
  constructor(limit = rememberedKeys, before = noPackedKeys) {
    this.#limit = limit;
    this.#before = before;
  }

  /** Notes the key of an event, if it has one; the events of one command stand together, the last gives the revision. */
  note({ idempotencyKey: key, idempotencyDigest: digest }: EventMetadata, revision: bigint): void {
    // Metadata comes from the store unchecked, and others may write there too.
    if (typeof key !== "string" || typeof digest !== "string") return;
    this.#keys.delete(key);
    this.#keys.set(key, { digest, revision });
    if (this.#keys.size <= this.#limit) return;
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest);
      return;
    }
  }

  find(key: string): RememberedKey | undefined {
    return this.#keys.get(key) ?? this.#findBefore(key);
  }

  /** The same memory, which goes on by itself from here. */
  copy(): RecentKeys {
    const copy = new RecentKeys(this.#limit, this.#before);
    copy.#keys = new Map(this.#keys);
    return copy;
  }

  /** What is remembered, for a snapshot. */
  pack(): PackedKeys {
    const noted = [...this.#keys].map(([key, { digest, revision }]) => packEntry(key, digest, revision));
    const again = this.#notedAgain();
    const before: Buffer[] = [];
    for (let place = 0; place < packedCount(this.#before); place += 1) {
      if (!again.has(place)) before.push(packedEntry(this.#before, place).entry);
    }
    return Buffer.concat([...before, ...noted].slice(-this.#limit));
  }

  #findBefore(key: string): RememberedKey | undefined {
    // Most streams were never restored from a snapshot: their keys need not be hashed.
    if (this.#before.length === 0) return undefined;
    const place = packedPlace(this.#before, shortHash(key));
    if (place === -1) return undefined;
    let newer = this.#keys.size + packedCount(this.#before) - 1 - place;
    if (newer >= this.#limit) for (const again of this.#notedAgain()) if (again > place) newer -= 1;
    if (newer >= this.#limit) return undefined;
    const { digest, revision } = packedEntry(this.#before, place);
    return { shortDigest: digest, revision };
  }

  /** Places in `#before` whose keys have been noted since, and so are no longer there. */
  #notedAgain(): Set<number> {
    const places = new Set<number>();
    if (this.#before.length === 0) return places;
    for (const key of this.#keys.keys()) places.add(packedPlace(this.#before, shortHash(key)));
    places.delete(-1);
    return places;
  }
}
