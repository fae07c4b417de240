import type { Position } from "../event-store/position.ts";

/**
 * How far a generation has seen one stream: every event up to `revision` is in its rows, exactly once. Revisions do not
 * expire, so neither does the protection against a redelivery.
 */
export interface Guard {
  readonly revision: bigint;
  /** Where the event with that revision stands in `$all`. */
  readonly position: Position;
}
