/** Which consumer gets the next message. */
import type { Consumer } from "./consumer.ts";
import type { Message } from "./message.ts";
import { PinnedStrategy } from "./pinned-strategy.ts";
import type { ConsumerStrategyName } from "./settings.ts";

export type Choice<Payload> =
  | { readonly kind: "consumer"; readonly consumer: Consumer<Payload> }
  /** This message has to wait; later ones may overtake it. */
  | { readonly kind: "wait" }
  | { readonly kind: "no-capacity" };

export interface ConsumerStrategy<Payload> {
  readonly consumers: readonly Consumer<Payload>[];
  add(consumer: Consumer<Payload>): void;
  remove(consumer: Consumer<Payload>): void;
  choose(message: Message<Payload>): Choice<Payload>;
}

export const noCapacity = { kind: "no-capacity" } as const;

abstract class RotatingStrategy<Payload> implements ConsumerStrategy<Payload> {
  protected rotation: Consumer<Payload>[] = [];

  get consumers(): readonly Consumer<Payload>[] {
    return this.rotation;
  }

  add(consumer: Consumer<Payload>): void {
    this.rotation.push(consumer);
  }

  remove(consumer: Consumer<Payload>): void {
    this.rotation = this.rotation.filter((other) => other !== consumer);
  }

  abstract choose(message: Message<Payload>): Choice<Payload>;

  protected toBack(consumer: Consumer<Payload>): void {
    this.remove(consumer);
    this.rotation.push(consumer);
  }
}

/** The next one in turn that has room. */
class RoundRobinStrategy<Payload> extends RotatingStrategy<Payload> {
  choose(): Choice<Payload> {
    const consumer = this.rotation.find((candidate) => candidate.hasRoom);
    if (consumer === undefined) return noCapacity;
    for (const skipped of this.rotation.slice(0, this.rotation.indexOf(consumer))) this.toBack(skipped);
    this.toBack(consumer);
    return { kind: "consumer", consumer };
  }
}

/** The first one until it is full, then the next. */
class DispatchToSingleStrategy<Payload> extends RotatingStrategy<Payload> {
  choose(): Choice<Payload> {
    for (let turn = 0; turn < this.rotation.length; turn += 1) {
      const head = this.rotation[0];
      if (head === undefined) break;
      if (head.hasRoom) return { kind: "consumer", consumer: head };
      this.toBack(head);
    }
    return noCapacity;
  }
}

export const createStrategy = <Payload>(name: ConsumerStrategyName): ConsumerStrategy<Payload> => {
  switch (name) {
    case "RoundRobin":
      return new RoundRobinStrategy();
    case "DispatchToSingle":
      return new DispatchToSingleStrategy();
    case "Pinned":
      return new PinnedStrategy();
  }
};
