/**
 * The back-fill of a replay over the slower of its two halves done alone with the plain clients: a read of the whole log, and
 * batch writes of the same final items with as many batches in flight. 1 is a back-fill that hides the one behind the other
 * and folds for nothing.
 */
import { BatchWriteItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventStoreDBClient } from "@eventstore/db-client";
import { scanItems } from "../engine/consistency/table-items.ts";
import { EventStore } from "../engine/event-store/event-store.ts";
import { startOfAll } from "../engine/event-store/position.ts";
import { BackFill, backFillTogether } from "../engine/replay/back-fill.ts";
import { Lease } from "../engine/replay/lease.ts";
import { LiveDelivery } from "../engine/replay/live-delivery.ts";
import { Pace } from "../engine/replay/pace.ts";
import { defaultReplaySettings, type ReplaySettings, shareOf } from "../engine/replay/replay-context.ts";
import { Catalog } from "../engine/views/catalog.ts";
import { connectDynamoDB } from "../engine/views/dynamodb.ts";
import { deleteGenerationTable } from "../engine/views/generation-table.ts";
import type { Item } from "../engine/views/item.ts";
import { type Projection, readsStream } from "../engine/views/projection.ts";
import { catalogTable } from "../functions/dynamodb-connection.ts";
import { createFixedTables } from "../local/system/fixed-tables.ts";
import { region, tablePrefix } from "../local/system/processes.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { freshTable } from "./fresh-table.ts";
import type { OrderLog } from "./order-log.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Prepared, type Subject, timed } from "./side-by-side.ts";

export interface Connections {
  readonly store: EventStore;
  readonly client: EventStoreDBClient;
  readonly dynamodb: DynamoDBClient;
}

/** `log` is what the event store of `servers` holds. */
export async function* compareBackFill(servers: Servers, log: OrderLog, rounds: number): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  try {
    for (const projection of [salesByMonth, orderSummary]) {
      const items = await finalItems(connections, projection, log);
      yield await compare(
        `back-fill of ${projection.name} over the slower of raw read and raw batch write`,
        "events",
        rounds,
        { prepare: () => prepareBackFill(connections, projection, log) },
        raw(connections, projection, log, items),
      );
    }
  } finally {
    await disconnect(connections);
  }
}

/** Makes the tables too that every view needs. */
export async function connect(servers: Pick<Servers, "connectionString" | "dynamodbEndpoint">): Promise<Connections> {
  const dynamodb = connectDynamoDB({ region, endpoint: servers.dynamodbEndpoint });
  await createFixedTables(dynamodb, tablePrefix);
  return {
    store: EventStore.connect(servers.connectionString),
    client: EventStoreDBClient.connectionString(servers.connectionString),
    dynamodb,
  };
}

export async function disconnect({ dynamodb, client, store }: Connections): Promise<void> {
  dynamodb.destroy();
  await client.dispose();
  await store.dispose();
}

/** `clear` takes away the table that `run` has filled. */
export async function prepareBackFill(
  connections: Pick<Connections, "store" | "dynamodb">,
  projection: Projection,
  log: OrderLog,
  live = liveDelivery(connections, [projection]),
): Promise<Required<Prepared> & { readonly table: string }> {
  const filled = { ...log, read: () => log.events };
  const { tables, run, clear } = await prepareBackFills(connections, [projection], filled, live);
  return { table: tables[0] ?? "", run, clear };
}

/** What the event store holds. */
export interface FilledLog {
  readonly events: number;
  /** How many of them are of a projection's streams. */
  readonly read: (projection: Projection) => number;
}

/** What back-fills of these give way to. */
export function liveDelivery(
  { store, dynamodb }: Pick<Connections, "store" | "dynamodb">,
  projections: readonly Projection[],
): LiveDelivery {
  const { giveWayAfterMs: lookEveryMs, giveWayForMs: longestMs } = defaultReplaySettings;
  const views = projections.map((projection) => ({ name: projection.name, versions: [projection] as const }));
  const catalog = new Catalog(dynamodb, catalogTable(tablePrefix));
  return new LiveDelivery({ eventStore: store, dynamodb, catalog }, { views, lookEveryMs, longestMs });
}

/** Back-fills of several generations in one pass. */
export async function prepareBackFills(
  { store, dynamodb }: Pick<Connections, "store" | "dynamodb">,
  projections: readonly Projection[],
  { events, read }: FilledLog,
  live = liveDelivery({ store, dynamodb }, projections),
): Promise<Required<Prepared> & { readonly tables: readonly string[] }> {
  const settings = shareOf(defaultReplaySettings, projections.length);
  const pace = new Pace({ givesWay: live.isBehind, restPerWork: settings.restPerWork });
  const made = await Promise.all(
    projections.map((projection) => newBackFill(dynamodb, projection, settings, live.isBehind)),
  );
  const [first, ...others] = made.map(({ part }) => part);
  if (first === undefined) throw new Error("there is nothing to back-fill");
  const target = await store.tail();
  const onRound = async (read: number): Promise<void> => {
    for (const { lease } of made) lease.assertHeld();
    await pace.read(read);
  };
  const pass = { eventStore: store, settings, onRound };
  return {
    tables: made.map(({ table }) => table),
    run: () =>
      timed(async () => {
        const { failed } = await backFillTogether([first, ...others], target, pass);
        await live.settle();
        for (const { error } of failed) throw error;
        for (const { part } of made) counted(part.relevant, { events: read(part.projection) });
        return events;
      }),
    clear: async () => {
      for (const { lease, table } of made) {
        await lease.release();
        await deleteGenerationTable(dynamodb, table);
      }
    },
  };
}

async function newBackFill(
  dynamodb: DynamoDBClient,
  projection: Projection,
  settings: ReplaySettings,
  givesWay: () => boolean,
): Promise<{ readonly part: BackFill; readonly lease: Lease; readonly table: string }> {
  const table = await freshTable(dynamodb, projection);
  const lease = await Lease.acquire({
    dynamodb,
    catalogTable: catalogTable(tablePrefix),
    projection: projection.name,
    generation: table,
    settings,
    isWanted: () => Promise.resolve(true),
  });
  if (!(lease instanceof Lease)) throw new Error("a generation of this run is leased to somebody else");
  const generation = { table, from: startOfAll };
  return { part: new BackFill({ dynamodb, projection, generation, lease, settings, givesWay }), lease, table };
}

/** What a back-fill leaves in the table. */
async function finalItems(connections: Connections, projection: Projection, log: OrderLog): Promise<Item[]> {
  const { run, clear, table } = await prepareBackFill(connections, projection, log);
  try {
    await run();
    const all: Item[] = [];
    for await (const items of scanItems(connections.dynamodb, table)) all.push(...items);
    return all;
  } finally {
    await clear();
  }
}

function raw(
  { client, dynamodb }: Connections,
  projection: Projection,
  log: OrderLog,
  items: readonly Item[],
): Subject {
  return {
    prepare: async () => {
      const table = await freshTable(dynamodb, projection);
      return {
        run: async () => {
          const read = await timed(() => readLog(client, projection, log));
          const written = await timed(() => writeItems(dynamodb, table, items));
          return { units: read.units, seconds: Math.max(read.seconds, written.seconds) };
        },
        clear: () => deleteGenerationTable(dynamodb, table),
      };
    },
  };
}

/** Counts the events of the projection's streams, as the back-fill's report does. */
async function readLog(client: EventStoreDBClient, projection: Projection, log: OrderLog): Promise<number> {
  let relevant = 0;
  for await (const { event } of client.readAll())
    if (event !== undefined && readsStream(projection, event.streamId)) relevant += 1;
  return counted(relevant, log);
}

const itemsPerBatch = 25;

async function writeItems(dynamodb: DynamoDBClient, table: string, items: readonly Item[]): Promise<number> {
  const batches = Array.from({ length: Math.ceil(items.length / itemsPerBatch) }, (_, index) =>
    items.slice(index * itemsPerBatch, (index + 1) * itemsPerBatch),
  ).values();
  const work = async (): Promise<void> => {
    for (const batch of batches) {
      const puts = batch.map((Item) => ({ PutRequest: { Item } }));
      const { UnprocessedItems } = await dynamodb.send(new BatchWriteItemCommand({ RequestItems: { [table]: puts } }));
      if (Object.keys(UnprocessedItems ?? {}).length > 0) throw new Error("the DynamoDB server left items unprocessed");
    }
  };
  await Promise.all(Array.from({ length: defaultReplaySettings.batchesAtOnce }, work));
  return items.length;
}

function counted(events: number, log: Pick<OrderLog, "events">): number {
  if (events !== log.events) throw new Error(`${events} events were read of ${log.events} in the log`);
  return events;
}
