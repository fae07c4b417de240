/**
 * What a function may be asked to do. Usually to take a batch of events; but an event that ended an invocation before it could
 * answer is not brought again to have its failure counted: that is asked for by its name.
 */
import { z } from "zod";
import { formatPosition, parsePosition } from "../event-store/position.ts";
import type { FailedAttempt } from "../quarantine/quarantine-record.ts";
import { BatchFormatError, decodeBatch } from "./event-record.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";

/** How far a stream is to be in a view. */
export interface StreamRevision {
  readonly stream: string;
  readonly revision: bigint;
}

export type FunctionPayload =
  /** Apply them. Answered with a {@link BatchResponse}. */
  | { readonly asks: "take-events"; readonly events: readonly StoredEvent[] }
  /** Count that an event made the function fail. Answered with a {@link FailureResponse}. */
  | { readonly asks: "count-failure"; readonly attempt: FailedAttempt }
  /** Bring a stream up to this revision, whether its events have been delivered or not. Answered with a {@link CatchUpResponse}. */
  | { readonly asks: "catch-up"; readonly upTo: StreamRevision };

const revision = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform(BigInt);

const failureSchema = z.strictObject({
  failure: z.strictObject({
    stream: z.string().min(1),
    revision,
    position: z.string().transform(parsePosition),
    error: z.string().max(2_000),
  }),
});

const catchUpSchema = z.strictObject({ catchUp: z.strictObject({ stream: z.string().min(1), revision }) });

/** Throws {@link BatchFormatError}. */
export function decodePayload(payload: unknown): FunctionPayload {
  if (isNamed(payload, "failure")) return { asks: "count-failure", attempt: parsed(failureSchema, payload).failure };
  if (isNamed(payload, "catchUp")) return { asks: "catch-up", upTo: parsed(catchUpSchema, payload).catchUp };
  return { asks: "take-events", events: decodeBatch(payload) };
}

export function encodeFailure({ stream, revision, position, error }: FailedAttempt): string {
  return JSON.stringify({
    failure: { stream, revision: revision.toString(), position: formatPosition(position), error },
  });
}

export function encodeCatchUp({ stream, revision }: StreamRevision): string {
  return JSON.stringify({ catchUp: { stream, revision: revision.toString() } });
}

export const catchUpAnswerSchema = z.object({
  catchUp: z.enum(["applied", "quarantined", "failed", "beyond-head", "outside-view"]),
  /** With "applied": which generation's rows those are. */
  generation: z.string().exactOptional(),
});

/**
 * The answer to a `catch-up`:
 * - `applied`: the live rows hold all of the stream's events up to the revision.
 * - `quarantined`: an event at or before it was given up, and the stream waits there.
 * - `failed`: an event at or before it cannot be applied now.
 * - `beyond-head`: the stream has no such event (yet).
 * - `outside-view`: the view reads no streams of this category.
 */
export type CatchUpResponse = Readonly<z.output<typeof catchUpAnswerSchema>>;

export const failureAnswerSchema = z.object({ failure: z.enum(["waiting", "failed"]) });

/** The answer to a `failure`: whether the event is given up, so that its stream waits, or is to be tried again. */
export type FailureResponse = Readonly<z.output<typeof failureAnswerSchema>>;

function isNamed(payload: unknown, name: string): boolean {
  return typeof payload === "object" && payload !== null && Object.hasOwn(payload, name);
}

function parsed<Schema extends z.ZodType>(schema: Schema, payload: unknown): z.output<Schema> {
  try {
    return schema.parse(payload);
  } catch (cause) {
    throw new BatchFormatError("this is nothing that the function is asked for: invoke it as the subscriber does", {
      cause,
    });
  }
}
