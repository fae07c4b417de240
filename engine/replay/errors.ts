/** Why a replay cannot go on, told apart by what the caller can do about it. */
import type { StoredEvent } from "../event-store/stored-event.ts";

/** Another worker drives this replay now. */
export class ReplayBusyError extends Error {
  readonly code = "REPLAY_BUSY";
  override readonly name = "ReplayBusyError";
}

/** The generation was aborted, or its lease went to another worker: this worker must write no more. */
export class ReplayLostError extends Error {
  readonly code = "REPLAY_LOST";
  override readonly name = "ReplayLostError";
}

/** The caller asked to stop; the replay goes on from its checkpoint when it is called again. */
export class ReplayInterruptedError extends Error {
  readonly code: string = "REPLAY_INTERRUPTED";
  override readonly name: string = "ReplayInterruptedError";
}

/** An operator asked for it to stand still: it goes on from its checkpoint when it is resumed. */
export class ReplayPausedError extends ReplayInterruptedError {
  override readonly code = "REPLAY_PAUSED";
  override readonly name = "ReplayPausedError";
}

/** The name of a view as of a position cannot be one, or is missing. Nothing was made. */
export class ReplayNameError extends Error {
  readonly code = "REPLAY_NAME";
  override readonly name = "ReplayNameError";
}

/** The start or the end is the position of no event, or the end lies before the start. Nothing was made. */
export class ReplayPositionError extends Error {
  readonly code = "POSITION_UNKNOWN";
  override readonly name = "ReplayPositionError";
}

/** A replay that was begun otherwise is unfinished: it has to be finished or aborted first. */
export class ReplayUnfinishedError extends Error {
  readonly code = "REPLAY_UNFINISHED";
  override readonly name = "ReplayUnfinishedError";
}

/** An event that the projection cannot take: a view without it would be silently short. */
export class ReplayEventError extends Error {
  readonly code = "REPLAY_EVENT";
  override readonly name = "ReplayEventError";
}

/** Names the event. */
export function eventError({ stream, revision }: StoredEvent, cause: unknown): ReplayEventError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const at = `${revision.toString()}@${stream}`;
  return new ReplayEventError(`event ${at} cannot be applied, and a view without it would be short: ${message}`, {
    cause,
  });
}

/** What was asked for needs a generation in a state that none is in. */
export class NothingToDoError extends Error {
  readonly code = "NOTHING_TO_DO";
  override readonly name = "NothingToDoError";
}
