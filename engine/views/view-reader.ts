/**
 * Reads rows of the live generation of a view. A request sees one generation: the catalog is asked once, at its start, and
 * a page token names the generation it continues in. Which one is live is remembered for a second; after a swap both
 * generations are written on, so a reader that is late by that much still reads right rows.
 *
 * What is called `projection` here may also be the name that the catalog has for a view as of a position.
 */
import { type DynamoDBClient, GetItemCommand, QueryCommand } from "@aws-sdk/client-dynamodb";
import { type Catalog, frozenGeneration, type Generation, liveGeneration } from "./catalog.ts";
import { scanItems } from "../consistency/table-items.ts";
import { Cursor, CursorError, type QueryScope } from "./cursor.ts";
import { isNamed, translated, ViewsUnavailableError } from "./dynamodb.ts";
import { attributesOfItem, guardOfItem, type Item, keyOfRowItem, rowItemKey, streamOfGuardItem } from "./item.ts";
import type { Guard } from "./guard.ts";
import type { Projection, RowAttributes, RowKey } from "./projection.ts";
import { guardKeyOf } from "./stream-keys.ts";

/** How long a reader may go on with a generation after a swap; a table is removed no sooner than twice this. */
export const readerCacheMs = 1_000;

export interface Row {
  readonly key: RowKey;
  readonly attributes: RowAttributes;
  /** Revision of the stream that owns the row; absent in shared rows. */
  readonly revision?: bigint;
}

/** Which generation was read. */
export interface FromGeneration {
  readonly generation: string;
}

export interface RowQuery {
  readonly partition: string;
  /** Reads a secondary index, eventually consistent, instead of the table. */
  readonly index?: { readonly name: string; readonly partition: string };
  readonly descending?: boolean;
  /** At most this many rows. */
  readonly limit: number;
  /** From an earlier page of the same query. */
  readonly cursor?: string;
}

export interface RowPage extends FromGeneration {
  readonly rows: readonly Row[];
  /** Present when there may be more. */
  readonly cursor?: string;
}

export class ViewReader {
  readonly #dynamodb: DynamoDBClient;
  readonly #catalog: Catalog;
  readonly #known = new Map<string, { readonly generations: readonly Generation[]; readonly until: number }>();

  constructor(dynamodb: DynamoDBClient, catalog: Catalog) {
    this.#dynamodb = dynamodb;
    this.#catalog = catalog;
  }

  /** The row, read consistently; undefined if there is none. Throws {@link ViewsUnavailableError}. */
  async get(projection: string, key: RowKey): Promise<(Row & FromGeneration) | undefined> {
    return this.#inGeneration(projection, undefined, async ({ id, table }) => {
      const get = new GetItemCommand({ TableName: table, Key: rowItemKey(key), ConsistentRead: true });
      const { Item } = await translated(this.#dynamodb.send(get));
      const row = Item === undefined ? undefined : rowOfItem(Item);
      return row === undefined ? undefined : { ...row, generation: id };
    });
  }

  /** All rows, page by page, in no order. Throws {@link ViewsUnavailableError}. */
  async *rows(projection: string): AsyncGenerator<readonly Row[], void> {
    const { table } = await this.#generation(projection, undefined);
    for await (const items of scanItems(this.#dynamodb, table)) {
      yield items.flatMap((item) => (streamOfGuardItem(item) === undefined ? (rowOfItem(item) ?? []) : []));
    }
  }

  /** The next read asks the catalog which generation is live, unless this is the one that it would read anyway. */
  forgetUnless(projection: string, live: string | undefined): void {
    const generations = this.#known.get(projection)?.generations ?? [];
    if (liveGeneration({ projection, epoch: 0, generations })?.id !== live) this.#known.delete(projection);
  }

  /** How far the live generation has seen a stream, read consistently; undefined before its first event. */
  async guard(projection: Projection, stream: string): Promise<Guard | undefined> {
    const key = guardKeyOf(projection, stream);
    return this.#inGeneration(projection.name, undefined, async ({ table }) => {
      const get = new GetItemCommand({ TableName: table, Key: key, ConsistentRead: true });
      const { Item } = await translated(this.#dynamodb.send(get));
      return guardOfItem(Item);
    });
  }

  /** One page of rows, ordered by sort key. Throws {@link CursorError} for a cursor that is not of this query. */
  async query(projection: string, query: RowQuery): Promise<RowPage> {
    const scope: QueryScope = {
      projection,
      index: query.index?.name ?? "",
      partition: query.partition,
      order: query.descending === true ? "desc" : "asc",
    };
    const after = query.cursor === undefined ? undefined : Cursor.parse(query.cursor, scope);
    return this.#inGeneration(projection, after?.generation, async ({ id, table }) => {
      const { Items = [], LastEvaluatedKey } = await refusingForeignKeys(
        after,
        this.#dynamodb.send(
          new QueryCommand({
            TableName: table,
            ...(query.index === undefined ? { ConsistentRead: true } : { IndexName: query.index.name }),
            KeyConditionExpression: "#partition = :partition",
            ExpressionAttributeNames: { "#partition": query.index?.partition ?? "pk" },
            ExpressionAttributeValues: { ":partition": { S: query.partition } },
            ScanIndexForward: query.descending !== true,
            Limit: query.limit,
            ...(after === undefined ? {} : { ExclusiveStartKey: after.key }),
          }),
        ),
      );
      const rows = Items.map(rowOfItem).filter((row) => row !== undefined);
      const page = { rows, generation: id };
      return LastEvaluatedKey === undefined ? page : { ...page, cursor: new Cursor(id, LastEvaluatedKey).text(scope) };
    });
  }

  async #inGeneration<Answer>(
    projection: string,
    id: string | undefined,
    read: (generation: Generation) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await read(await this.#generation(projection, id));
    } catch (error) {
      // The table was retired after this reader looked at the catalog: look again, once.
      if (!isNamed(error, "ResourceNotFoundException")) throw error;
      this.#known.delete(projection);
      return read(await this.#generation(projection, id));
    }
  }

  async #generation(projection: string, id: string | undefined): Promise<Generation> {
    const generations = await this.#generations(projection);
    if (id !== undefined) {
      const named = readableGeneration(generations, id);
      if (named !== undefined) return named;
      // Another reader gave the cursor, after a swap that this one does not know of yet.
      this.#known.delete(projection);
      const renewed = readableGeneration(await this.#generations(projection), id);
      if (renewed !== undefined) return renewed;
      throw new CursorError("the cursor is of a rebuilt view's former table: start again without a cursor");
    }
    const entry = { projection, epoch: 0, generations };
    const live = liveGeneration(entry) ?? frozenGeneration(entry);
    if (live === undefined) throw new ViewsUnavailableError(`view ${projection} has no live generation yet: try again`);
    return live;
  }

  async #generations(projection: string): Promise<readonly Generation[]> {
    const known = this.#known.get(projection);
    if (known !== undefined && known.until > Date.now()) return known.generations;
    const { generations } = await this.#catalog.read(projection);
    this.#known.set(projection, { generations, until: Date.now() + readerCacheMs });
    return generations;
  }
}

function readableGeneration(generations: readonly Generation[], id: string): Generation | undefined {
  return generations.find(
    (generation) => generation.id === id && ["live", "soaking", "frozen"].includes(generation.role),
  );
}

/** A start key that someone has edited lies outside the query; DynamoDB is the one to notice. */
async function refusingForeignKeys<Answer>(after: Cursor | undefined, call: Promise<Answer>): Promise<Answer> {
  try {
    return await translated(call);
  } catch (error) {
    if (after === undefined || !isNamed(error, "ValidationException")) throw error;
    throw new CursorError("the cursor was changed: use one as it was given, or leave it out", { cause: error });
  }
}

/** Hidden items hold a guard and nothing to see: their row was never written or is deleted. */
function rowOfItem(item: Item): Row | undefined {
  const attributes = attributesOfItem(item);
  if (Object.keys(attributes).length === 0) return undefined;
  const revision = guardOfItem(item)?.revision;
  return { key: keyOfRowItem(item), attributes, ...(revision === undefined ? {} : { revision }) };
}
