/** The triggers of this deployment as data: which streams go to which function, and how. */
import { subscriptionSettings, type SubscriptionSettings } from "../engine/delivery/subscription-settings.ts";
import { categoriesOf } from "../engine/views/projection.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { orderToCashTrigger } from "./order-to-cash-process.ts";
import { snapshottedAggregates } from "./snapshotted-aggregates.ts";

/**
 * One per view, process and work of the kind, so that one that is stuck or slow holds back no other. A group bears its function's deployed
 * name: two deployments on one event store must not take each other's events.
 */
export function subscriptions(functionName: (name: string) => string): readonly SubscriptionSettings[] {
  const views = viewNames.map((view) => {
    const name = functionName(`project-${view}`);
    return subscriptionSettings({
      name,
      functionName: name,
      // Each version takes what it reads: as long as two are deployed, either may be live.
      categories: [...new Set(versionsOf(view).flatMap((version) => categoriesOf(version)))],
    });
  });
  const process = functionName("process-order-to-cash");
  const snapshots = functionName("write-snapshots");
  return [
    ...views,
    // Each event may take a process several round trips, where a projector folds hundreds into one write.
    subscriptionSettings({ name: process, functionName: process, ...orderToCashTrigger, batchSize: 100 }),
    subscriptionSettings({
      name: snapshots,
      functionName: snapshots,
      categories: snapshottedAggregates.map(({ category }) => category),
      // Set by the command that found the stream long, or slow to load.
      filterCriteria: { metadata: { snapshotDue: [true] } },
    }),
  ];
}
