/** Why a replay cannot go on, told apart by what the caller can do about it. */

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
  readonly code = "REPLAY_INTERRUPTED";
  override readonly name = "ReplayInterruptedError";
}

/** `from` is the position of no event. Nothing was made. */
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

/** What was asked for needs a generation in a state that none is in. */
export class NothingToDoError extends Error {
  readonly code = "NOTHING_TO_DO";
  override readonly name = "NothingToDoError";
}
