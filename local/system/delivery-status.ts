/**
 * How delivery does in a running system: how far each view and process is behind the log, which the stores tell, and what the
 * subscriber is doing about it, which it tells itself if it answers.
 */
import { messageOf } from "../../engine/errors/message-of.ts";
import { type LagBound, type LagReport, lagSeconds, measureLag } from "../../engine/delivery/lag.ts";
import { triggers } from "../../functions/subscriptions.ts";
import type { RunningSystem } from "./running-system.ts";
import { subscriberHealth, type SubscriptionHealth } from "./subscriber-health.ts";
import { withStores } from "./system-stores.ts";

export interface SubscriptionDelivery {
  /** Of the view, or of the function that keeps none. */
  readonly name: string;
  /** The live one; absent for a view that has none yet, and for what is no view. */
  readonly generation?: string;
  readonly version?: number;
  /** `seconds` is the age of the oldest event of the lag. */
  readonly lag:
    { readonly events: number; readonly bound: LagBound; readonly seconds: number } | { readonly unknown: string };
  readonly quarantined?: number;
  /** Absent when the subscriber does not answer. */
  readonly subscriber?: SubscriptionHealth;
}

export type DeliveryStatus = { readonly subscriptions: readonly SubscriptionDelivery[] } | { readonly unknown: string };

/** Told, not thrown: where the stores cannot be read, the states of the processes say why. */
export async function deliveryStatus(system: RunningSystem): Promise<DeliveryStatus> {
  const measured = triggers((name) => `${system.functionPrefix}${name}`);
  try {
    const [reports, health] = await Promise.all([
      withStores(system, (stores) => measureLag(stores, measured)),
      subscriberHealth(system),
    ]);
    const now = new Date();
    return {
      subscriptions: measured.flatMap(({ name, settings }, index) => {
        const report = reports[index];
        return report === undefined ? [] : [deliveryOf(name, report, health.get(settings.name), now)];
      }),
    };
  } catch (error) {
    return { unknown: messageOf(error) };
  }
}

function deliveryOf(
  name: string,
  { view, generation, quarantined, outcome }: LagReport,
  status: SubscriptionHealth | undefined,
  now: Date,
): SubscriptionDelivery {
  return {
    name: view ?? name,
    ...(generation === undefined ? {} : { generation: generation.id, version: generation.version }),
    lag:
      "error" in outcome
        ? { unknown: messageOf(outcome.error) }
        : { events: outcome.lag.events, bound: outcome.lag.bound, seconds: lagSeconds(outcome.lag, now) },
    ...(quarantined === undefined ? {} : { quarantined }),
    ...(status === undefined ? {} : { subscriber: status }),
  };
}
