/** All views, live and filled, as functions and commands find them: for tests that then read or damage them. */
import { randomUUID } from "node:crypto";
import { DeleteItemCommand, type DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { expect } from "vitest";
import { EventStore, type ExpectedRevision } from "../../engine/event-store/event-store.ts";
import { startOfAll } from "../../engine/event-store/position.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { Catalog } from "../../engine/views/catalog.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { createGenerationTable } from "../../engine/views/generation-table.ts";
import { type Item, rowItemKey } from "../../engine/views/item.ts";
import { applyEvents } from "../../engine/views/live-writer.ts";
import { readsStream, type RowKey } from "../../engine/views/projection.ts";
import { catalogTable } from "../../functions/dynamodb-connection.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { projections } from "../../projections/registry.ts";
import { createFixedTables } from "../../local/system/fixed-tables.ts";

export class OrderViews {
  readonly tablePrefix = `order-views-${randomUUID().slice(0, 8)}-`;
  readonly server: EventStoreServer;
  readonly store: EventStore;
  readonly dynamodb: DynamoDBClient;
  readonly #catalog: Catalog;

  private constructor(server: EventStoreServer, endpoint: string) {
    this.server = server;
    this.store = EventStore.connect(server.connectionString);
    this.dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint });
    this.#catalog = new Catalog(this.dynamodb, catalogTable(this.tablePrefix));
  }

  /** Live, and empty. */
  static async made(dynamodbEndpoint: string): Promise<OrderViews> {
    const made = new OrderViews(await startEventStore(), dynamodbEndpoint);
    await createFixedTables(made.dynamodb, made.tablePrefix);
    for (const projection of projections) {
      const table = made.tableOf(projection.name);
      await createGenerationTable(made.dynamodb, table, projection);
      const [version, role, declaredAt] = [projection.version, "live", "2026-01-01T00:00:00.000Z"] as const;
      const live = { id: "g1", table, version, role, from: startOfAll, declaredAt };
      await made.#catalog.transition(await made.#catalog.read(projection.name), [live]);
    }
    return made;
  }

  /** What functions need to find them: to be set before they are loaded. */
  setEnvironment(dynamodbEndpoint: string): void {
    Object.assign(process.env, {
      EVENTSTORE_CONNECTION_STRING: this.server.connectionString,
      DYNAMODB_ENDPOINT: dynamodbEndpoint,
      AWS_REGION: "eu-central-1",
      TABLE_PREFIX: this.tablePrefix,
      LOG_LEVEL: "silent",
    });
  }

  tableOf(view: string): string {
    return `${this.tablePrefix}${view}-v1-g1`;
  }

  /** An order of 12.00 USD in July 1996. */
  async place(orderId: string): Promise<void> {
    const total = { amount: 1_200, currency: "USD" };
    const data = { orderId, customerId: "VINET", orderedAt: "1996-07-04T00:00:00.000Z", lines: [], total };
    await this.append(`order-${orderId}`, [{ type: "OrderPlaced", data }]);
  }

  /** Events of version 1, in a new stream unless `after` says behind which revision. */
  async append(
    stream: string,
    events: readonly { readonly type: string; readonly data: unknown }[],
    after: ExpectedRevision = "no_stream",
  ): Promise<void> {
    const stored = events.map(({ type, data }) => ({ id: randomUUID(), type, data, metadata: { schemaVersion: 1 } }));
    expect(await this.store.append(stream, after, stored)).toMatchObject({ outcome: "appended" });
  }

  /** What subscriber and projectors do: every event so far is in the rows. */
  async deliver(): Promise<void> {
    const events: StoredEvent[] = [];
    for await (const event of this.store.readAll()) events.push(event);
    for (const projection of projections) {
      const generation = { table: this.tableOf(projection.name), from: startOfAll };
      const writer = { dynamodb: this.dynamodb, eventStore: this.store, projection, generation };
      const report = await applyEvents(
        writer,
        events.filter(({ stream }) => readsStream(projection, stream)),
      );
      expect(report.failures).toStrictEqual([]);
    }
  }

  async put(view: string, key: RowKey, attributes: Item): Promise<void> {
    const Item = { ...rowItemKey(key), ...attributes };
    await this.dynamodb.send(new PutItemCommand({ TableName: this.tableOf(view), Item }));
  }

  async remove(view: string, key: RowKey): Promise<void> {
    await this.dynamodb.send(new DeleteItemCommand({ TableName: this.tableOf(view), Key: { ...rowItemKey(key) } }));
  }

  async stop(): Promise<void> {
    await this.store.dispose();
    await this.server.stop();
    this.dynamodb.destroy();
  }
}
