/**
 * The consumers of a group in the order in which information lists them. As on the real server, whose dictionary works
 * so, a newcomer takes the place that became free last.
 */
import type { Consumer } from "./consumer.ts";

export class ConnectedConsumers<Payload> {
  readonly #places: (Consumer<Payload> | undefined)[] = [];
  readonly #free: number[] = [];
  #all: readonly Consumer<Payload>[] = [];

  get all(): readonly Consumer<Payload>[] {
    return this.#all;
  }

  add(consumer: Consumer<Payload>): void {
    this.#places[this.#free.pop() ?? this.#places.length] = consumer;
    this.#list();
  }

  /** Takes the consumer out and returns it, if it was there. */
  remove(id: string): Consumer<Payload> | undefined {
    const place = this.#places.findIndex((consumer) => consumer?.connection.id === id);
    const consumer = this.#places[place];
    if (consumer === undefined) return undefined;
    this.#places[place] = undefined;
    this.#free.push(place);
    this.#list();
    return consumer;
  }

  #list(): void {
    this.#all = this.#places.filter((consumer) => consumer !== undefined);
  }
}
