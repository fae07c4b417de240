/**
 * Delivery: a backlog drained by the subscription through the Lambda Invoke API into the projector functions, over the same
 * backlog drained from an equal persistent subscription by the plain client that writes the same to DynamoDB itself. Every
 * round has a group and a table of its own. The functions run where `npm start` runs them, in a process of their own.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { EventStoreDBClient } from "@eventstore/db-client";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { ensureGroup } from "../engine/delivery/consumer-group.ts";
import { connectLambda } from "../engine/delivery/function-invocation.ts";
import { Subscription } from "../engine/delivery/subscription.ts";
import {
  bufferSize,
  type SubscriptionSettings,
  subscriptionSettings,
} from "../engine/delivery/subscription-settings.ts";
import { createLogger } from "../engine/http/logger.ts";
import { itemText, keyOfItem, scanItems } from "../engine/consistency/table-items.ts";
import { startOfAll } from "../engine/event-store/position.ts";
import { Catalog, type Generation } from "../engine/views/catalog.ts";
import { connectDynamoDB } from "../engine/views/dynamodb.ts";
import { deleteGenerationTable } from "../engine/views/generation-table.ts";
import { type Item, writesName } from "../engine/views/item.ts";
import { categoriesOf, type Projection } from "../engine/views/projection.ts";
import { catalogTable } from "../functions/dynamodb-connection.ts";
import { createFixedTables } from "../local/system/fixed-tables.ts";
import { functionPrefix, region, tablePrefix } from "../local/system/processes.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { freshTable } from "./fresh-table.ts";
import type { OrderLog } from "./order-log.ts";
import { drainRaw, type RawDrainOptions, writeSales, writeSummaries } from "./raw-drain.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Subject, timed } from "./side-by-side.ts";

const rawWriters = [
  { projection: salesByMonth, write: writeSales },
  { projection: orderSummary, write: writeSummaries },
] as const;

/** `log` is what the event store of `servers` holds. */
export async function* compareDelivery(servers: Servers, log: OrderLog, rounds: number): AsyncGenerator<Comparison> {
  await servers.startFunctions();
  const connections = {
    client: EventStoreDBClient.connectionString(servers.connectionString),
    dynamodb: connectDynamoDB({ region, endpoint: servers.dynamodbEndpoint }),
    lambda: connectLambda({ region, endpoint: servers.invokeEndpoint }),
  };
  try {
    await createFixedTables(connections.dynamodb, tablePrefix);
    for (const { projection, write } of rawWriters) {
      const tables = new ComparedTables(connections.dynamodb);
      yield await compare(
        `delivery into ${projection.name} over raw drain + same writes`,
        "events",
        rounds,
        ours(connections, projection, log, tables),
        raw(connections, projection, log, tables, write),
      );
    }
  } finally {
    connections.lambda.destroy();
    connections.dynamodb.destroy();
    await connections.client.dispose();
  }
}

interface Connections {
  readonly client: EventStoreDBClient;
  readonly dynamodb: DynamoDBClient;
  readonly lambda: LambdaClient;
}

function settingsFor(projection: Projection): SubscriptionSettings {
  return subscriptionSettings({
    name: `bench-${randomUUID()}`,
    functionName: `${functionPrefix}project-${projection.name}`,
    categories: [...categoriesOf(projection)],
  });
}

function ours(connections: Connections, projection: Projection, log: OrderLog, tables: ComparedTables): Subject {
  const { client, dynamodb } = connections;
  return {
    prepare: async () => {
      const settings = settingsFor(projection);
      const table = await freshTable(dynamodb, projection);
      await makeLive(dynamodb, projection, table);
      await ensureGroup(client, settings, true);
      const subscription = new Subscription(settings, {
        ...connections,
        log: createLogger("bench", { level: "silent" }),
      });
      return {
        run: () => timed(() => drained(subscription, log.events)),
        clear: async () => {
          await subscription.stop(5_000);
          await tables.compare(table);
          await putAway(connections, settings, table);
        },
      };
    },
  };
}

function raw(
  connections: Connections,
  projection: Projection,
  log: OrderLog,
  tables: ComparedTables,
  write: typeof writeSales,
): Subject {
  const { client, dynamodb } = connections;
  return {
    prepare: async () => {
      const settings = settingsFor(projection);
      const table = await freshTable(dynamodb, projection);
      await ensureGroup(client, settings, true);
      const { group, batchSize, parallelizationFactor: lanes } = settings;
      const options: RawDrainOptions = {
        client,
        group,
        bufferSize: bufferSize(settings),
        batchSize,
        lanes,
        write: (events) => write(dynamodb, table, events),
      };
      return {
        run: () =>
          timed(async () => {
            await drainRaw(options, log.events);
            return log.events;
          }),
        clear: async () => {
          await tables.compare(table);
          await putAway(connections, settings, table);
        },
      };
    },
  };
}

const longestDrainMs = 60_000;

/** Resolves with the number of events when all of them are acknowledged. */
async function drained(subscription: Subscription, events: number): Promise<number> {
  subscription.start();
  const giveUpAt = performance.now() + longestDrainMs;
  while (subscription.status.acknowledged < events) {
    if (performance.now() > giveUpAt) {
      throw new Error(`the backlog was not drained in time: ${JSON.stringify(subscription.status)}`);
    }
    await sleep(5);
  }
  return events;
}

/** Makes the table that of the only generation, so that the projector function writes it. */
async function makeLive(dynamodb: DynamoDBClient, { name, version }: Projection, table: string): Promise<void> {
  const catalog = new Catalog(dynamodb, catalogTable(tablePrefix));
  const declaredAt = new Date().toISOString();
  const generation: Generation = { id: table, table, version, role: "live", from: startOfAll, declaredAt };
  await catalog.transition(await catalog.read(name), [generation]);
}

async function putAway(
  { client, dynamodb }: Connections,
  { group }: SubscriptionSettings,
  table: string,
): Promise<void> {
  await client.deletePersistentSubscriptionToAll(group);
  await deleteGenerationTable(dynamodb, table);
}

/** Sees to it that both sides have done the same: what the first run has left in its table, every other must leave too. */
class ComparedTables {
  readonly #dynamodb: DynamoDBClient;
  #first: ReadonlyMap<string, Item> | undefined;

  constructor(dynamodb: DynamoDBClient) {
    this.#dynamodb = dynamodb;
  }

  async compare(table: string): Promise<void> {
    const found = new Map<string, Item>();
    for await (const items of scanItems(this.#dynamodb, table)) {
      for (const item of items) {
        // How many writes a row took depends on which events came together.
        const written = Object.entries(item).filter(([name]) => name !== writesName);
        found.set(itemText(keyOfItem(item)), Object.fromEntries(written));
      }
    }
    this.#first ??= found;
    if (!isDeepStrictEqual(found, this.#first)) throw new Error(`table ${table} is not as the first run left its own`);
  }
}
