/**
 * What a group still owes, and how far its checkpoint may go: to just before the first event that is owed, or to the last
 * one met. It is written when enough events lie behind it, or fewer of them long enough.
 */
import { isReplayed, newMessage, type IncomingEvent, type Message } from "./message.ts";
import { Queue } from "./queue.ts";
import type { GroupSettings } from "./settings.ts";

export class OwedEvents<Payload> {
  readonly #settings: GroupSettings;
  /** In the order of the stream; done ones leave from the front. */
  readonly #owed = new Queue<Message<Payload>>();
  #doneAmongOwed = 0;
  /** Counts every event met, also those that the filter leaves out; the one that a checkpoint names is number 0. */
  #nextSequence: number;
  #lastPosition: bigint | undefined;
  #checkpointSequence: number;
  #checkpointTime = -Infinity;
  #checkpoint: bigint | undefined;

  /** @param checkpoint where the group got to before, if it ever wrote that down */
  constructor(settings: GroupSettings, checkpoint: bigint | undefined) {
    this.#settings = settings;
    this.#nextSequence = checkpoint === undefined ? 0 : 1;
    this.#checkpointSequence = this.#nextSequence - 1;
    this.#lastPosition = checkpoint;
    this.#checkpoint = checkpoint;
  }

  /** The last one written. */
  get checkpoint(): bigint | undefined {
    return this.#checkpoint;
  }

  add(event: IncomingEvent<Payload>): Message<Payload> {
    const message = newMessage(event, {
      position: event.position,
      previousPosition: this.#lastPosition,
      sequence: this.#nextSequence,
    });
    this.#nextSequence += 1;
    this.#lastPosition = event.position;
    this.#owed.add(message);
    return message;
  }

  /** Events that the filter leaves out, up to this position. */
  skip(position: bigint, count: number): void {
    this.#nextSequence += count;
    this.#lastPosition = position;
  }

  /** Nothing more is expected of this message. */
  settle(message: Message<Payload>): void {
    if (message.done) return;
    message.done = true;
    if (isReplayed(message)) return;
    this.#doneAmongOwed += 1;
    while (this.#owed.first?.done === true) {
      this.#owed.take();
      this.#doneAmongOwed -= 1;
    }
    if (this.#doneAmongOwed > 1000 && this.#doneAmongOwed * 2 > this.#owed.length) {
      this.#owed.retain((owed) => !owed.done);
      this.#doneAmongOwed = 0;
    }
  }

  /** The checkpoint that is to be written now, if one is. */
  due(now: number, trigger: "count" | "time"): bigint | undefined {
    const { checkPointAfter, minCheckPointCount, maxCheckPointCount } = this.#settings;
    const first = this.#owed.first;
    const position = first === undefined ? this.#lastPosition : first.previousPosition;
    const sequence = (first === undefined ? this.#nextSequence : first.sequence) - 1;
    const difference = sequence - this.#checkpointSequence;
    if (position === undefined || difference <= 0) return undefined;
    const isOld = checkPointAfter > 0 && now - this.#checkpointTime >= checkPointAfter;
    const isDue = difference >= maxCheckPointCount || (trigger === "time" && isOld && difference >= minCheckPointCount);
    if (!isDue) return undefined;
    this.#checkpointTime = now;
    this.#checkpointSequence = sequence;
    this.#checkpoint = position;
    return position;
  }
}
