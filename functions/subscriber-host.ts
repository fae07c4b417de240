import { Subscriber } from "../engine/delivery/subscriber.ts";
import type { Logger } from "../engine/http/logger.ts";
import { eventStoreConnectionString } from "./event-store-connection.ts";
import { invocation } from "./lambda-connection.ts";
import { subscriptions } from "./subscriptions.ts";

/** The subscriber with all subscriptions of this deployment; not started yet. */
export async function subscriberOfDeployment(log: Logger): Promise<Subscriber> {
  const { lambda, functionName } = invocation();
  const connectionString = await eventStoreConnectionString();
  return new Subscriber(subscriptions(functionName), { connectionString, lambda, log });
}
