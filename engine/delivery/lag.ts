/**
 * How far functions are behind the log, told by data and not by what a subscriber believes, so that it is right when no
 * subscriber lives. What stands before a group's checkpoint was acknowledged and so has had its effect; the events from there
 * to the leader's tail are held against the guards of the live generation. Reads only.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, isAfter, type Position, startOfAll } from "../event-store/position.ts";
import type { Catalog } from "../views/catalog.ts";
import type { Projection } from "../views/projection.ts";
import { withDeadline } from "../event-store/deadline.ts";
import { fromClientError } from "../event-store/from-client.ts";
import { acknowledgedTo, listGroups } from "./consumer-group.ts";
import { matches } from "./filter-criteria.ts";
import { type NotedEvent, readStretch, type Stretch } from "./log-stretch.ts";
import type { SubscriptionSettings } from "./subscription-settings.ts";
import { notApplied } from "./view-lag.ts";

export interface LagContext {
  readonly eventStore: EventStore;
  readonly dynamodb: DynamoDBClient;
  readonly catalog: Catalog;
}

/** A subscription whose lag is wanted. */
export interface LagTarget {
  readonly settings: SubscriptionSettings;
  /** What the function keeps, whose guards tell what it has applied; absent for a function that keeps none. */
  readonly view?: { readonly name: string; readonly versions: readonly [Projection, ...Projection[]] };
}

/**
 * What the number of events is:
 * - `exact`: so many are not applied.
 * - `at least`: reading ended at its limit before the tail; of what was read, so many are not applied.
 * - `at most`: so many are not known to be acknowledged; the function keeps no guards that would tell which of them are.
 * - `about`: the same, and reading ended at its limit.
 */
export type LagBound = "exact" | "at least" | "at most" | "about";

export interface Lag {
  readonly events: number;
  readonly bound: LagBound;
  /** When the first of them was recorded; absent where there is none. */
  readonly oldestAt?: Date;
}

export interface LagReport {
  readonly group: string;
  readonly view?: string;
  /** The live one; absent for a view that has none yet. */
  readonly generation?: { readonly id: string; readonly version: number };
  /** Events in quarantine, where somebody has counted them. */
  readonly quarantined?: number;
  readonly outcome: { readonly lag: Lag } | { readonly error: unknown };
}

export interface LagOptions {
  /** Most events that are read behind one checkpoint. 20,000 unless set. */
  readonly eventsRead?: number;
}

const defaultEventsRead = 20_000;
const answerMs = 5_000;

/** What a person wants to know of {@link Lag.oldestAt}: 0 without lag, and never negative, whatever the clocks say. */
export function lagSeconds({ oldestAt }: Pick<Lag, "oldestAt">, now: Date): number {
  return oldestAt === undefined ? 0 : Math.max(0, now.getTime() - oldestAt.getTime()) / 1_000;
}

/**
 * The lag of each target, in their order. One that cannot be told keeps no other from being so. Throws
 * EventStoreUnavailableError and EventStoreError, with which none can.
 *
 * `$all` is read once for all targets as long as that reaches the tail; a target whose checkpoint lies so far back that it
 * does not is told by what was read from there, and the others are read for anew.
 */
export async function measureLag(
  context: LagContext,
  targets: readonly LagTarget[],
  { eventsRead = defaultEventsRead }: LagOptions = {},
): Promise<LagReport[]> {
  const { eventStore } = context;
  const groups = await groupsOf(eventStore);
  const checkpointOf = ({ settings }: LagTarget): Position => acknowledgedTo(groups, settings) ?? startOfAll;
  const tail = await eventStore.tail();
  const categories = new Set(targets.flatMap(({ settings }) => settings.categories));

  const reports = new Map<LagTarget, Promise<LagReport>>();
  let left = [...targets].sort((one, other) => comparePositions(checkpointOf(one), checkpointOf(other)));
  for (let first = left.at(0); first !== undefined; first = left.at(0)) {
    const from = checkpointOf(first);
    const stretch = await readStretch(eventStore, { after: from, tail, eventsRead, categories });
    const isTold = (target: LagTarget): boolean =>
      stretch.reachesTail || comparePositions(checkpointOf(target), from) === 0;
    for (const target of left.filter(isTold)) {
      const owed = stretch.events.filter(({ position }) => isOwed(position, checkpointOf(target)));
      reports.set(target, lagReport(context, target, { ...stretch, events: owed }));
    }
    left = left.filter((target) => !isTold(target));
  }
  return Promise.all(targets.flatMap((target) => reports.get(target) ?? []));
}

async function groupsOf({ client }: EventStore): ReturnType<typeof listGroups> {
  const what = "the list of persistent subscriptions";
  try {
    return await withDeadline(listGroups(client), answerMs, what);
  } catch (error) {
    throw fromClientError(error, what);
  }
}

/** The start of the log is no event that was acknowledged: the first event of all may bear its very position. */
function isOwed(position: Position, checkpoint: Position): boolean {
  return comparePositions(checkpoint, startOfAll) === 0 || isAfter(position, checkpoint);
}

async function lagReport(context: LagContext, target: LagTarget, stretch: Stretch): Promise<LagReport> {
  const { settings, view } = target;
  const { group } = settings;
  if (view === undefined) {
    const events = stretch.events.filter(isFor(settings));
    const bound = !stretch.reachesTail ? "about" : events.length === 0 ? "exact" : "at most";
    return { group, outcome: { lag: lagOf(events, bound) } };
  }
  try {
    const { events, generation } = await notApplied(context, view, stretch.events);
    const bound = stretch.reachesTail ? "exact" : "at least";
    const made = generation === undefined ? {} : { generation: { id: generation.id, version: generation.version } };
    return { group, view: view.name, ...made, outcome: { lag: lagOf(events, bound) } };
  } catch (error) {
    return { group, view: view.name, outcome: { error } };
  }
}

function isFor({ categories, filterCriteria }: LagTarget["settings"]): (event: NotedEvent) => boolean {
  const prefixes = categories.map((category) => `${category}-`);
  return (event) => prefixes.some((prefix) => event.stream.startsWith(prefix)) && matches(filterCriteria, event);
}

function lagOf(events: readonly NotedEvent[], bound: LagBound): Lag {
  const [oldest] = events;
  return { events: events.length, bound, ...(oldest === undefined ? {} : { oldestAt: oldest.recordedAt }) };
}
