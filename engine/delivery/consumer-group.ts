/**
 * The persistent subscription behind a subscription's settings: made if it is missing, brought to the settings if it differs.
 *
 * What a group reads cannot be changed, so another filter is another group. It takes over from its predecessors, of the same
 * trigger: it begins no later than they have been acknowledged to, so that nothing is lost; what both deliver, guards and keys
 * make harmless. A predecessor goes when nobody reads it any more: a deployment that is being replaced may still do.
 */
import {
  END,
  type EventStoreDBClient,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionExistsError,
  type PersistentSubscriptionToAllInfo,
  type PersistentSubscriptionToAllSettings,
  persistentSubscriptionToAllSettingsFromDefaults,
  PINNED,
  START,
  streamNameFilter,
} from "@eventstore/db-client";
import { comparePositions, type Position } from "../event-store/position.ts";
import {
  bufferSize,
  filterOf,
  filterOfGroup,
  isCriteria,
  latestMark,
  messageTimeoutMs,
  type SubscriptionSettings,
} from "./subscription-settings.ts";

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
  if (existing === undefined) return takeOver(client, settings, wanted);
  if (leaveSettings) return "unchanged";
  await removeUnread(client, await predecessorsOf(client, settings));
  if (isSame(existing, wanted)) return "unchanged";
  // A group that has a checkpoint goes on from there: the start given here no longer counts.
  await client.updatePersistentSubscriptionToAll(settings.group, wanted);
  return "updated";
}

export function groupSettings(settings: SubscriptionSettings): PersistentSubscriptionToAllSettings {
  const buffered = Math.max(500, bufferSize(settings));
  return persistentSubscriptionToAllSettingsFromDefaults({
    // The client's default is the end: everything before would never be seen. Where it begins after others: `startAfter`.
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

async function takeOver(
  client: EventStoreDBClient,
  settings: SubscriptionSettings,
  wanted: PersistentSubscriptionToAllSettings,
): Promise<GroupOutcome> {
  const predecessors = await predecessorsOf(client, settings);
  const outcome = await create(client, settings, { ...wanted, startFrom: startAfter(predecessors, settings) });
  await removeUnread(client, predecessors);
  return outcome;
}

interface Predecessor {
  readonly group: string;
  /** As its name says it. */
  readonly filter: readonly string[];
  /** Up to where all is acknowledged; undefined as long as nothing is. */
  readonly checkpoint: Position | undefined;
  readonly isRead: boolean;
}

async function predecessorsOf(client: EventStoreDBClient, settings: SubscriptionSettings): Promise<Predecessor[]> {
  return predecessorsAmong(await listGroups(client), settings);
}

function predecessorsAmong(
  groups: readonly PersistentSubscriptionToAllInfo[],
  { name, group }: SubscriptionSettings,
): Predecessor[] {
  return groups.flatMap(({ groupName, stats, connections }) => {
    const filter = filterOfGroup(name, groupName);
    if (filter === undefined || groupName === group) return [];
    const checkpoint = stats.lastCheckpointedEventPosition;
    return [{ group: groupName, filter, checkpoint, isRead: connections.length > 0 }];
  });
}

/**
 * Up to where all that the group is to deliver was acknowledged, to it or to its predecessors; undefined where nobody knows of
 * any acknowledgement. A group that is missing is told of as it would be made now. `groups` are all that {@link listGroups} tells.
 */
export function acknowledgedTo(
  groups: readonly PersistentSubscriptionToAllInfo[],
  settings: SubscriptionSettings,
): Position | undefined {
  const own = groups.find(({ groupName }) => groupName === settings.group);
  const startFrom = own?.settings.startFrom ?? startAfter(predecessorsAmong(groups, settings), settings);
  return own?.stats.lastCheckpointedEventPosition ?? (typeof startFrom === "object" ? startFrom : undefined);
}

export async function listGroups(client: EventStoreDBClient): Promise<PersistentSubscriptionToAllInfo[]> {
  try {
    return await client.listPersistentSubscriptionsToAll();
  } catch (error) {
    // The store's answer when there is none at all.
    if (error instanceof PersistentSubscriptionDoesNotExistError) return [];
    throw error;
  }
}

/** Where the group must begin so that it misses nothing of what its predecessors were still to deliver, and of what is new to it. */
export function startAfter(
  predecessors: readonly Pick<Predecessor, "filter" | "checkpoint">[],
  settings: Pick<SubscriptionSettings, "startingPosition" | "categories" | "filterCriteria">,
): PersistentSubscriptionToAllSettings["startFrom"] {
  const wanted = filterOf(settings);
  const known = new Set(predecessors.flatMap(({ filter }) => filter));
  // What other criteria let through, their digest does not tell.
  const hadOthers = [...known].some((part) => isCriteria(part) && !wanted.includes(part));
  const isKnown = wanted.every((part) => isCriteria(part) || known.has(part));
  const readsMore = hadOthers || !isKnown || known.has(latestMark);
  if (settings.startingPosition === "TRIM_HORIZON" && readsMore) return START;
  const [first, ...others] = predecessors.map(({ checkpoint }) => checkpoint);
  if (predecessors.length === 0) return END;
  return others.reduce((start, next) => earlier(start, next), first) ?? START;
}

/** Of a predecessor without a checkpoint nobody knows how far it has come. */
function earlier(left: Position | undefined, right: Position | undefined): Position | undefined {
  if (left === undefined || right === undefined) return undefined;
  return comparePositions(left, right) <= 0 ? left : right;
}

async function removeUnread(client: EventStoreDBClient, predecessors: readonly Predecessor[]): Promise<void> {
  for (const { group, isRead } of predecessors) {
    if (isRead) continue;
    try {
      await client.deletePersistentSubscriptionToAll(group);
    } catch (error) {
      if (!(error instanceof PersistentSubscriptionDoesNotExistError)) throw error;
    }
  }
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
