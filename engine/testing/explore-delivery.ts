/**
 * Property tests of a projection, with its own events on a real table. The rows must be the plain fold of the events, whatever
 * happens on the way:
 * - two streams are never in an order: the fold gives the same rows however their events are interleaved;
 * - a function of events alone: asked again, it makes the same changes;
 * - live, events come any number of times or not at all, early, late, cut into batches anywhere, to several writers at once, and
 *   begin anew after a crash, which is a batch that comes again.
 *
 * Of each stream that was delivered at all its last event comes for certain: what no delivery hints at is the business of the
 * consistency check. A failure tells the fewest deliveries that show it, the difference, and the seed that repeats it.
 */
import { randomUUID } from "node:crypto";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import { collect } from "../commands/load-by-snapshot.ts";
import { rowText } from "../consistency/difference.ts";
import { scanItems } from "../consistency/table-items.ts";
import { itemIdentifier } from "../delivery/event-record.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, formatPosition, startOfAll } from "../event-store/position.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { createGenerationTable, deleteGenerationTable } from "../views/generation-table.ts";
import { attributesOfItem, keyOfRowItem, streamOfGuardItem } from "../views/item.ts";
import { applyEvents, type LiveWriter, readGuard } from "../views/live-writer.ts";
import { categoriesOf, type Projection, readsStream, type RowAttributes } from "../views/projection.ts";
import { changesOf } from "../views/stream-write.ts";
import { exactDifference, inFull, indented } from "./exact-difference.ts";
import { areSameRows, type PlainRows, plainRows } from "./plain-view.ts";
import { checkRuns, newSeed } from "./runs.ts";

export interface DeliveryExploration {
  readonly projection: Projection;
  readonly eventStore: EventStore;
  /** Tables are made in it, one for each delivery, and deleted. */
  readonly dynamodb: DynamoDBClient;
  /** Names of streams that the event store holds; those of another category than the projection's are passed over. */
  readonly streams: readonly string[];
  /** Deliveries that are tried, one at least; 20 by default. Of interleavings ten times as many are folded. */
  readonly runs?: number;
  /** Default: TIDEMARK_SEED, or another one each time. */
  readonly seed?: number;
}

/** What was explored, so that a test can say that it was something. */
export interface ExploredDeliveries {
  readonly seed: number;
  readonly streams: number;
  readonly events: number;
  /** Of the fold of all events. */
  readonly rows: number;
}

/** A projection whose rows are not what its events say. `cause` is what was thrown, where something was. */
export class ProjectionFaultError extends Error {
  readonly code = "PROJECTION_FAULT";
  override readonly name = "ProjectionFaultError";
}

/** Throws {@link ProjectionFaultError} at the first way that leads to other rows, and the errors of the servers. */
export async function exploreDelivery(exploration: DeliveryExploration): Promise<ExploredDeliveries> {
  const { projection, runs = 20, seed = newSeed() } = exploration;
  checkRuns(runs);
  const streams = await streamsOf(exploration);
  const events = streams.flat();
  if (events.length === 0)
    throw new RangeError(`no event of ${categoriesOf(projection).join("-, ")}- in the streams: give some`);
  checkRepeatable(projection, events);
  checkInterleavings(projection, streams, { seed, numRuns: 10 * runs });
  await checkDeliveries(exploration, events, { seed, numRuns: runs });
  const rows = Object.keys(plainRows(projection, events)).length;
  return { seed, streams: streams.length, events: events.length, rows };
}

async function streamsOf({ projection, eventStore, streams }: DeliveryExploration): Promise<StoredEvent[][]> {
  const wanted = streams.filter((stream) => readsStream(projection, stream));
  const read = await Promise.all(wanted.map((stream) => collect(eventStore.readStream(stream))));
  return read.filter(({ length }) => length > 0);
}

function checkRepeatable(projection: Projection, events: readonly StoredEvent[]): void {
  for (const event of events) {
    const difference = exactDifference(changesBy(projection, event), changesBy(projection, event));
    if (difference === undefined) continue;
    const what = `${projection.name} makes other changes of ${itemIdentifier(event)} when it is asked again`;
    throw new ProjectionFaultError(`${what}\n${indented(difference)}`);
  }
}

function changesBy(projection: Projection, event: StoredEvent): unknown {
  try {
    return changesOf(projection, event);
  } catch (cause) {
    const what = `${projection.name}: event ${itemIdentifier(event)} cannot be applied`;
    throw new ProjectionFaultError(`${what}\n${indented(String(cause))}`, { cause });
  }
}

interface Runs {
  readonly seed: number;
  readonly numRuns: number;
}

/** Each pick takes the next event of a stream; those that find none left take nothing. */
function checkInterleavings(projection: Projection, streams: readonly StoredEvent[][], runs: Runs): void {
  const all = streams.reduce((sum, { length }) => sum + length, 0);
  const picks = fc.array(fc.nat(streams.length - 1), { maxLength: 2 * all, size: "max" });
  let broken: string | undefined;
  const property = fc.property(picks, (picked) => {
    const taken = new Map<number, number>();
    const interleaved = picked.flatMap((stream) => {
      const next = taken.get(stream) ?? 0;
      taken.set(stream, next + 1);
      return streams[stream]?.slice(next, next + 1) ?? [];
    });
    const difference = exactDifference(
      plainRows(projection, interleaved),
      plainRows(
        projection,
        interleaved.toSorted((left, right) => comparePositions(left.position, right.position)),
      ),
    );
    if (difference !== undefined) {
      broken = [
        `${projection.name}: its rows depend on the order in which streams are folded`,
        "Events in an order that shows it, the fewest",
        indented(interleaved.map(told).join("\n")),
        "Difference to their order in the log",
        indented(difference),
        `Seed: repeat with TIDEMARK_SEED=${runs.seed}`,
      ].join("\n");
    }
    return difference === undefined;
  });
  fc.check(property, runs);
  if (broken !== undefined) throw new ProjectionFaultError(broken);
}

interface Delivery {
  readonly batches: readonly (readonly StoredEvent[])[];
  readonly writers: number;
}

async function checkDeliveries(
  exploration: DeliveryExploration,
  events: readonly StoredEvent[],
  runs: Runs,
): Promise<void> {
  const { projection } = exploration;
  let broken: ProjectionFaultError | undefined;
  let thrown: { readonly error: unknown } | undefined;
  const property = fc.asyncProperty(deliveriesOf(events), async (delivery) => {
    if (thrown !== undefined) return true;
    try {
      const what = await faultOf(exploration, delivery, events);
      if (what === undefined) return true;
      const told = [
        `${projection.name}: ${what.message}`,
        `Batches, the fewest that show it, to ${delivery.writers === 1 ? "one writer" : `${delivery.writers} writers at once`}`,
        indented(batchesTold(delivery)),
        what.cause === undefined ? "Difference" : "Error",
        indented(what.detail),
        `Seed: repeat with TIDEMARK_SEED=${runs.seed}`,
      ];
      broken = new ProjectionFaultError(told.join("\n"), { cause: what.cause });
      return false;
    } catch (error) {
      // Of the servers: nothing to be shrunk, and no further delivery to be tried.
      thrown = { error };
      throw error;
    }
  });
  await fc.check(property, runs);
  if (thrown !== undefined) throw thrown.error;
  if (broken !== undefined) throw broken;
}

function deliveriesOf(events: readonly StoredEvent[]): fc.Arbitrary<Delivery> {
  const lasts = new Map(events.map((event) => [event.stream, event]));
  const hint = fc.record({ event: fc.nat(events.length - 1), endsBatch: fc.boolean() });
  const hints = fc.array(hint, { maxLength: 3 * events.length, size: "max" });
  return fc.tuple(hints, fc.constantFrom(1, 3)).map(([hinted, writers]) => {
    const batches: StoredEvent[][] = [[]];
    const streams = new Set<string>();
    for (const { event, endsBatch } of hinted) {
      const delivered = events[event];
      if (delivered === undefined) continue;
      batches.at(-1)?.push(delivered);
      streams.add(delivered.stream);
      if (endsBatch) batches.push([]);
    }
    const ends = [...streams].flatMap((stream) => lasts.get(stream) ?? []);
    return { batches: [...batches, ends].filter(({ length }) => length > 0), writers };
  });
}

interface Fault {
  readonly message: string;
  readonly detail: string;
  readonly cause?: unknown;
}

async function faultOf(
  { projection, eventStore, dynamodb }: DeliveryExploration,
  { batches, writers }: Delivery,
  events: readonly StoredEvent[],
): Promise<Fault | undefined> {
  const table = `explored-${randomUUID()}`;
  await createGenerationTable(dynamodb, table, projection);
  try {
    const writer: LiveWriter = { dynamodb, eventStore, projection, generation: { table, from: startOfAll } };
    const failure = await deliver(writer, batches, writers);
    if (failure !== undefined) return failure;
    const streams = new Set(batches.flat().map(({ stream }) => stream));
    const delivered = events.filter(({ stream }) => streams.has(stream));
    const [rows, expected] = [await rowsIn(writer), plainRows(projection, delivered)];
    if (!areSameRows(expected, rows)) {
      return { message: "its rows are not what its events say", detail: exactDifference(rows, expected) ?? "" };
    }
    const detail = exactDifference(await guardsIn(writer, streams), lastsOf(delivered));
    return detail === undefined ? undefined : { message: "its guards are not at the last events", detail };
  } finally {
    await deleteGenerationTable(dynamodb, table);
  }
}

async function deliver(writer: LiveWriter, batches: Delivery["batches"], writers: number): Promise<Fault | undefined> {
  const queue = batches.values();
  let fault: Fault | undefined;
  const work = async (): Promise<void> => {
    for (const batch of queue) {
      const [failure] = (await applyEvents(writer, batch)).failures;
      if (failure === undefined) continue;
      const { stream, revision, error } = failure;
      const message = `event ${itemIdentifier({ stream, revision })} cannot be applied`;
      fault ??= { message, detail: String(error), cause: error };
    }
  };
  await Promise.all(Array.from({ length: writers }, work));
  return fault;
}

async function rowsIn({ dynamodb, generation }: LiveWriter): Promise<PlainRows> {
  const rows: Record<string, RowAttributes> = {};
  for await (const items of scanItems(dynamodb, generation.table)) {
    for (const item of items) {
      const attributes = attributesOfItem(item);
      const isSeen = streamOfGuardItem(item) === undefined && Object.keys(attributes).length > 0;
      if (isSeen) rows[rowText(keyOfRowItem(item))] = attributes;
    }
  }
  return rows;
}

async function guardsIn(writer: LiveWriter, streams: Iterable<string>): Promise<Record<string, string>> {
  const guards: Record<string, string> = {};
  for (const stream of streams) {
    const guard = await readGuard(writer, stream);
    if (guard !== undefined) guards[stream] = `${guard.revision} at ${formatPosition(guard.position)}`;
  }
  return guards;
}

function lastsOf(events: readonly StoredEvent[]): Record<string, string> {
  return Object.fromEntries(
    events.map(({ stream, revision, position }) => [stream, `${revision} at ${formatPosition(position)}`]),
  );
}

const told = (event: StoredEvent): string => `${itemIdentifier(event)} ${event.type} ${inFull(event.data)}`;

function batchesTold({ batches }: Delivery): string {
  return batches
    .map((batch, index) => {
      const events = batch.map((event) => `${itemIdentifier(event)} ${event.type}`);
      return `${index + 1}. ${events.join(", ")}`;
    })
    .join("\n");
}
