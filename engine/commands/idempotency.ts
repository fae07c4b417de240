/**
 * One effect per key. A command that carries a key gets event ids that follow from stream, key and body, so that two
 * racing copies write the same ids and the store takes the second for a repeat of the first; and its key and digest stand
 * in the metadata of its events, so that a copy that comes later finds them in the loaded stream.
 */
import { createHash, randomUUID } from "node:crypto";
import type { EventMetadata } from "../event-store/stored-event.ts";
import { eventIdNamespace, madeIdNamespace, uuidV5 } from "./uuid-v5.ts";

/** A key and what was asked under it. Scoped to one stream: the same key on two streams is two keys. */
export interface IdempotencyKey {
  readonly key: string;
  /** From {@link commandDigest}. */
  readonly digest: string;
}

/** SHA-256, hex, of the command's name and its body exactly as sent: white space counts, as it did for the sender. */
export function commandDigest(name: string, body: string): string {
  return createHash("sha256").update(`${name}\n`, "utf8").update(body, "utf8").digest("hex");
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

/** What a stream remembers of a key: what was asked and the revision that the first answer gave. */
export interface RememberedKey {
  readonly digest: string;
  readonly revision: bigint;
}

/**
 * The keys of a stream's most recent commands. Bounded, so that a long stream costs no more memory than a short one: a
 * resend is recognised while no more than `limit` keyed commands have changed the same stream since.
 */
export class RecentKeys {
  readonly #limit: number;
  readonly #keys = new Map<string, RememberedKey>();

  constructor(limit = 1_000) {
    this.#limit = limit;
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
    return this.#keys.get(key);
  }
}
