/** A consumer of a persistent subscription that does as it is told and remembers what it was sent. */
import type {
  AllStreamResolvedEvent,
  PersistentSubscriptionToAll,
  PersistentSubscriptionToStream,
  ResolvedEvent,
} from "@eventstore/db-client";
import { eventually } from "../local/eventstoredb/event-store-for-test.ts";

export interface Delivered {
  readonly revision: bigint;
  readonly retryCount: number;
}
export type Subscription = PersistentSubscriptionToStream | PersistentSubscriptionToAll;
export interface Consumer {
  readonly delivered: Delivered[];
  /** The same deliveries, as they came. */
  readonly resolved: (ResolvedEvent | AllStreamResolvedEvent)[];
  readonly errors: unknown[];
  reached(count: number): Promise<void>;
}

export type Handling = "ack" | "retry" | "park" | "skip" | "stop" | "nothing";

/** Handles each delivery as told, and remembers them in order. */
export const consume = (
  subscription: Subscription,
  handle: (delivery: Delivered) => Handling = () => "ack",
): Consumer => {
  const delivered: Delivered[] = [];
  const resolvedEvents: Consumer["resolved"] = [];
  const errors: unknown[] = [];
  subscription.on("error", (error) => errors.push(error));
  subscription.on("data", (resolved) => {
    const original = resolved.link ?? resolved.event;
    const delivery = { revision: original?.revision ?? -1n, retryCount: resolved.retryCount };
    delivered.push(delivery);
    resolvedEvents.push(resolved);
    const handling = handle(delivery);
    if (handling === "ack") void subscription.ack(resolved);
    else if (handling !== "nothing") void subscription.nack(handling, "because", resolved);
  });
  return {
    delivered,
    resolved: resolvedEvents,
    errors,
    reached: (count) =>
      eventually(
        () => delivered.length >= count,
        () => `${count} deliveries, there were ${delivered.length}: ${errors.map(String).join()}`,
      ),
  };
};

export const revisions = ({ delivered }: Consumer): bigint[] => delivered.map(({ revision }) => revision);
