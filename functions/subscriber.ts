/**
 * The subscriber as a scheduled function: it lives just under its time limit and overlaps with its successor. It leaves
 * its groups before it returns, so that no event times out in a function that is frozen.
 */
import type { Context } from "aws-lambda";
import { setTimeout as sleep } from "node:timers/promises";
import type { SubscriptionStatus } from "../engine/delivery/subscription.ts";
import { functionLogger } from "./function-logger.ts";
import { metricsOfSubscriber, subscriberOfDeployment } from "./subscriber-host.ts";

const log = functionLogger("subscriber");

/** For the last invocations to end and the last acks to be sent. */
const farewellMs = 15_000;

export const handler = async (
  _event: unknown,
  context: Pick<Context, "getRemainingTimeInMillis">,
): Promise<{ subscriptions: readonly SubscriptionStatus[] }> => {
  const subscriber = await subscriberOfDeployment(log);
  const metrics = metricsOfSubscriber(subscriber);
  subscriber.start();
  metrics.start();
  await sleep(Math.max(0, context.getRemainingTimeInMillis() - 2 * farewellMs));
  metrics.stop();
  await subscriber.stop(farewellMs);
  log.info({ subscriptions: subscriber.status }, "left all groups");
  return { subscriptions: subscriber.status };
};
