/**
 * A snapshot: an aggregate as it was after one event of its stream, as an event's data. Reading it back gives what was
 * written or says why not; nothing of it is believed unchecked, because it only saves time.
 */
import { hash } from "node:crypto";
import { z } from "zod";
import { arePackedKeys, type PackedKeys } from "../commands/packed-keys.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { SnapshotPolicy } from "./snapshot-policy.ts";
import type { SnapshotUse } from "./snapshot-use.ts";

export interface Snapshot<State> {
  readonly state: State;
  /** The keys that the stream remembered then. */
  readonly keys: PackedKeys;
  readonly madeAt: EventMark;
  /** Revision of the first event that was folded: above 0 where the stream was truncated. */
  readonly first: bigint;
}

/**
 * Tells an event from any other that may come to stand at its revision. The id alone does not: after a restore from a backup
 * others may append first and then a resend of the same command, whose ids follow from its key, at the same revision.
 */
export interface EventMark {
  readonly revision: bigint;
  readonly eventId: string;
  readonly recordedAt: string;
}

/** A snapshot, or why there is none to use. */
export type FoundSnapshot<State> =
  | { readonly snapshot: "found"; readonly found: Snapshot<State> }
  | Extract<SnapshotUse, { readonly snapshot: "none" | "ignored" }>;

export function markOf({ revision, id, recordedAt }: StoredEvent): EventMark {
  return { revision, eventId: id, recordedAt: recordedAt.toISOString() };
}

export function isMarked({ revision, eventId, recordedAt }: EventMark, event: StoredEvent): boolean {
  return event.revision === revision && event.id === eventId && event.recordedAt.toISOString() === recordedAt;
}

export const snapshotEventType = "Snapshot";

/** Up to 2^63 - 1: a stream has no event beyond it, and the store takes a read from there for a fault. */
const revisionText = z
  .string()
  .regex(/^\d{1,19}$/)
  .refine((text) => BigInt(text) < 2n ** 63n);

const contentSchema = z.strictObject({
  stream: z.string(),
  first: revisionText,
  revision: revisionText,
  eventId: z.string(),
  recordedAt: z.string(),
  fingerprint: z.string(),
  state: z.unknown(),
  /** Base64. */
  keys: z.string(),
  checksum: z.string(),
});

type Content = z.output<typeof contentSchema>;

export function snapshotData<State>(
  stream: string,
  { fingerprint, format }: SnapshotPolicy<State>,
  { state, keys, madeAt, first }: Snapshot<State>,
): Content {
  const content = {
    stream,
    first: first.toString(),
    revision: madeAt.revision.toString(),
    eventId: madeAt.eventId,
    recordedAt: madeAt.recordedAt,
    fingerprint,
    state: format.write(state),
    keys: keys.toString("base64"),
  };
  return { ...content, checksum: checksumOf(content) };
}

export function readSnapshotData<State>(
  stream: string,
  { fingerprint, format }: SnapshotPolicy<State>,
  data: unknown,
): FoundSnapshot<State> {
  const parsed = contentSchema.safeParse(data);
  if (!parsed.success) return { snapshot: "ignored", why: "damaged" };
  const { checksum, ...content } = parsed.data;
  if (content.stream !== stream) return { snapshot: "ignored", why: "of-another-stream" };
  if (content.fingerprint !== fingerprint) return { snapshot: "ignored", why: "stale" };
  const keys = Buffer.from(content.keys, "base64");
  if (checksum !== checksumOf(content) || !arePackedKeys(keys)) return { snapshot: "ignored", why: "damaged" };
  const { eventId, recordedAt } = content;
  const madeAt = { revision: BigInt(content.revision), eventId, recordedAt };
  try {
    const found = { state: format.read(content.state), keys, madeAt, first: BigInt(content.first) };
    return { snapshot: "found", found };
  } catch {
    return { snapshot: "ignored", why: "damaged" };
  }
}

/** Raised when the engine comes to mean something else by a snapshot's content; those of before are then damaged ones. */
const contentVersion = 1;

/** Of JSON as it is written; JSON that was read back is written the same. */
function checksumOf(content: Omit<Content, "checksum">): string {
  const { stream, first, revision, eventId, recordedAt, fingerprint, state, keys } = content;
  const text = JSON.stringify([contentVersion, stream, first, revision, eventId, recordedAt, fingerprint, state, keys]);
  return hash("sha256", text, "hex");
}
