/** The servers of a test file over views: an event store of its own, and a catalog of its own on the common DynamoDB. */
import { randomUUID } from "node:crypto";
import { CreateTableCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, inject } from "vitest";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type Position } from "../../../engine/event-store/position.ts";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { type Kind, ViewUnderCheck } from "./view-under-check.ts";

export interface StoresForViews {
  readonly store: EventStore;
  readonly dynamodb: DynamoDBClient;
  readonly catalogTable: string;
  view(kind: Kind, from?: Position): Promise<ViewUnderCheck>;
}

/** Call it at the top of a test file. */
export function useStores(): StoresForViews {
  const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  const catalogTable = `consistency-${randomUUID().slice(0, 8)}-catalog`;
  let server: EventStoreServer | undefined;
  let store: EventStore | undefined;
  beforeAll(async () => {
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
    await createCatalogTable(dynamodb, catalogTable);
  });
  afterAll(async () => {
    await store?.dispose();
    await server?.stop();
    dynamodb.destroy();
  });
  const started = (): EventStore => {
    if (store === undefined) throw new Error("the event store has not been started yet");
    return store;
  };
  return {
    dynamodb,
    catalogTable,
    get store() {
      return started();
    },
    view: (kind, from) => ViewUnderCheck.made(kind, started(), dynamodb, catalogTable, from),
  };
}

export async function createCatalogTable(dynamodb: DynamoDBClient, table: string): Promise<void> {
  await dynamodb.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
}
