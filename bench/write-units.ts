/**
 * What delivery costs at DynamoDB, counted and not timed: the write units that each view's projector consumes for an event, and
 * the read units for a batch, as the server tells them with each answer. By the size of the batch, because what events of one
 * batch change in one row is written once.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { z } from "zod";
import { projectBatch, type ProjectorContext } from "../engine/delivery/project-batch.ts";
import type { EventStore } from "../engine/event-store/event-store.ts";
import { startOfAll } from "../engine/event-store/position.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import { Quarantine, quarantineTable } from "../engine/quarantine/quarantine.ts";
import { Catalog, type Generation } from "../engine/views/catalog.ts";
import { createGenerationTable, deleteGenerationTable } from "../engine/views/generation-table.ts";
import { categoriesOf, type Projection } from "../engine/views/projection.ts";
import { catalogTable } from "../functions/dynamodb-connection.ts";
import { retryLimits } from "../functions/retry-limits.ts";
import { createFixedTables } from "../local/system/fixed-tables.ts";
import { projections } from "../projections/registry.ts";
import { journeysByStep, recordJourney } from "./order-journeys.ts";
import type { Table } from "./table.ts";

export const batchSizes: readonly number[] = [1, 10, 100, 500];

/** What a projector consumes on average over all events of orders on their way to cash. */
export interface ViewCost {
  readonly view: string;
  readonly rows: Projection["rows"];
  /** For an event, by the number of events in its batch. */
  readonly writeUnits: ReadonlyMap<number, number>;
  /** For a batch of any size. */
  readonly readUnits: number;
}

/** `eventStore` holds nothing yet; `dynamodb` is used for nothing else meanwhile. */
export async function viewCosts(
  eventStore: EventStore,
  dynamodb: DynamoDBClient,
  sizes: readonly number[] = batchSizes,
): Promise<readonly ViewCost[]> {
  const tablePrefix = `units-${randomUUID()}-`;
  await createFixedTables(dynamodb, tablePrefix);
  const context: ProjectorContext = {
    dynamodb,
    eventStore,
    catalog: new Catalog(dynamodb, catalogTable(tablePrefix)),
    quarantine: new Quarantine(dynamodb, quarantineTable(tablePrefix)),
    limits: retryLimits,
    log: pino({ level: "silent" }),
  };
  const journey = await recordJourney(eventStore);
  const meter = new Meter(dynamodb);
  const costs: ViewCost[] = [];
  for (const projection of projections) {
    const measured = (size: number): Promise<Consumed> => consumedBy(context, meter, projection, journey, size);
    // A row of one stream is written for each stream of a batch, and no two events of these batches are of one stream.
    const measuredSizes = projection.rows === "shared" ? sizes : sizes.slice(0, 1);
    const consumed = new Map<number, Consumed>();
    for (const size of measuredSizes) consumed.set(size, await measured(size));
    const [first] = consumed.values();
    if (first === undefined) throw new Error("name at least one size");
    const writeUnits = new Map(
      sizes.map((size) => {
        const { writes, events } = consumed.get(size) ?? first;
        return [size, writes / events];
      }),
    );
    costs.push({ view: projection.name, rows: projection.rows, writeUnits, readUnits: first.reads / first.batches });
  }
  return costs;
}

interface Consumed {
  readonly events: number;
  readonly batches: number;
  readonly writes: number;
  readonly reads: number;
}

/** Of batches of `size` events, one for each step of the journey, into a table of their own. */
async function consumedBy(
  context: ProjectorContext,
  meter: Meter,
  projection: Projection,
  journey: readonly StoredEvent[],
  size: number,
): Promise<Consumed> {
  const { dynamodb, catalog } = context;
  const { name, version } = projection;
  const table = `units-${name}-${randomUUID()}`;
  await createGenerationTable(dynamodb, table, projection);
  const declaredAt = new Date().toISOString();
  const generation: Generation = { id: table, table, version, role: "live", from: startOfAll, declaredAt };
  await catalog.transition(await catalog.read(name), [generation]);
  const batches = journeysByStep(journey, categoriesOf(projection), size);
  meter.reset();
  for (const batch of batches) {
    const { batchItemFailures } = await projectBatch(context, [projection], batch);
    if (batchItemFailures.length > 0) throw new Error(`${name} did not take all events of the benchmark`);
  }
  const consumed = { writes: meter.writes, reads: meter.reads };
  await deleteGenerationTable(dynamodb, table);
  return { ...consumed, events: batches.flat().length, batches: batches.length };
}

const consumption = z.object({ CapacityUnits: z.number() });
const answerSchema = z.object({
  ConsumedCapacity: z.union([consumption.transform((one) => [one]), z.array(consumption)]),
});

/** Asks for the consumed capacity with every request of the client, and adds it up. */
class Meter {
  writes = 0;
  reads = 0;

  constructor(dynamodb: DynamoDBClient) {
    dynamodb.middlewareStack.add(
      (next, { commandName = "" }) =>
        async (args) => {
          const isWrite = ["UpdateItemCommand", "PutItemCommand", "TransactWriteItemsCommand"].includes(commandName);
          if (!isWrite && commandName !== "GetItemCommand") return next(args);
          const answer = await next({ ...args, input: { ...args.input, ReturnConsumedCapacity: "TOTAL" } });
          const { ConsumedCapacity } = answerSchema.parse(answer.output);
          const units = ConsumedCapacity.reduce((sum, { CapacityUnits }) => sum + CapacityUnits, 0);
          if (isWrite) this.writes += units;
          else this.reads += units;
          return answer;
        },
      { step: "initialize" },
    );
  }

  reset(): void {
    this.writes = 0;
    this.reads = 0;
  }
}

export function unitsTable(costs: readonly ViewCost[]): Table {
  return {
    name: "DynamoDB write units of an event by events in a batch, and read units of a batch",
    columns: ["view", ...[...(costs[0]?.writeUnits.keys() ?? [])].map(String), "read units"],
    rows: costs.map(({ view, writeUnits, readUnits }) => [
      view,
      ...[...writeUnits.values()].map((units) => units.toFixed(2)),
      readUnits.toFixed(0),
    ]),
  };
}
