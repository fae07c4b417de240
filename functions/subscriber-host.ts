import { Subscriber } from "../engine/delivery/subscriber.ts";
import { SubscriberMetrics } from "../engine/delivery/subscriber-metrics.ts";
import type { Logger } from "../engine/http/logger.ts";
import { deploymentName } from "./deployment-name.ts";
import { eventStoreConnectionString } from "./event-store-connection.ts";
import { invocation } from "./lambda-connection.ts";
import { functionNameSettings, readSettings } from "./settings.ts";
import { subscriptions } from "./subscriptions.ts";

/** The subscriber with all subscriptions of this deployment; not started yet. */
export async function subscriberOfDeployment(log: Logger): Promise<Subscriber> {
  const { lambda, functionName } = invocation();
  const connectionString = await eventStoreConnectionString();
  return new Subscriber(subscriptions(functionName), { connectionString, lambda, log });
}

/** What the subscriber does, as metrics on standard output; not started yet. */
export function metricsOfSubscriber(subscriber: Subscriber): SubscriberMetrics {
  const { FUNCTION_PREFIX: prefix } = readSettings(functionNameSettings);
  return new SubscriberMetrics({
    deployment: deploymentName(prefix),
    prefix,
    status: () => subscriber.status,
    // Past the log, whose own fields would not belong in a metric document.
    write: (document) => process.stdout.write(`${document}\n`),
  });
}
