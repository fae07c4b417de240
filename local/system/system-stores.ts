import { hostname, userInfo } from "node:os";
import { Quarantine, quarantineTable } from "../../engine/quarantine/quarantine.ts";
import type { ReplayContext } from "../../engine/replay/replay-context.ts";
import { Catalog } from "../../engine/views/catalog.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { catalogTable } from "../../functions/dynamodb-connection.ts";
import { connectTo, eventStoreConnectionString } from "../../functions/event-store-connection.ts";
import { readSettings, viewSettings } from "../../functions/settings.ts";
import type { CommonOptions } from "../cli/command-error.ts";
import { readRunningSystem, type RunningSystem } from "./running-system.ts";

/** Which system a command is for. */
export interface SystemAsked extends Pick<CommonOptions, "data"> {
  /** Not the one that runs on this machine, but the deployment that the functions' environment variables name. */
  readonly deployed?: boolean;
}

export const deployedOption = [
  "--deployed",
  "not of the system on this machine, but of the deployment that TABLE_PREFIX, AWS_REGION and EVENTSTORE_CONNECTION_STRING (or EVENTSTORE_CONNECTION_STRING_PARAMETER) name",
] as const;

type StoresNamed = Pick<RunningSystem, "region" | "eventStoreConnectionString" | "tablePrefix"> &
  Partial<Pick<RunningSystem, "dynamodbEndpoint">>;

/** Event store and views of a system, as its functions use them, as long as `work` takes. Throws SettingsError and CommandError. */
export async function withStoresOf<Value>(
  { data, deployed }: SystemAsked,
  work: (stores: ReplayContext) => Promise<Value>,
): Promise<Value> {
  return withStores(deployed === true ? await deployment() : await readRunningSystem(data), work);
}

async function deployment(): Promise<StoresNamed> {
  const { AWS_REGION: region, DYNAMODB_ENDPOINT: endpoint, TABLE_PREFIX: tablePrefix } = readSettings(viewSettings);
  const named = { region, tablePrefix, eventStoreConnectionString: await eventStoreConnectionString() };
  return endpoint === undefined ? named : { ...named, dynamodbEndpoint: endpoint };
}

/** Of a running system. */
export async function withStores<Value>(
  { region, dynamodbEndpoint: endpoint, eventStoreConnectionString: connectionString, tablePrefix }: StoresNamed,
  work: (stores: ReplayContext) => Promise<Value>,
): Promise<Value> {
  const dynamodb = connectDynamoDB({ region, ...(endpoint === undefined ? {} : { endpoint }) });
  const eventStore = connectTo(connectionString);
  const table = catalogTable(tablePrefix);
  try {
    const catalog = new Catalog(dynamodb, table);
    const quarantine = new Quarantine(dynamodb, quarantineTable(tablePrefix));
    const by = `${userName()} at ${hostname()}`;
    return await work({ by, dynamodb, eventStore, catalog, quarantine, catalogTable: table, tablePrefix });
  } finally {
    dynamodb.destroy();
    await eventStore.dispose();
  }
}

/** In many containers a process runs as a user whom nobody has given a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env["USER"] ?? `user ${process.getuid?.() ?? "unknown"}`;
  }
}
