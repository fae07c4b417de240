import type { ResolvedEvent } from "@eventstore/db-client";
import type { Position } from "../event-store/position.ts";
import type { GroupConnection } from "./group-connection.ts";

/** An event that the store has given us and that we have not acknowledged. */
export interface HeldEvent {
  /** Its item identifier. */
  readonly item: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: Position;
  /** When the store took it in. */
  readonly recordedAt: Date;
  readonly record: string;
  /** Of `record` in UTF-8. */
  readonly bytes: number;
  /** Whether an invocation with it is under way. */
  inFlight: boolean;
  /** Who gave it to us last; undefined when that connection is gone and the store will give the event again. */
  delivery: { readonly connection: GroupConnection; readonly event: ResolvedEvent } | undefined;
}
