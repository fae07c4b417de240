/** One connected consumer of a group: how much it may have in flight, and what it has. */
import type { Message } from "./message.ts";
import { Measurements } from "./measurements.ts";

export interface ConsumerConnection<Payload> {
  readonly id: string;
  /** Most messages that may be in flight to it. */
  readonly bufferSize: number;
  deliver(payload: Payload, retryCount: number): void;
}

export class Consumer<Payload> {
  readonly connection: ConsumerConnection<Payload>;
  readonly inFlight = new Map<string, { readonly message: Message<Payload>; readonly since: number }>();
  readonly measurements: Measurements | undefined;
  totalItems = 0;

  constructor(connection: ConsumerConnection<Payload>, extraStatistics: boolean) {
    this.connection = connection;
    this.measurements = extraStatistics ? new Measurements() : undefined;
  }

  get available(): number {
    return this.connection.bufferSize - this.inFlight.size;
  }

  get hasRoom(): boolean {
    return this.available > 0;
  }

  push(message: Message<Payload>, now: number): void {
    this.totalItems += 1;
    if (!this.inFlight.has(message.id)) this.inFlight.set(message.id, { message, since: now });
    this.connection.deliver(message.payload, message.retryCount);
  }

  remove(id: string, now: number): boolean {
    const entry = this.inFlight.get(id);
    if (entry === undefined) return false;
    this.measurements?.add(now - entry.since);
    return this.inFlight.delete(id);
  }
}
