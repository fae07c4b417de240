import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { createGenerationTable } from "../engine/views/generation-table.ts";
import type { Projection } from "../engine/views/projection.ts";
import { tablePrefix } from "../local/system/processes.ts";

/** Makes an empty table as a generation of the view has it; returns its name. */
export async function freshTable(dynamodb: DynamoDBClient, projection: Projection): Promise<string> {
  const table = `${tablePrefix}${projection.name}-v${projection.version}-${randomUUID()}`;
  await createGenerationTable(dynamodb, table, projection);
  return table;
}
