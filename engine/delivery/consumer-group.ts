/** The persistent subscription behind a subscription's settings: made if it is missing, brought to the settings if it differs. */
import {
  type EventStoreDBClient,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionExistsError,
  type PersistentSubscriptionToAllSettings,
  persistentSubscriptionToAllSettingsFromDefaults,
  PINNED,
  START,
  streamNameFilter,
} from "@eventstore/db-client";
import { bufferSize, messageTimeoutMs, type SubscriptionSettings } from "./subscription-settings.ts";

export type GroupOutcome = "created" | "updated" | "unchanged";

/**
 * Repeating it changes nothing. `leaveSettings` only makes a missing group: an update drops all consumers, and two
 * deployments with different settings must not drop each other's at every reconnection.
 */
export async function ensureGroup(
  client: EventStoreDBClient,
  settings: SubscriptionSettings,
  leaveSettings: boolean,
): Promise<GroupOutcome> {
  const wanted = groupSettings(settings);
  const existing = await readSettings(client, settings.group);
  if (existing === undefined) return create(client, settings, wanted);
  if (leaveSettings || isSame(existing, wanted)) return "unchanged";
  // A group that has a checkpoint goes on from there: the start given here no longer counts.
  await client.updatePersistentSubscriptionToAll(settings.group, wanted);
  return "updated";
}

export function groupSettings(settings: SubscriptionSettings): PersistentSubscriptionToAllSettings {
  const buffered = Math.max(500, bufferSize(settings));
  return persistentSubscriptionToAllSettingsFromDefaults({
    // The client's default is the end: everything before would never be seen.
    startFrom: START,
    resolveLinkTos: false,
    messageTimeout: messageTimeoutMs(settings),
    // Out of reach: a consumer that leaves raises the count of all it held, and the store would park them. Giving up is ours.
    maxRetryCount: 2_147_483_647,
    // An idle group gets exact; guards make what is delivered again after a crash harmless.
    checkPointAfter: 2_000,
    checkPointLowerBound: 1,
    checkPointUpperBound: 5_000,
    liveBufferSize: buffered,
    historyBufferSize: buffered,
    readBatchSize: 100,
    // Of competing subscribers each gets streams of its own, which spares gap reads and conflicts.
    consumerStrategyName: PINNED,
  });
}

async function create(
  client: EventStoreDBClient,
  { group, categories }: SubscriptionSettings,
  wanted: PersistentSubscriptionToAllSettings,
): Promise<GroupOutcome> {
  try {
    const filter = streamNameFilter({ prefixes: categories.map((category) => `${category}-`) });
    await client.createPersistentSubscriptionToAll(group, wanted, { filter });
    return "created";
  } catch (error) {
    if (error instanceof PersistentSubscriptionExistsError) return "unchanged";
    throw error;
  }
}

async function readSettings(
  client: EventStoreDBClient,
  group: string,
): Promise<PersistentSubscriptionToAllSettings | undefined> {
  try {
    return (await client.getPersistentSubscriptionToAllInfo(group)).settings;
  } catch (error) {
    if (error instanceof PersistentSubscriptionDoesNotExistError) return undefined;
    throw error;
  }
}

/** Compares what we ask for by name; `startFrom` counts only at creation. */
function isSame(existing: PersistentSubscriptionToAllSettings, wanted: PersistentSubscriptionToAllSettings): boolean {
  const there = new Map<string, unknown>(Object.entries(existing));
  return Object.entries(wanted).every(([name, value]) => name === "startFrom" || there.get(name) === value);
}
