/** The fixed tables, made locally from the same definition that deploys them: `deploy/tables.yml`. */
import { CreateTableCommand, type CreateTableCommandInput, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";

const templateSchema = z.object({
  Resources: z.record(z.string(), z.object({ Type: z.literal("AWS::DynamoDB::Table"), Properties: z.unknown() })),
});

const tableSchema = z.object({
  TableName: z.string(),
  BillingMode: z.literal("PAY_PER_REQUEST"),
  AttributeDefinitions: z.array(z.object({ AttributeName: z.string(), AttributeType: z.enum(["S", "N", "B"]) })),
  KeySchema: z.array(z.object({ AttributeName: z.string(), KeyType: z.enum(["HASH", "RANGE"]) })),
});

const definition = new URL("../../deploy/tables.yml", import.meta.url);

/** Makes those tables that are not there yet. */
export async function createFixedTables(dynamodb: DynamoDBClient, tablePrefix: string): Promise<void> {
  for (const table of await fixedTables(tablePrefix)) {
    try {
      await dynamodb.send(new CreateTableCommand(table));
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "ResourceInUseException") throw error;
    }
  }
}

async function fixedTables(tablePrefix: string): Promise<CreateTableCommandInput[]> {
  const { Resources } = templateSchema.parse(parse(await readFile(definition, "utf8")));
  return Object.values(Resources).map(({ Properties }) => {
    const table = tableSchema.parse(Properties);
    return { ...table, TableName: table.TableName.replace("${self:custom.tablePrefix}", tablePrefix) };
  });
}
