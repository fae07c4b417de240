/** DynamoDB as a function instance uses it: one client, the catalog of views and a reader of the live ones. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { Quarantine, quarantineTable } from "../engine/quarantine/quarantine.ts";
import { Catalog } from "../engine/views/catalog.ts";
import { connectDynamoDB } from "../engine/views/dynamodb.ts";
import { ViewReader } from "../engine/views/view-reader.ts";
import { readSettings, viewSettings } from "./settings.ts";

interface Views {
  readonly dynamodb: DynamoDBClient;
  readonly tablePrefix: string;
  readonly catalog: Catalog;
  readonly reader: ViewReader;
  readonly quarantine: Quarantine;
}

let connection: Views | undefined;

/** Throws SettingsError. The same connection at every call. */
export function views(): Views {
  connection ??= connect();
  return connection;
}

/** The fixed table that says which generation of each view is live. */
export function catalogTable(tablePrefix: string): string {
  return `${tablePrefix}catalog`;
}

function connect(): Views {
  const { AWS_REGION: region, DYNAMODB_ENDPOINT: endpoint, TABLE_PREFIX: tablePrefix } = readSettings(viewSettings);
  const dynamodb = connectDynamoDB({ region, ...(endpoint === undefined ? {} : { endpoint }) });
  const catalog = new Catalog(dynamodb, catalogTable(tablePrefix));
  const quarantine = new Quarantine(dynamodb, quarantineTable(tablePrefix));
  return { dynamodb, tablePrefix, catalog, reader: new ViewReader(dynamodb, catalog), quarantine };
}
