/** The triggers of this deployment as data: which streams go to which function, and how. */
import type { LagTarget } from "../engine/delivery/lag.ts";
import { subscriptionSettings, type SubscriptionSettings } from "../engine/delivery/subscription-settings.ts";
import { categoriesOf } from "../engine/views/projection.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { orderToCashTrigger } from "./order-to-cash-process.ts";
import { orderToCashProcess } from "./process-names.ts";
import { retryLimits } from "./retry-limits.ts";
import { snapshottedAggregates } from "./snapshotted-aggregates.ts";

export interface Trigger extends LagTarget {
  /** The function's name in this project, without the deployment's prefix. */
  readonly name: string;
  readonly settings: SubscriptionSettings;
}

/**
 * One per view, process and work of the kind, so that one that is stuck or slow holds back no other. A group bears its function's deployed
 * name: two deployments on one event store must not take each other's events.
 */
export function triggers(functionName: (name: string) => string): readonly Trigger[] {
  const views = viewNames.map((view): Trigger => {
    const versions = versionsOf(view);
    const name = `project-${view}`;
    // Each version takes what it reads: as long as two are deployed, either may be live.
    const categories = [...new Set(versions.flatMap((version) => categoriesOf(version)))];
    return {
      name,
      view: { name: view, versions },
      settings: subscriptionSettings({ ...namedAlike(functionName(name)), categories }),
    };
  });
  const process = orderToCashProcess;
  const snapshots = "write-snapshots";
  return [
    ...views,
    {
      name: process,
      process,
      // Each event may take a process several round trips, where a projector folds hundreds into one write.
      settings: subscriptionSettings({ ...namedAlike(functionName(process)), ...orderToCashTrigger, batchSize: 100 }),
    },
    {
      name: snapshots,
      settings: subscriptionSettings({
        ...namedAlike(functionName(snapshots)),
        categories: snapshottedAggregates.map(({ category }) => category),
        // Set by the command that found the stream long, or slow to load.
        filterCriteria: { metadata: { snapshotDue: [true] } },
      }),
    },
  ];
}

const namedAlike = (functionName: string) => ({ name: functionName, functionName, ...retryLimits });

export function subscriptions(functionName: (name: string) => string): readonly SubscriptionSettings[] {
  return triggers(functionName).map(({ settings }) => settings);
}
