/**
 * The rules of a persistent subscription group, without I/O and without a clock: events, acknowledgements and the time
 * come in; deliveries, checkpoints and parked messages go out through `Effects`. What it promises: every event is
 * delivered until it is acknowledged, skipped or parked, no consumer has more in flight than it asked for, and the
 * checkpoint never passes an event that is still owed.
 */
import { ConnectedConsumers } from "./connected-consumers.ts";
import { Consumer, type ConsumerConnection } from "./consumer.ts";
import { createStrategy, type ConsumerStrategy } from "./consumer-strategies.ts";
import { LiveBuffer } from "./live-buffer.ts";
import { newMessage, noPlace, type IncomingEvent, type Message } from "./message.ts";
import { OwedEvents } from "./owed-events.ts";
import { Queue } from "./queue.ts";
import type { GroupSettings } from "./settings.ts";

export interface Effects<Payload> {
  /** Everything up to and including this position is done with. */
  checkpoint(position: bigint): void;
  /** Write the message to the parked stream, then call `parked`. */
  park(message: Message<Payload>, reason: string): void;
}

export type NackAction = "unknown" | "park" | "retry" | "skip" | "stop";

/** Part of a page of history: an event that the group wants, or some that its filter leaves out. */
export type HistoryEntry<Payload> =
  | { readonly kind: "event"; readonly event: IncomingEvent<Payload> }
  | { readonly kind: "skipped"; readonly position: bigint; readonly count: number };

export interface HistoryRequest {
  /** First position wanted; undefined: from the start. */
  readonly from: bigint | undefined;
  /** Whether `from` itself has been had already. */
  readonly exclusive: boolean;
  readonly count: number;
}

const largestBatch = 100;
/** Where the settings say 0. */
const usualBatch = 20;

export class GroupEngine<Payload> {
  readonly settings: GroupSettings;
  readonly #effects: Effects<Payload>;
  readonly #consumers = new ConnectedConsumers<Payload>();
  readonly #strategy: ConsumerStrategy<Payload>;
  readonly #waiting: LiveBuffer<Payload>;
  readonly #retries = new Queue<Message<Payload>>();
  readonly #buffer = new Queue<Message<Payload>>();
  readonly #outstanding = new Map<string, Message<Payload>>();
  readonly #owed: OwedEvents<Payload>;
  readonly #startsAt: bigint | undefined;
  #readFrom: bigint | undefined;
  #readExclusive: boolean;
  #lastKnown: bigint | undefined;
  #totalItems = 0;

  /** @param checkpoint where the group got to before, if it ever wrote that down */
  constructor(settings: GroupSettings, checkpoint: bigint | undefined, effects: Effects<Payload>) {
    this.settings = settings;
    this.#effects = effects;
    this.#strategy = createStrategy(settings.consumerStrategy);
    const resumes = checkpoint !== undefined;
    this.#waiting = new LiveBuffer(!resumes && settings.startFrom === "end", settings.liveBufferSize);
    this.#owed = new OwedEvents(settings, checkpoint);
    this.#startsAt = resumes || settings.startFrom === "end" ? undefined : settings.startFrom;
    this.#readFrom = checkpoint ?? (settings.startFrom === "end" ? undefined : settings.startFrom);
    this.#readExclusive = resumes;
  }

  get consumers(): readonly Consumer<Payload>[] {
    return this.#consumers.all;
  }

  get statistics() {
    let inFlight = 0;
    for (const consumer of this.consumers) inFlight += consumer.inFlightCount;
    return {
      isLive: this.#waiting.isLive,
      totalItems: this.#totalItems,
      lastCheckpointed: this.#owed.checkpoint,
      lastKnown: this.#lastKnown,
      readBufferCount: this.#buffer.length,
      liveBufferCount: this.#waiting.recentCount,
      retryBufferCount: this.#retries.length,
      totalInFlight: inFlight,
      outstanding: this.#outstanding.size,
    };
  }

  /** What the group would read next; undefined while it is live or has enough. */
  historyRequest(): HistoryRequest | undefined {
    const { historyBufferSize, readBatchSize } = this.settings;
    if (this.#waiting.isLive) return undefined;
    if (historyBufferSize - this.#buffered() <= readBatchSize) return undefined;
    const count = Math.min(readBatchSize === 0 ? usualBatch : readBatchSize, largestBatch);
    return { from: this.#readFrom, exclusive: this.#readExclusive, count };
  }

  /** A page that `historyRequest` asked for. `next` is where the one after it starts, inclusive. */
  historyRead(entries: readonly HistoryEntry<Payload>[], next: bigint | undefined, isEnd: boolean, now: number): void {
    if (this.#waiting.isLive) return;
    for (const entry of entries) {
      if (this.#becameLive()) break;
      if (entry.kind === "skipped") this.#skip(entry.position, entry.count, now);
      else {
        this.#noteKnown(entry.event.position);
        for (const event of this.#waiting.history(entry.event)) this.#enqueue(event);
      }
    }
    if (isEnd) this.#waiting.historyEnded(next);
    if (next !== undefined) {
      this.#readFrom = next;
      this.#readExclusive = false;
    }
    this.#dispatch(now);
  }

  /** An event that has just been committed. */
  liveEvent(event: IncomingEvent<Payload>, now: number): void {
    if (this.#isBeforeStart(event.position)) return;
    const { historyBufferSize } = this.settings;
    this.#noteKnown(event.position);
    const wasLive = this.#waiting.isLive;
    if (this.#waiting.live(event, this.#buffer.length < historyBufferSize)) this.#enqueue(event);
    else if (wasLive) {
      this.#readFrom = event.position;
      this.#readExclusive = false;
    }
    this.#dispatch(now);
  }

  /** An event has been committed that the group's filter leaves out. */
  liveSkipped(position: bigint, now: number): void {
    if (this.#waiting.isLive && !this.#isBeforeStart(position)) this.#skip(position, 1, now);
  }

  /** A consumer that was behind can be sent more. */
  consumerResumed(now: number): void {
    this.#dispatch(now);
  }

  addConsumer(connection: ConsumerConnection<Payload>, now: number): void {
    const consumer = new Consumer(connection, this.settings.extraStatistics);
    this.#consumers.add(consumer);
    this.#strategy.add(consumer);
    this.#dispatch(now);
  }

  /** Its messages go to the others at once, in the order of their revisions; leaving counts as a retry but never parks. */
  removeConsumer(id: string, now: number): void {
    const consumer = this.#consumers.remove(id);
    if (consumer === undefined) return;
    this.#strategy.remove(consumer);
    const left = [...consumer.inFlight].sort((one, other) => Number(one.revision - other.revision));
    for (const message of left) {
      if (this.#outstanding.get(message.id) === message) this.#retry(message, now);
      else this.#requeue(message, message.retryCount + 1);
    }
    this.#dispatch(now);
  }

  ack(ids: readonly string[], now: number): void {
    for (const id of ids) this.#finish(id, now);
    this.#markCheckpoint(now, "count");
    this.#dispatch(now);
  }

  nack(ids: readonly string[], action: NackAction, reason: string, now: number): void {
    for (const id of ids) {
      const message = this.#outstanding.get(id);
      if (message === undefined) continue;
      if (action === "park") this.#park(message, `Client explicitly NAK'ed message.\n${reason}`, now);
      else if (action === "retry" || action === "unknown") this.#retryOrPark(message, now);
      else this.#finish(id, now);
    }
    this.#markCheckpoint(now, "count");
    this.#dispatch(now);
  }

  /** The parked stream holds the message: the group owes it no longer. */
  parked(message: Message<Payload>, now: number): void {
    this.#owed.settle(message);
    this.#markCheckpoint(now, "count");
    this.#dispatch(now);
  }

  /** The parked stream could not be written: the message is delivered again rather than lost. */
  parkFailed(message: Message<Payload>, now: number): void {
    this.#requeue(message, message.retryCount);
    this.#dispatch(now);
  }

  /** A parked message is to be delivered once more. Its acknowledgement moves no checkpoint. */
  replay(event: Omit<IncomingEvent<Payload>, "position">, now: number): void {
    this.#retries.add(newMessage(event, noPlace));
    this.#dispatch(now);
  }

  /** Once a second: takes back what was not acknowledged in time, and writes checkpoints that are old enough. */
  tick(now: number): void {
    const expired = [...this.#outstanding.values()].filter(({ expires }) => expires <= now);
    for (const message of expired) this.#retryOrPark(message, now);
    this.#dispatch(now);
    this.#markCheckpoint(now, "time");
  }

  /** A call and not a property: the compiler takes a property that was false to stay so. */
  #becameLive(): boolean {
    return this.#waiting.isLive;
  }

  /**
   * A group may be told to start where nothing is yet; one that goes on from a checkpoint has started. (The real server asks
   * the former of both, and loses what comes live below the start.)
   */
  #isBeforeStart(position: bigint): boolean {
    return this.#startsAt !== undefined && position < this.#startsAt;
  }

  #buffered(): number {
    return this.#retries.length + this.#buffer.length;
  }

  #noteKnown(position: bigint): void {
    if (this.#lastKnown === undefined || this.#lastKnown < position) this.#lastKnown = position;
  }

  #enqueue(event: IncomingEvent<Payload>): void {
    this.#buffer.add(this.#owed.add(event));
  }

  #skip(position: bigint, count: number, now: number): void {
    this.#owed.skip(position, count);
    this.#markCheckpoint(now, "count");
  }

  #dispatch(now: number): void {
    if (this.consumers.length === 0) return;
    for (const queue of [this.#retries, this.#buffer]) {
      if (queue.length > 0 && queue.offer((message) => this.#push(message, now)) === "stopped") return;
    }
  }

  #push(message: Message<Payload>, now: number): "taken" | "kept" | "stop" {
    const choice = this.#strategy.choose(message);
    if (choice.kind === "no-capacity") return "stop";
    if (choice.kind === "wait") return "kept";
    this.#totalItems += 1;
    message.expires = now + this.settings.messageTimeout;
    if (this.#outstanding.has(message.id)) {
      // Another event with the same id is in flight: this one is sent, as the real server does, but cannot be told
      // apart when it is acknowledged, so nothing more is expected of it.
      this.#owed.settle(message);
    } else {
      this.#outstanding.set(message.id, message);
    }
    choice.consumer.push(message, now);
    return "taken";
  }

  /** Frees the places of all consumers that have it, and returns the message if one was in flight. */
  #release(id: string, now: number): Message<Payload> | undefined {
    const message = this.#outstanding.get(id);
    this.#outstanding.delete(id);
    for (const consumer of this.consumers) {
      const freed = consumer.remove(id, now);
      if (freed !== undefined) this.#strategy.released(consumer, freed);
    }
    return message;
  }

  #finish(id: string, now: number): void {
    const message = this.#release(id, now);
    if (message !== undefined) this.#owed.settle(message);
  }

  #retryOrPark(message: Message<Payload>, now: number): void {
    const { maxRetryCount } = this.settings;
    if (message.retryCount < maxRetryCount) this.#retry(message, now);
    else this.#park(message, `Reached retry count of ${maxRetryCount}`, now);
  }

  #retry(message: Message<Payload>, now: number): void {
    this.#release(message.id, now);
    this.#requeue(message, message.retryCount + 1);
  }

  /** By position. A replayed message has none: it goes to the end, and what has no later event before it goes behind it. */
  #requeue(message: Message<Payload>, retryCount: number): void {
    const { position } = message;
    message.retryCount = retryCount;
    if (position === undefined) this.#retries.add(message);
    else
      this.#retries.insert(message, (other) => {
        if (other.position === undefined) return "neither";
        return other.position > position ? "later" : "earlier";
      });
  }

  #park(message: Message<Payload>, reason: string, now: number): void {
    this.#release(message.id, now);
    this.#effects.park(message, reason);
  }

  #markCheckpoint(now: number, trigger: "count" | "time"): void {
    const position = this.#owed.due(now, trigger);
    if (position !== undefined) this.#effects.checkpoint(position);
  }
}
