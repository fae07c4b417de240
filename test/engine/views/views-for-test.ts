/** What tests of views share: an event store, tables of their own, two projections, and faults of the DynamoDB client. */
import { randomUUID } from "node:crypto";
import { type DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { jsonEvent, type JSONType } from "@eventstore/db-client";
import { afterAll, expect, inject } from "vitest";
import { z } from "zod";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { formatPosition, type Position, startOfAll } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";
import { createGenerationTable } from "../../../engine/views/generation-table.ts";
import {
  attributesOfItem,
  guardOfItem,
  type Item,
  keyOfRowItem,
  streamOfGuardItem,
} from "../../../engine/views/item.ts";
import type { LiveWriter } from "../../../engine/views/live-writer.ts";
import {
  categoriesOf,
  defineOnePerStreamProjection,
  defineSharedProjection,
  type Projection,
  type RowAttributes,
} from "../../../engine/views/projection.ts";
import { catalogTable } from "../../../functions/dynamodb-connection.ts";
import { createFixedTables } from "../../../local/system/fixed-tables.ts";
import { type StoreForTest, useEventStore } from "../../local/eventstoredb/event-store-for-test.ts";

// Also what a projection may make of data, which is JSON.
const amounts = z.record(z.string(), z.number().or(z.bigint()));

/** A row that does what its events say: `Changed` carries the change itself. */
export const owned = defineOnePerStreamProjection({
  name: "owned",
  version: 1,
  category: "account",
  eventTypes: {
    Changed: {
      version: 1,
      schema: z.strictObject({
        set: z.record(z.string(), z.json().or(z.bigint())).exactOptional(),
        add: amounts.exactOptional(),
        remove: z.array(z.string()).exactOptional(),
      }),
    },
    Closed: { version: 1, schema: z.strictObject({}) },
  },
  rowOf: (id) => ({ partition: id, sort: "account" }),
  on: {
    Changed: ({ data }) => data,
    Closed: () => ({ delete: true }),
  },
});

/** Sums that many streams touch: `Counted` carries what to add to which row. */
export const shared = defineSharedProjection({
  name: "shared",
  version: 1,
  categories: ["account"],
  eventTypes: { Counted: { version: 1, schema: amounts } },
  on: {
    Counted: ({ data }) =>
      Object.entries(data).map(([sort, sum]) => ({ key: { partition: "totals", sort }, add: { sum, events: 1 } })),
  },
});

export interface EventForTest {
  readonly type: string;
  readonly data: JSONType;
}

export const changed = (data: JSONType): EventForTest => ({ type: "Changed", data });
export const counted = (data: Record<string, number>): EventForTest => ({ type: "Counted", data });
export const closed: EventForTest = { type: "Closed", data: {} };
/** No projection lists it. */
export const unlisted: EventForTest = { type: "Unlisted", data: {} };

/** A table as a reader would tell it: rows by `partition/sort`, guards by stream as `revision at position`. */
export interface TableContents {
  readonly rows: Record<string, RowAttributes>;
  readonly guards: Record<string, string>;
}

export class ViewsForTest {
  readonly dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  readonly #store: StoreForTest;
  #eventStore: EventStore | undefined;

  constructor(store: StoreForTest) {
    this.#store = store;
  }

  get eventStore(): EventStore {
    return (this.#eventStore ??= new EventStore(this.#store.client));
  }

  /** Appends and gives back what the store holds then: the events with their revisions and positions. */
  async append(stream: string, events: readonly EventForTest[]): Promise<StoredEvent[]> {
    const { nextExpectedRevision } = await this.#store.client.appendToStream(stream, events.map(jsonEvent));
    const appended: StoredEvent[] = [];
    const first = nextExpectedRevision - BigInt(events.length) + 1n;
    for await (const event of this.eventStore.readStream(stream, first)) appended.push(event);
    return appended;
  }

  /** A writer into a new table. */
  async writer(projection: Projection, from: Position = startOfAll): Promise<LiveWriter> {
    const table = newTable();
    await createGenerationTable(this.dynamodb, table, projection);
    return { dynamodb: this.dynamodb, eventStore: this.eventStore, projection, generation: { table, from } };
  }

  async items(table: string): Promise<Item[]> {
    const items: Item[] = [];
    const pages = paginateScan({ client: this.dynamodb }, { TableName: table, ConsistentRead: true });
    for await (const { Items = [] } of pages) items.push(...Items);
    return items;
  }

  /** Of a table whose rows hold their guards, the guard is listed under the stream of the row's partition. */
  async contents({ generation, projection }: LiveWriter): Promise<TableContents> {
    const rows: Record<string, RowAttributes> = {};
    const guards: Record<string, string> = {};
    for (const item of await this.items(generation.table)) {
      const { partition, sort } = keyOfRowItem(item);
      const stream = streamOfGuardItem(item);
      const guard = guardOfItem(item);
      if (stream === undefined) rows[`${partition}/${sort}`] = attributesOfItem(item);
      if (guard === undefined) continue;
      guards[stream ?? `${categoriesOf(projection)[0]}-${partition}`] =
        `${guard.revision.toString()} at ${formatPosition(guard.position)}`;
    }
    return { rows, guards };
  }
}

/** Call it at the top of a test file. */
export function useViews(): ViewsForTest & { readonly store: StoreForTest } {
  const store = useEventStore();
  const views = new ViewsForTest(store);
  afterAll(() => views.dynamodb.destroy());
  return Object.assign(views, { store });
}

export const newTable = (): string => `views-${randomUUID()}`;

/** A catalog table as the deployment makes it. */
export async function createCatalogTable(dynamodb: DynamoDBClient): Promise<string> {
  return catalogTable(await createTables(dynamodb));
}

/** The fixed tables, under a prefix of their own, which is returned. */
export async function createTables(dynamodb: DynamoDBClient): Promise<string> {
  const tablePrefix = `${newTable()}-`;
  await createFixedTables(dynamodb, tablePrefix);
  return tablePrefix;
}

/** How the guard of a stream reads once `event` is in. */
export const guardAt = ({ revision, position }: StoredEvent): string =>
  `${revision.toString()} at ${formatPosition(position)}`;

/** The report of a batch that went well. */
export const report = (applied: number, counts: { duplicates?: number; gapsFilled?: number } = {}) => ({
  applied,
  duplicates: 0,
  gapsFilled: 0,
  waiting: [],
  failures: [],
  ...counts,
});

/** Stands in an exact comparison for an error that bears more than its name, such as a cause. */
export const errorNamed = (name: string): unknown => expect.objectContaining({ name });

/** Decides what becomes of the `call`th call, counted from 1: lets it through, fails it, or loses its answer. */
export type Fault = <Answer>(call: number, send: () => Promise<Answer>) => Promise<Answer>;

/**
 * A client whose calls of some commands go through `fault`: `beyond-retries` sees a call once, whatever the client does about
 * it; `each-attempt` sees what goes over the wire, and the client retries what it takes for transient.
 */
export function faultyDynamoDB(
  commandNames: string | readonly string[],
  fault: Fault,
  where: "beyond-retries" | "each-attempt" = "beyond-retries",
): DynamoDBClient {
  const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  const isMeant = (name: unknown): boolean => [commandNames].flat().some((meant) => meant === name);
  let calls = 0;
  const { middlewareStack } = dynamodb;
  if (where === "beyond-retries") {
    middlewareStack.add(
      (next, context) => (args) =>
        isMeant(context["commandName"]) ? fault((calls += 1), () => next(args)) : next(args),
      { step: "initialize" },
    );
  } else {
    middlewareStack.add(
      (next, context) => (args) =>
        isMeant(context["commandName"]) ? fault((calls += 1), () => next(args)) : next(args),
      { step: "deserialize", priority: "high" },
    );
  }
  return dynamodb;
}

/** The first so many calls fail and never reach DynamoDB. */
export const failing =
  (calls: number, error: () => Error): Fault =>
  (call, send) =>
    call <= calls ? Promise.reject(error()) : send();

/** The first call takes effect, but its answer never arrives. */
export const losingTheFirstAnswer: Fault = async (call, send) => {
  const answer = await send();
  if (call === 1) throw timeout();
  return answer;
};

export const timeout = (): Error => Object.assign(new Error("no answer in time"), { name: "TimeoutError" });
