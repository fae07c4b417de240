/** What a generation is declared as, and what may be asked of one. */
import { randomUUID } from "node:crypto";
import { EventStoreError } from "../event-store/errors.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, formatPosition, type Position, startOfAll } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import type { Projection } from "../views/projection.ts";
import { ReplayNameError, ReplayPositionError, ReplayUnfinishedError } from "./errors.ts";
import type { ReplayWishes } from "./replay.ts";

export interface ReplayedView {
  /** As the catalog calls it. */
  readonly view: string;
  /** Deployed ones of its projection. */
  readonly versions: readonly [Projection, ...Projection[]];
}

/** `until`: where it ends, of a view as of a position. Throws {@link ReplayPositionError}. */
export function newGeneration(
  tablePrefix: string,
  { view, versions }: ReplayedView,
  { from = startOfAll, rate, autoSwap, soakHours }: ReplayWishes,
  until?: Position,
): Generation {
  const { version, fingerprints } = newest(versions);
  if (until !== undefined && comparePositions(from, until) > 0) {
    const between = `${formatPosition(from)} and ${formatPosition(until)}`;
    throw new ReplayPositionError(`there is nothing between ${between}: the end lies before the start`);
  }
  const now = new Date();
  // Its time for a person to tell it by, and chance: no name is ever used twice.
  const id = `${now.toISOString().replaceAll(/[-:]/g, "").slice(0, 15)}-${randomUUID().slice(0, 8)}`;
  return {
    id,
    table: `${tablePrefix}${view.replace("@", "-as-")}-v${version}-${id}`,
    version,
    ...(fingerprints === undefined ? {} : { fingerprint: fingerprints[0] }),
    role: "building",
    from,
    ...(until === undefined ? {} : { until }),
    ...(rate === undefined ? {} : { rate }),
    ...(autoSwap === undefined ? {} : { autoSwap }),
    ...(soakHours === undefined ? {} : { soakHours }),
    declaredAt: now.toISOString(),
  };
}

/** What a generation was begun with. */
export function wishesOf({ from, until, rate, autoSwap, soakHours }: Generation): ReplayWishes {
  return {
    from,
    ...(until === undefined ? {} : { until }),
    ...(rate === undefined ? {} : { rate }),
    ...(autoSwap === undefined ? {} : { autoSwap }),
    ...(soakHours === undefined ? {} : { soakHours }),
  };
}

/** A view under a name of its own ends where its maker says, or now. Throws {@link ReplayNameError} of the view itself. */
export async function endOf(
  eventStore: EventStore,
  { view, versions: [{ name }] }: ReplayedView,
  until: Position | undefined,
): Promise<Position | undefined> {
  if (view !== name) return until ?? (await eventStore.tail());
  if (until === undefined) return undefined;
  throw new ReplayNameError(`a view that ends at ${formatPosition(until)} stands beside the live one: give it a name`);
}

/** Throws {@link ReplayUnfinishedError} where something else is asked for than what was begun. */
export function checkIsAsAsked(
  { view, versions }: ReplayedView,
  generation: Generation,
  { from, until }: ReplayWishes,
): void {
  const isOther = (asked: Position | undefined, begun: Position | undefined): boolean =>
    asked !== undefined && (begun === undefined || comparePositions(begun, asked) !== 0);
  const { version } = newest(versions);
  if (generation.version !== version || isOther(from, generation.from) || isOther(until, generation.until)) {
    const begun = `a replay of ${view} to version ${generation.version} from ${formatPosition(generation.from)}`;
    throw new ReplayUnfinishedError(`${begun} is unfinished: abort it, or run it as it was begun`);
  }
}

/** Throws {@link ReplayPositionError} where no event is. */
export async function checkPosition(eventStore: EventStore, asked: Position): Promise<void> {
  if (comparePositions(asked, startOfAll) === 0) return;
  try {
    for await (const { position } of eventStore.readAll(asked, asked)) {
      if (comparePositions(position, asked) === 0) return;
    }
  } catch (error) {
    // What the store says of a position where no record starts.
    if (!(error instanceof EventStoreError)) throw error;
  }
  throw new ReplayPositionError(`there is no event at position ${formatPosition(asked)}: give that of an event`);
}

export function newest(versions: readonly [Projection, ...Projection[]]): Projection {
  return versions.reduce((latest, candidate) => (candidate.version > latest.version ? candidate : latest));
}
