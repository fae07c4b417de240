/**
 * The host of a deployment's subscriptions, the same in a container that runs for ever and in a function that lives just
 * under its time limit. Several hosts may run at once: they compete for events, and the guards make each count once.
 */
import { EventStoreDBClient } from "@eventstore/db-client";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { disposeClient } from "../event-store/dispose-client.ts";
import type { Logger } from "../http/logger.ts";
import { Subscription, type SubscriptionStatus } from "./subscription.ts";
import type { SubscriptionSettings } from "./subscription-settings.ts";

export interface SubscriberContext {
  readonly connectionString: string;
  readonly lambda: LambdaClient;
  readonly log: Logger;
}

export class Subscriber {
  readonly #subscriptions: readonly Subscription[];
  readonly #clients: readonly EventStoreDBClient[];

  constructor(settings: readonly SubscriptionSettings[], { connectionString, lambda, log }: SubscriberContext) {
    // A channel each: the client closes a whole channel when one call on it meets an unavailable server.
    const hosted = settings.map((each) => {
      const client = EventStoreDBClient.connectionString(connectionString);
      return { client, subscription: new Subscription(each, { client, lambda, log }) };
    });
    this.#subscriptions = hosted.map(({ subscription }) => subscription);
    this.#clients = hosted.map(({ client }) => client);
  }

  start(): void {
    for (const subscription of this.#subscriptions) subscription.start();
  }

  get status(): readonly SubscriptionStatus[] {
    return this.#subscriptions.map(({ status }) => status);
  }

  /** Leaves every group; invocations under way get `graceMs` to end. Afterwards nothing is held and nothing times out. */
  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop(graceMs)));
    await Promise.all(this.#clients.map(disposeClient));
  }
}
