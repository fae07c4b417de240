/**
 * How far functions are behind the log, told by data and not by what a subscriber believes, so that it is right when no
 * subscriber lives. What stands before a group's checkpoint was acknowledged and so has had its effect, or is in quarantine; the
 * events from there to the leader's tail are held against the guards of the live generation. Reads only.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, isAfter, type Position, startOfAll } from "../event-store/position.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import { viewTarget } from "../quarantine/quarantine-record.ts";
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
  readonly catalog: Pick<Catalog, "read">;
  /** Where streams that wait are counted; without it they are not. */
  readonly quarantine?: Pick<Quarantine, "count">;
}

/** A subscription whose lag is wanted. */
export interface LagTarget {
  readonly settings: SubscriptionSettings;
  /** What the function keeps, whose guards tell what it has applied; absent for a function that keeps none. */
  readonly view?: { readonly name: string; readonly versions: readonly [Projection, ...Projection[]] };
  /** Of a process: the name under which its events are quarantined. */
  readonly process?: string;
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
  /** Streams that wait behind an event that was given up, where they were counted. */
  readonly quarantined?: number;
  readonly outcome: { readonly lag: Lag } | { readonly error: unknown };
}

export interface LagOptions {
  /** Most events that are read behind one checkpoint, and ten times as many where none of them lags. 20,000 unless set. */
  readonly eventsRead?: number;
}

const defaultEventsRead = 20_000;
/** Of so many events each, as long as nothing is found that lags: to stop there would tell that all is well. */
const mostReads = 10;
const answerMs = 5_000;

/** So many events behind a checkpoint all are applied, and how it stands with those after them nobody has looked. */
export class LagNotFoundError extends Error {
  readonly code = "LAG_NOT_FOUND";
  override readonly name = "LagNotFoundError";

  constructor(events: number) {
    super(`${events} events behind the checkpoint are applied, and more were not read: wait until it has moved on`);
  }
}

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
  const tail = await eventStore.tail();
  const categories = new Set(targets.flatMap(({ settings }) => settings.categories));

  const reports = new Map<LagTarget, LagReport>();
  let left = targets.map((target): Untold => {
    return { target, after: acknowledgedTo(groups, target.settings) ?? startOfAll, reads: 0 };
  });
  for (let first = furthestBehind(left); first !== undefined; first = furthestBehind(left)) {
    const { after } = first;
    const stretch = await readStretch(eventStore, { after, tail, eventsRead, categories });
    const isCovered = (each: Untold): boolean => stretch.end === undefined || comparePositions(each.after, after) === 0;
    const covered = left.filter(isCovered);
    left = left.filter((each) => !isCovered(each));
    const found = await Promise.all(
      covered.map(async (each) => ({ each, report: await lagReport(context, each, stretch) })),
    );
    for (const { each, report } of found) {
      const reads = each.reads + 1;
      if (stretch.end === undefined || !isWithoutLag(report)) reports.set(each.target, report);
      else if (reads < mostReads) left.push({ ...each, after: stretch.end, reads });
      else reports.set(each.target, { ...report, outcome: { error: new LagNotFoundError(reads * eventsRead) } });
    }
  }
  return Promise.all(
    targets.flatMap((target) => {
      const report = reports.get(target);
      return report === undefined ? [] : [withQuarantined(context, target, report)];
    }),
  );
}

/** What could not be counted says so as what could not be measured does: by an error in place of a number. */
async function withQuarantined(
  { quarantine }: LagContext,
  { process }: LagTarget,
  report: LagReport,
): Promise<LagReport> {
  const { view, generation } = report;
  const target = view !== undefined && generation !== undefined ? viewTarget(view, generation.id) : process;
  if (quarantine === undefined || target === undefined) return report;
  try {
    return { ...report, quarantined: await quarantine.count(target) };
  } catch (error) {
    return "error" in report.outcome ? report : { ...report, outcome: { error } };
  }
}

/** A target whose lag is still looked for, among the events after this position. */
interface Untold {
  readonly target: LagTarget;
  readonly after: Position;
  /** How often it was looked for in vain. */
  readonly reads: number;
}

function furthestBehind(left: readonly Untold[]): Untold | undefined {
  return left.toSorted((one, other) => comparePositions(one.after, other.after)).at(0);
}

function isWithoutLag({ outcome }: LagReport): boolean {
  return "lag" in outcome && outcome.lag.events === 0;
}

async function groupsOf({ client }: EventStore): ReturnType<typeof listGroups> {
  const what = "the list of persistent subscriptions";
  try {
    return await withDeadline(listGroups(client), answerMs, what);
  } catch (error) {
    throw fromClientError(error, what);
  }
}

async function lagReport(context: LagContext, { target, after }: Untold, stretch: Stretch): Promise<LagReport> {
  const { settings, view } = target;
  const { group } = settings;
  const isWhole = stretch.end === undefined;
  const owed = stretch.events.filter(({ position }) => isAfter(position, after));
  if (view === undefined) {
    const events = owed.filter(isFor(settings));
    const bound = !isWhole ? "about" : events.length === 0 ? "exact" : "at most";
    return { group, outcome: { lag: lagOf(events, bound) } };
  }
  try {
    const { events, generation } = await notApplied(context, view, owed);
    const made = generation === undefined ? {} : { generation: { id: generation.id, version: generation.version } };
    return { group, view: view.name, ...made, outcome: { lag: lagOf(events, isWhole ? "exact" : "at least") } };
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
