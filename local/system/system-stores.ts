import { hostname, userInfo } from "node:os";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { Quarantine, quarantineTable } from "../../engine/quarantine/quarantine.ts";
import type { ReplayContext } from "../../engine/replay/replay-context.ts";
import { Catalog } from "../../engine/views/catalog.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { catalogTable } from "../../functions/dynamodb-connection.ts";
import type { RunningSystem } from "./running-system.ts";

/** Event store and views of a running system, as its functions use them, as long as `work` takes. */
export async function withStores<Value>(
  {
    region,
    dynamodbEndpoint: endpoint,
    eventStoreConnectionString,
    tablePrefix,
  }: Pick<RunningSystem, "region" | "dynamodbEndpoint" | "eventStoreConnectionString" | "tablePrefix">,
  work: (stores: ReplayContext) => Promise<Value>,
): Promise<Value> {
  const dynamodb = connectDynamoDB({ region, endpoint });
  const eventStore = EventStore.connect(eventStoreConnectionString);
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
