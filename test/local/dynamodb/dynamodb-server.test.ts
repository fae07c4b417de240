import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateTableCommand, PutItemCommand, QueryCommand, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type DynamoDBEngine, hasJava17, startDynamoDB } from "../../../local/dynamodb/dynamodb-server.ts";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";

const TableName = "things";

async function makeTable(dynamodb: DynamoDBClient): Promise<void> {
  await dynamodb.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" as const })),
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
}

const put = (sk: string) => new PutItemCommand({ TableName, Item: { pk: { S: "a" }, sk: { S: sk } } });

const engines: [DynamoDBEngine, boolean][] = [
  ["dynoxide", true],
  ["dynamodb-local", hasJava17()],
];

describe.each(engines)("a DynamoDB server on %s", (engine, runsHere) => {
  it.runIf(runsHere)("keeps what was written over a restart", async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), "tidemark-dynamodb-"));
    const first = await startDynamoDB({ engine, dataDirectory });
    const writer = connectDynamoDB({ region: "eu-central-1", endpoint: first.endpoint });
    await makeTable(writer);
    for (const sk of ["2", "1", "3"]) await writer.send(put(sk));
    await first.stop();

    const second = await startDynamoDB({ engine, dataDirectory, port: first.port });
    const { Items = [] } = await writer.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: "pk = :pk",
        ExpressionAttributeValues: { ":pk": { S: "a" } },
        ConsistentRead: true,
      }),
    );
    expect(Items.map(({ sk }) => sk?.S)).toStrictEqual(["1", "2", "3"]);
    await second.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  });

  it.runIf(runsHere)("takes a transaction as a whole or not at all, and says which condition failed", async () => {
    const server = await startDynamoDB({ engine });
    const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: server.endpoint });
    await makeTable(dynamodb);
    await dynamodb.send(put("1"));
    const transaction = new TransactWriteItemsCommand({
      TransactItems: ["2", "1"].map((sk) => ({
        Put: { TableName, Item: { pk: { S: "a" }, sk: { S: sk } }, ConditionExpression: "attribute_not_exists(pk)" },
      })),
    });
    await expect(dynamodb.send(transaction)).rejects.toMatchObject({
      name: "TransactionCanceledException",
      CancellationReasons: [{ Code: "None" }, { Code: "ConditionalCheckFailed" }],
    });
    await dynamodb.send(put("2"));
    await server.stop();
  });
});
