/**
 * One event on its way through a group. `Payload` is what consumers are sent: the engine never looks into it.
 */
export interface IncomingEvent<Payload> {
  /** Id of the original event, by which consumers acknowledge it. */
  readonly id: string;
  /** Where the group stands when it has had this event: a revision, or a position of `$all`. */
  readonly position: bigint;
  /** Revision of the original event, in whatever stream it lies. */
  readonly revision: bigint;
  /** Name of the stream that decides which consumer a pinned event goes to. */
  readonly source: string;
  readonly payload: Payload;
}

export interface Message<Payload> {
  readonly id: string;
  /** Undefined for a parked message that is replayed: it has no place among the group's events. */
  readonly position: bigint | undefined;
  readonly revision: bigint;
  /** Where the group stood before this event; undefined for its very first one. */
  readonly previousPosition: bigint | undefined;
  /** Counts the events that the group has met, matching or not. */
  readonly sequence: number;
  readonly source: string;
  readonly payload: Payload;
  /** Of `source`, once a pinned group has asked for it. */
  bucket: number | undefined;
  retryCount: number;
  /** Milliseconds; when it will be taken back if it is not acknowledged. */
  expires: number;
  /** Acknowledged, skipped or parked: the checkpoint may pass it. */
  done: boolean;
}

/** Where a message stands among those of its group. */
export type Place = Pick<Message<unknown>, "position" | "previousPosition" | "sequence">;

/** An event that has been sent to nobody yet. */
export const newMessage = <Payload>(
  { id, revision, source, payload }: Omit<IncomingEvent<Payload>, "position">,
  { position, previousPosition, sequence }: Place,
): Message<Payload> => ({
  id,
  position,
  revision,
  previousPosition,
  sequence,
  source,
  payload,
  bucket: undefined,
  retryCount: 0,
  expires: Infinity,
  done: false,
});

/** A parked message that is delivered again has no place: its acknowledgement moves no checkpoint. */
export const noPlace: Place = { position: undefined, previousPosition: undefined, sequence: -1 };

export const isReplayed = (message: Message<unknown>): boolean => message.position === undefined;
