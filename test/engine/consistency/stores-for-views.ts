/** The servers of a test file over views: an event store of its own, and a catalog of its own on the common DynamoDB. */
import { randomUUID } from "node:crypto";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, inject } from "vitest";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type Position } from "../../../engine/event-store/position.ts";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";
import { catalogTable } from "../../../functions/dynamodb-connection.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { createFixedTables } from "../../../local/system/fixed-tables.ts";
import { type Kind, ViewUnderCheck } from "./view-under-check.ts";

export interface StoresForViews {
  readonly store: EventStore;
  readonly dynamodb: DynamoDBClient;
  readonly catalogTable: string;
  view(kind: Kind, from?: Position): Promise<ViewUnderCheck>;
  /** From here on the log is empty: a check reads all of it, and what is written meanwhile makes the next one longer. */
  beginLog(): Promise<void>;
}

/** Call it at the top of a test file. */
export function useStores(): StoresForViews {
  const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  const tablePrefix = `consistency-${randomUUID().slice(0, 8)}-`;
  let server: EventStoreServer | undefined;
  let store: EventStore | undefined;
  const beginLog = async (): Promise<void> => {
    await endLog();
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
  };
  const endLog = async (): Promise<void> => {
    await store?.dispose();
    await server?.stop();
  };
  beforeAll(async () => {
    await beginLog();
    await createFixedTables(dynamodb, tablePrefix);
  });
  afterAll(async () => {
    await endLog();
    dynamodb.destroy();
  });
  const started = (): EventStore => {
    if (store === undefined) throw new Error("the event store has not been started yet");
    return store;
  };
  return {
    dynamodb,
    catalogTable: catalogTable(tablePrefix),
    get store() {
      return started();
    },
    beginLog,
    view: (kind, from) => ViewUnderCheck.made(kind, started(), dynamodb, catalogTable(tablePrefix), from),
  };
}
