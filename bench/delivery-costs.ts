import { EventStore } from "../engine/event-store/event-store.ts";
import { connectDynamoDB } from "../engine/views/dynamodb.ts";
import { region } from "../local/system/processes.ts";
import { hostsTable, millionEventsTable, pricedViews, scheduledSubscriber } from "./delivery-prices.ts";
import type { Servers } from "./servers.ts";
import type { Table } from "./table.ts";
import { unitsTable, viewCosts } from "./write-units.ts";

/** What delivery consumes at DynamoDB, and what it would cost on AWS. Nothing else has used the servers yet. */
export async function deliveryCosts(
  { connectionString, dynamodbEndpoint }: Pick<Servers, "connectionString" | "dynamodbEndpoint">,
  sizes?: readonly number[],
): Promise<readonly Table[]> {
  const store = EventStore.connect(connectionString);
  const dynamodb = connectDynamoDB({ region, endpoint: dynamodbEndpoint });
  try {
    const costs = await viewCosts(store, dynamodb, sizes);
    const host = await scheduledSubscriber();
    const perMillion = costs
      .filter(({ view }) => pricedViews.includes(view))
      .map((cost) => millionEventsTable(cost, host.memoryMegabytes));
    return [unitsTable(costs), ...perMillion, hostsTable(host)];
  } finally {
    dynamodb.destroy();
    await store.dispose();
  }
}
