/** The streams that the client of EventStoreDB gives: a read, a catch-up subscription, a consumer of a persistent one. */
import type { ResolvedEvent } from "@eventstore/db-client";
import { Readable } from "node:stream";

/** Ends with `null`, as any stream of Node.js; whoever cancels it or destroys it is given no more. */
export class SimulatedRead extends Readable {
  constructor() {
    super({ objectMode: true, highWaterMark: 1_000 });
  }

  override _read(): void {
    // What there is comes when it comes.
  }

  give(item: unknown): void {
    if (!this.destroyed) this.push(item);
  }

  cancel(): Promise<void> {
    return Promise.resolve();
  }
}

export class SimulatedCatchUp extends SimulatedRead {
  readonly #ended = new AbortController();

  /** Aborted once nobody wants more of it. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** What is no event is told by a name, and not behind the events that were given before and wait to be read. */
  tell(name: "caughtUp"): void {
    if (!this.destroyed) this.emit(name);
  }

  unsubscribe(): Promise<void> {
    this.#ended.abort();
    return Promise.resolve();
  }

  override _destroy(error: Error | null, destroyed: (error?: Error | null) => void): void {
    this.#ended.abort();
    destroyed(error);
  }
}

export interface SubscriptionLine {
  ack(events: readonly ResolvedEvent[]): void;
  leave(): void;
}

export class SimulatedSubscription extends Readable {
  readonly #line: SubscriptionLine;

  constructor(line: SubscriptionLine) {
    super({ objectMode: true, highWaterMark: 10_000 });
    this.#line = line;
  }

  override _read(): void {
    // As above.
  }

  give(event: ResolvedEvent): void {
    if (!this.destroyed) this.push(event);
  }

  ack(...events: ResolvedEvent[]): Promise<void> {
    this.#line.ack(events);
    return Promise.resolve();
  }

  nack(): Promise<void> {
    return Promise.reject(new Error("the engine never gives a negative acknowledgement: it would lose events"));
  }

  unsubscribe(): Promise<void> {
    this.#line.leave();
    this.destroy();
    return Promise.resolve();
  }
}
