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
  add(consumer: Consumer<Payload>): void;
  remove(consumer: Consumer<Payload>): void;
  /** The consumer that it names is sent the message. */
  choose(message: Message<Payload>): Choice<Payload>;
  /** The message is no longer in flight to this consumer. */
  released(consumer: Consumer<Payload>, message: Message<Payload>): void;
}

export const noCapacity = { kind: "no-capacity" } as const;

abstract class RotatingStrategy<Payload> implements ConsumerStrategy<Payload> {
  protected rotation: Consumer<Payload>[] = [];

  add(consumer: Consumer<Payload>): void {
    this.rotation.push(consumer);
  }

  remove(consumer: Consumer<Payload>): void {
    this.rotation = this.rotation.filter((other) => other !== consumer);
  }

  abstract choose(message: Message<Payload>): Choice<Payload>;

  released(): void {
    // Whose turn it is does not depend on what comes back.
  }

  /** Who was first goes to the back. */
  protected turn(): Consumer<Payload> | undefined {
    const first = this.rotation.shift();
    if (first !== undefined) this.rotation.push(first);
    return first;
  }
}

/** The next one in turn that has room; who has none has had its turn. */
class RoundRobinStrategy<Payload> extends RotatingStrategy<Payload> {
  choose(): Choice<Payload> {
    for (let turns = this.rotation.length; turns > 0; turns -= 1) {
      const consumer = this.turn();
      if (consumer?.hasRoom === true) return { kind: "consumer", consumer };
    }
    return noCapacity;
  }
}

/** The first one until it is full, then the next. */
class DispatchToSingleStrategy<Payload> extends RotatingStrategy<Payload> {
  choose(): Choice<Payload> {
    for (let turns = this.rotation.length; turns > 0; turns -= 1) {
      const [consumer] = this.rotation;
      if (consumer?.hasRoom === true) return { kind: "consumer", consumer };
      this.turn();
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
