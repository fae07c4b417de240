/** What the benchmarks of delivery share: the clients, and a view of its own for each run. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { EventStoreDBClient } from "@eventstore/db-client";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureGroup } from "../engine/delivery/consumer-group.ts";
import { connectLambda } from "../engine/delivery/function-invocation.ts";
import { Subscription } from "../engine/delivery/subscription.ts";
import { type SubscriptionSettings, subscriptionSettings } from "../engine/delivery/subscription-settings.ts";
import { startOfAll } from "../engine/event-store/position.ts";
import { createLogger } from "../engine/http/logger.ts";
import { Catalog, type Generation } from "../engine/views/catalog.ts";
import { connectDynamoDB } from "../engine/views/dynamodb.ts";
import { deleteGenerationTable } from "../engine/views/generation-table.ts";
import { categoriesOf, type Projection } from "../engine/views/projection.ts";
import { catalogTable } from "../functions/dynamodb-connection.ts";
import { createFixedTables } from "../local/system/fixed-tables.ts";
import { functionPrefix, region, tablePrefix } from "../local/system/processes.ts";
import { freshTable } from "./fresh-table.ts";
import type { Servers } from "./servers.ts";

export interface Connections {
  readonly client: EventStoreDBClient;
  readonly dynamodb: DynamoDBClient;
  readonly lambda: LambdaClient;
  /** Of the runtime that has the empty function. */
  readonly emptyLambda: LambdaClient;
}

/** Starts the functions too, and makes the tables that every view needs. */
export async function connect(servers: Servers): Promise<Connections> {
  await servers.startFunctions();
  const dynamodb = connectDynamoDB({ region, endpoint: servers.dynamodbEndpoint });
  await createFixedTables(dynamodb, tablePrefix);
  return {
    client: EventStoreDBClient.connectionString(servers.connectionString),
    dynamodb,
    lambda: connectLambda({ region, endpoint: servers.invokeEndpoint }),
    emptyLambda: connectLambda({ region, endpoint: servers.emptyInvokeEndpoint }),
  };
}

export async function disconnect({ client, dynamodb, lambda, emptyLambda }: Connections): Promise<void> {
  emptyLambda.destroy();
  lambda.destroy();
  dynamodb.destroy();
  await client.dispose();
}

/** A table and a group that only one run uses. */
export interface RunView {
  readonly settings: SubscriptionSettings;
  readonly table: string;
}

type GivenSettings = Pick<Parameters<typeof subscriptionSettings>[0], "parallelizationFactor" | "startingPosition">;

export async function prepareView(
  { client, dynamodb }: Connections,
  projection: Projection,
  given: GivenSettings = {},
): Promise<RunView> {
  const settings = subscriptionSettings({
    name: `bench-${randomUUID()}`,
    functionName: projectorName(projection),
    categories: [...categoriesOf(projection)],
    ...given,
  });
  const table = await freshTable(dynamodb, projection);
  await ensureGroup(client, settings, true);
  return { settings, table };
}

export function projectorName({ name }: Projection): string {
  return `${functionPrefix}project-${name}`;
}

/** Makes the table that of the only generation, so that the projector function writes it. */
export async function makeLive(
  dynamodb: DynamoDBClient,
  { name, version }: Projection,
  { table }: Pick<RunView, "table">,
): Promise<void> {
  const catalog = new Catalog(dynamodb, catalogTable(tablePrefix));
  const declaredAt = new Date().toISOString();
  const generation: Generation = { id: table, table, version, role: "live", from: startOfAll, declaredAt };
  await catalog.transition(await catalog.read(name), [generation]);
}

export async function putAway({ client, dynamodb }: Connections, { settings, table }: RunView): Promise<void> {
  await client.deletePersistentSubscriptionToAll(settings.group);
  await deleteGenerationTable(dynamodb, table);
}

export function subscriptionOf({ client, lambda }: Connections, { settings }: RunView): Subscription {
  return new Subscription(settings, { client, lambda, log: createLogger("bench", { level: "silent" }) });
}

const longestDrainMs = 60_000;

/** Resolves with the number of events when all of them are acknowledged. */
export async function drained(subscription: Subscription, events: number): Promise<number> {
  subscription.start();
  const giveUpAt = performance.now() + longestDrainMs;
  while (subscription.acknowledged < events) {
    if (performance.now() > giveUpAt) {
      throw new Error(`the backlog was not drained in time: ${JSON.stringify(subscription.status)}`);
    }
    await sleep(2);
  }
  return events;
}
