import { z } from "zod";
import type { SubscriptionStatus } from "../../engine/delivery/subscription.ts";
import type { RunningSystem } from "./running-system.ts";

export type SubscriptionHealth = Omit<SubscriptionStatus, "name">;

const silenceMs = 2_000;

const healthSchema = z.object({
  subscriptions: z.array(
    z.object({
      name: z.string(),
      group: z.string(),
      connected: z.boolean(),
      held: z.int(),
      inFlight: z.int(),
      waiting: z.int(),
      oldestHeldAt: z.iso.datetime().exactOptional(),
      batchesPerSecond: z.number(),
      eventsPerSecond: z.number(),
      acknowledged: z.int(),
      invocations: z.int(),
      failedInvocations: z.int(),
    }),
  ),
});

/** What the subscriber of a running system says of itself, by the names of its triggers; nothing when it does not answer. */
export async function subscriberHealth({
  processes,
}: Pick<RunningSystem, "processes">): Promise<ReadonlyMap<string, SubscriptionHealth>> {
  const subscriber = processes.find(({ name }) => name === "subscriber");
  if (subscriber === undefined) return new Map();
  try {
    const url = `http://127.0.0.1:${subscriber.port}/health`;
    const response = await fetch(url, { signal: AbortSignal.timeout(silenceMs) });
    const { subscriptions } = healthSchema.parse(await response.json());
    return new Map(subscriptions.map(({ name, ...health }) => [name, health]));
  } catch {
    return new Map();
  }
}
