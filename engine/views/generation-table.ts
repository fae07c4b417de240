/**
 * The table of one generation: made, found ready and removed by the engine, because a table that the deployment owned could
 * not be retired after a swap. Its name is never used twice.
 */
import {
  type AttributeDefinition,
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  type TableDescription,
  UpdateContinuousBackupsCommand,
} from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { isNamed, translated, ViewsUnavailableError } from "./dynamodb.ts";
import type { Projection } from "./projection.ts";

const waitMs = 500;
const maximumWaits = 120;

const stringAttribute = (name: string): AttributeDefinition => ({ AttributeName: name, AttributeType: "S" });

/** Makes the table and waits until it takes writes. Repeating it finds the table there and is no error. */
export async function createGenerationTable(
  dynamodb: DynamoDBClient,
  table: string,
  projection: Projection,
): Promise<void> {
  const indexes = projection.indexes ?? [];
  // A set: an index may be on a part of the row's key too, and an attribute is declared once.
  const keyAttributes = new Set(["pk", "sk", ...indexes.flatMap(({ partition, sort }) => [partition, sort])]);
  try {
    await translated(
      dynamodb.send(
        new CreateTableCommand({
          TableName: table,
          BillingMode: "PAY_PER_REQUEST",
          AttributeDefinitions: [...keyAttributes].map(stringAttribute),
          KeySchema: [
            { AttributeName: "pk", KeyType: "HASH" },
            { AttributeName: "sk", KeyType: "RANGE" },
          ],
          ...(indexes.length === 0
            ? {}
            : {
                GlobalSecondaryIndexes: indexes.map(({ name, partition, sort }) => ({
                  IndexName: name,
                  KeySchema: [
                    { AttributeName: partition, KeyType: "HASH" as const },
                    { AttributeName: sort, KeyType: "RANGE" as const },
                  ],
                  Projection: { ProjectionType: "ALL" as const },
                })),
              }),
          Tags: [
            { Key: "tidemark:projection", Value: projection.name },
            { Key: "tidemark:version", Value: projection.version.toString() },
          ],
        }),
      ),
    );
  } catch (error) {
    if (!isNamed(error, "ResourceInUseException")) throw error;
  }
  await untilActive(dynamodb, table);
  await protect(dynamodb, table);
}

/** Removes the table; one that is gone already is no error, and one that is still being made is waited for. */
export async function deleteGenerationTable(dynamodb: DynamoDBClient, table: string): Promise<void> {
  for (let waits = 0; waits < maximumWaits; waits += 1) {
    try {
      await translated(dynamodb.send(new DeleteTableCommand({ TableName: table })));
      return;
    } catch (error) {
      if (isNamed(error, "ResourceNotFoundException")) return;
      if (!isNamed(error, "ResourceInUseException")) throw error;
      // Being made, changed, or removed by somebody else.
      if ((await description(dynamodb, table))?.TableStatus === "DELETING") return;
    }
    await sleep(waitMs);
  }
  throw new ViewsUnavailableError(`table ${table} was not ready to be removed within a minute: try again`);
}

async function untilActive(dynamodb: DynamoDBClient, table: string): Promise<void> {
  for (let waits = 0; waits < maximumWaits; waits += 1) {
    const Table = await description(dynamodb, table);
    const indexes = Table?.GlobalSecondaryIndexes ?? [];
    if (Table?.TableStatus === "ACTIVE" && indexes.every(({ IndexStatus }) => IndexStatus === "ACTIVE")) return;
    await sleep(waitMs);
  }
  throw new ViewsUnavailableError(`table ${table} did not become active within a minute: try again`);
}

/** Undefined at first: descriptions are eventually consistent and may not know a table just made. */
async function description(dynamodb: DynamoDBClient, table: string): Promise<TableDescription | undefined> {
  try {
    return (await translated(dynamodb.send(new DescribeTableCommand({ TableName: table })))).Table;
  } catch (error) {
    if (isNamed(error, "ResourceNotFoundException")) return undefined;
    throw error;
  }
}

/** Switches point-in-time recovery on. A table just made may need a while before it can; local servers have no backups. */
async function protect(dynamodb: DynamoDBClient, table: string): Promise<void> {
  const command = new UpdateContinuousBackupsCommand({
    TableName: table,
    PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
  });
  for (let waits = 0; waits < maximumWaits; waits += 1) {
    try {
      await translated(dynamodb.send(command));
      return;
    } catch (error) {
      if (isNamed(error, "UnknownOperationException")) return;
      if (!isNamed(error, "ContinuousBackupsUnavailableException")) throw error;
    }
    await sleep(waitMs);
  }
  throw new ViewsUnavailableError(`table ${table} cannot be backed up yet: try again`);
}
