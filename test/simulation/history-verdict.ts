/** What must be true when a history is over: of every generation that is written, every row and every guard. */
import { rowText } from "../../engine/consistency/difference.ts";
import { formatPosition } from "../../engine/event-store/position.ts";
import type { NewEvent, StoredEvent } from "../../engine/event-store/stored-event.ts";
import { exactDifference } from "../../engine/testing/exact-difference.ts";
import { type Decision, withDecisions } from "../../engine/quarantine/decisions.ts";
import { plainRows } from "../../engine/testing/plain-view.ts";
import { liveGeneration, writtenGenerations } from "../../engine/views/catalog.ts";
import { attributesOfItem, guardOfItem, keyOfRowItem, streamOfGuardItem } from "../../engine/views/item.ts";
import { type Projection, readsStream, type RowAttributes } from "../../engine/views/projection.ts";
import type { Actions } from "./history-actions.ts";
import { eventsOf } from "./log-events.ts";
import type { Operators } from "./operators.ts";
import type { World } from "./world.ts";

/** What is wrong, a text each; none when all is right. */
export async function faultsFound(
  world: World,
  { appended, operators }: Pick<Actions, "appended" | "operators">,
): Promise<string[]> {
  const events = eventsOf(world.store.log);
  const faults = logFaults(events, appended);
  for (const deployed of world.projections) {
    const decisions = await world.decisions(world.process("judge"), deployed.name);
    faults.push(...decisionFaults(deployed.name, decisions, operators));
    const projection = withDecisions(deployed, decisions);
    const entry = await world.catalog(world.process("judge")).read(projection.name);
    if (liveGeneration(entry) === undefined) faults.push(`${projection.name} has no live generation any more`);
    for (const { id, role, table } of writtenGenerations(entry)) {
      const [rows, guards] = contentsOf(world, projection, table);
      const relevant = events.filter(({ stream }) => readsStream(projection, stream));
      const where = `${projection.name}, generation ${id} (${role})`;
      const ofRows = exactDifference(rows, plainRows(projection, relevant));
      if (ofRows !== undefined) faults.push(`${where}: rows are not the fold of the log\n${ofRows}`);
      const ofGuards = exactDifference(guards, headsOf(relevant));
      if (ofGuards !== undefined) faults.push(`${where}: guards are not at the heads of the streams\n${ofGuards}`);
    }
  }
  world.look("at the end");
  return [...faults, ...world.acknowledgements.faults, ...world.readers.flatMap((reader) => reader.faults)];
}

/** What somebody was told is decided, and nothing is that nobody asked for. */
function decisionFaults(view: string, decisions: readonly Decision[], { decided, tried }: Operators): string[] {
  const isThere = ({ stream, revision }: Decision): boolean =>
    decisions.some((decision) => decision.stream === stream && decision.revision === revision);
  const lost = decided.filter((decision) => decision.subject === view && !isThere(decision));
  const unasked = decisions.filter(({ stream }) => !tried.has(`${view} ${stream}`));
  return [
    ...lost.map(
      ({ revision, stream }) => `that ${revision}@${stream} is discarded in ${view} was told and is not known`,
    ),
    ...unasked.map(
      ({ revision, stream }) => `${revision}@${stream} is discarded in ${view}, and nobody asked for that`,
    ),
  ];
}

/** The commands' own promise: each event is in the log once, in its place. */
function logFaults(events: readonly StoredEvent[], appended: ReadonlyMap<string, readonly NewEvent[]>): string[] {
  return [...appended].flatMap(([stream, wanted]) => {
    const there = events.filter((event) => event.stream === stream).map(({ id }) => id);
    const difference = exactDifference(
      there,
      wanted.map(({ id }) => id),
    );
    return difference === undefined ? [] : [`${stream} does not hold what was appended\n${difference}`];
  });
}

function contentsOf(
  world: World,
  projection: Projection,
  table: string,
): [rows: Record<string, RowAttributes>, guards: Record<string, string>] {
  const rows: Record<string, RowAttributes> = {};
  const guards: Record<string, string> = {};
  for (const item of world.dynamodb.tables.items(table)) {
    const key = keyOfRowItem(item);
    const stream = streamOfGuardItem(item);
    const guard = guardOfItem(item);
    const owner = projection.rows === "shared" ? undefined : `${projection.category}-${key.partition}`;
    if (guard !== undefined) {
      guards[stream ?? owner ?? rowText(key)] = `${guard.revision} at ${formatPosition(guard.position)}`;
    }
    const attributes = stream === undefined ? attributesOfItem(item) : {};
    if (Object.keys(attributes).length > 0) rows[rowText(key)] = attributes;
  }
  return [rows, guards];
}

function headsOf(events: readonly StoredEvent[]): Record<string, string> {
  return Object.fromEntries(
    events.map(({ stream, revision, position }) => [stream, `${revision} at ${formatPosition(position)}`]),
  );
}
