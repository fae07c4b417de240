/** One connected consumer of a group: how much it may have in flight, and what it has. */
import type { Message } from "./message.ts";
import { Measurements } from "./measurements.ts";

export interface ConsumerConnection<Payload> {
  readonly id: string;
  /** Most messages that may be in flight to it. */
  readonly bufferSize: number;
  /** Whether so much is on its way to it that nothing more should be sent until it has taken some: `bufferSize` may be anything. */
  readonly isBehind?: boolean;
  deliver(payload: Payload, retryCount: number): void;
}

interface InFlight<Payload> {
  readonly message: Message<Payload>;
  readonly since: number;
  /** More than one where other events with the same id were sent meanwhile. */
  places: number;
}

export class Consumer<Payload> {
  readonly connection: ConsumerConnection<Payload>;
  readonly measurements: Measurements | undefined;
  readonly #inFlight = new Map<string, InFlight<Payload>>();
  #placesTaken = 0;
  totalItems = 0;

  constructor(connection: ConsumerConnection<Payload>, extraStatistics: boolean) {
    this.connection = connection;
    this.measurements = extraStatistics ? new Measurements() : undefined;
  }

  get available(): number {
    return this.connection.bufferSize - this.#placesTaken;
  }

  get hasRoom(): boolean {
    return this.available > 0 && this.connection.isBehind !== true;
  }

  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** In the order in which they were sent. */
  get inFlight(): readonly Message<Payload>[] {
    return [...this.#inFlight.values()].map(({ message }) => message);
  }

  push(message: Message<Payload>, now: number): void {
    this.totalItems += 1;
    this.#placesTaken += 1;
    const entry = this.#inFlight.get(message.id);
    if (entry === undefined) this.#inFlight.set(message.id, { message, since: now, places: 1 });
    else entry.places += 1;
    this.connection.deliver(message.payload, message.retryCount);
  }

  /** Frees what is taken under this id, and returns the message; undefined if nothing is. */
  remove(id: string, now: number): Message<Payload> | undefined {
    const entry = this.#inFlight.get(id);
    if (entry === undefined) return undefined;
    this.measurements?.add(now - entry.since);
    this.#placesTaken -= entry.places;
    this.#inFlight.delete(id);
    return entry.message;
  }
}
