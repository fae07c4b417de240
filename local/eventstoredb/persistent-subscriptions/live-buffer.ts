/**
 * Where events wait before they are dispatched. A group is behind while it reads history, and live when events reach it
 * as they are committed. What is committed while it is behind waits in a bounded queue that drops its oldest; history
 * meets that queue again, or reaches the end of the stream, and the group is live.
 */
import type { IncomingEvent } from "./message.ts";
import { Queue } from "./queue.ts";

export class LiveBuffer<Payload> {
  #live: boolean;
  readonly #recent = new Queue<IncomingEvent<Payload>>();
  readonly #recentLimit: number;

  constructor(startsLive: boolean, liveBufferSize: number) {
    this.#live = startsLive;
    this.#recentLimit = liveBufferSize;
  }

  get isLive(): boolean {
    return this.#live;
  }

  get recentCount(): number {
    return this.#recent.length;
  }

  /** Takes an event as it is committed. True if it is to be dispatched now; false if history will bring it. */
  live(event: IncomingEvent<Payload>, hasRoom: boolean): boolean {
    const accepted = this.#live && hasRoom;
    if (!accepted) this.#live = false;
    this.#recent.add(event);
    while (this.#recent.length > this.#recentLimit) this.#recent.take();
    return accepted;
  }

  /** Takes an event from history; returns what is to be dispatched: it, or the queue that begins with it. */
  history(event: IncomingEvent<Payload>): readonly IncomingEvent<Payload>[] {
    if (this.#live) return [];
    const firstRecent = this.#recent.first;
    if (firstRecent === undefined || event.position < firstRecent.position) return [event];
    while (this.#recent.first !== undefined && this.#recent.first.position < event.position) this.#recent.take();
    const events = [...this.#recent];
    this.#recent.clear();
    this.#live = true;
    return events;
  }

  /**
   * History has ended before `next`. What waits below it was met, or cannot be read any more (truncated, deleted);
   * without anything above it the group is live.
   */
  historyEnded(next: bigint | undefined): void {
    while (next !== undefined && this.#recent.first !== undefined && this.#recent.first.position < next) {
      this.#recent.take();
    }
    if (this.#recent.length === 0) this.#live = true;
  }
}
