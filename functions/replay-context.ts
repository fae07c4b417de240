import type { ReplayContext } from "../engine/replay/replay-context.ts";
import { catalogTable, views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";

/** What a replay works with in this deployment; `by` is the function. */
export async function replayContext(by: string): Promise<ReplayContext> {
  const { dynamodb, catalog, tablePrefix, quarantine } = views();
  return {
    by: `function ${by}`,
    dynamodb,
    catalog,
    quarantine,
    tablePrefix,
    catalogTable: catalogTable(tablePrefix),
    eventStore: await eventStore(),
  };
}
