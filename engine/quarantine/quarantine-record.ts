/**
 * What is kept of an event that fails, in the quarantine table: first how often it was tried, so that counts survive
 * restarts; then, when it is given up, that its stream waits there, and up to which event.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { formatPosition, parsePosition, type Position } from "../event-store/position.ts";
import type { Item, ItemKey } from "../views/item.ts";

/**
 * - `failing`: it is tried again; the record goes by itself some time after the last try.
 * - `quarantined`: it is tried no more, and all later events of its stream wait behind it.
 */
export type QuarantineState = "failing" | "quarantined";

export interface QuarantineRecord {
  /** Where the event has no effect: a view's generation, `<view>#<generation>`, or a process. */
  readonly target: string;
  readonly stream: string;
  readonly state: QuarantineState;
  /** Of the event that fails, the first that its stream waits for. */
  readonly revision: bigint;
  /** Of that event, or near it where it was not at hand. */
  readonly position: Position;
  /** The last event of the stream that was acknowledged and waits; at least `revision`. */
  readonly waitingTo: bigint;
  readonly attempts: number;
  /** ISO 8601, like all times here. */
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  readonly firstError: string;
  readonly lastError: string;
  /** Why it was given up; absent as long as it is failing. */
  readonly reason?: string;
}

/** A failed attempt at an event. */
export interface FailedAttempt {
  readonly stream: string;
  readonly revision: bigint;
  readonly position: Position;
  /** What went wrong, for those who will have to decide. */
  readonly error: string;
}

/** The target of a view's generation. */
export function viewTarget(view: string, generation: string): string {
  return `${view}#${generation}`;
}

/** The view of a target, and which generation; undefined for a process. */
export function viewOfTarget(target: string): { readonly view: string; readonly generation: string } | undefined {
  const end = target.indexOf("#");
  return end < 0 ? undefined : { view: target.slice(0, end), generation: target.slice(end + 1) };
}

const whole = z.object({ N: z.string() }).transform(({ N }) => BigInt(N));
const text = z.object({ S: z.string() }).transform(({ S }) => S);

const recordSchema = z
  .object({
    pk: text,
    stream: text,
    state: text.pipe(z.enum(["failing", "quarantined"])),
    revision: whole,
    position: text.transform(parsePosition),
    waitingTo: whole,
    attempts: whole.transform(Number),
    firstFailedAt: text,
    lastFailedAt: text,
    firstError: text,
    lastError: text,
    reason: text.exactOptional(),
  })
  .transform(({ pk, ...rest }): QuarantineRecord => ({ target: pk, ...rest }));

export function recordOfItem(item: Item): QuarantineRecord {
  return recordSchema.parse(item);
}

/** DynamoDB's limit on the bytes of a sort key. */
const longestSort = 1_024;

/** What stands for a text in a sort key; one that is too long for a key is told by its digest. */
export function sortOf(text: string): string {
  if (Buffer.byteLength(text) <= longestSort) return text;
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

export function recordKey({ target, stream }: Pick<QuarantineRecord, "target" | "stream">): ItemKey {
  return { pk: { S: target }, sk: { S: sortOf(stream) } };
}

export function itemOfRecord(record: QuarantineRecord): Item {
  const { stream, state, revision, position, waitingTo, attempts, reason } = record;
  const { firstFailedAt, lastFailedAt, firstError, lastError } = record;
  return {
    ...recordKey(record),
    stream: { S: stream },
    state: { S: state },
    revision: { N: revision.toString() },
    position: { S: formatPosition(position) },
    waitingTo: { N: waitingTo.toString() },
    attempts: { N: attempts.toString() },
    firstFailedAt: { S: firstFailedAt },
    lastFailedAt: { S: lastFailedAt },
    firstError: { S: firstError },
    lastError: { S: lastError },
    ...(reason === undefined ? {} : { reason: { S: reason } }),
  };
}

/** DynamoDB keeps 400 KB an item, and nobody reads a longer story. */
const longestError = 2_000;

export function errorText(error: unknown): string {
  const described = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return described.slice(0, longestError).toWellFormed();
}
