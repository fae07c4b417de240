/**
 * DynamoDB's tables in memory: what each request does to them and what it is answered, at once and without a fault. Only what
 * the engine asks for; anything else is refused as an operation that is not known.
 */
import { z } from "zod";
import { Expressions } from "./dynamodb-expressions.ts";
import { checkItemSize, compare, invalid, type Item, RefusedError, storable, type Value } from "./dynamodb-values.ts";

// Not looked into: the SDK has written it, and `storable` meets every value.
const itemSchema = z.custom<Item>((value) => typeof value === "object" && value !== null);
const placeholderShape = {
  ExpressionAttributeNames: z.record(z.string(), z.string()).default({}),
  ExpressionAttributeValues: itemSchema.default({}),
};
const text = z.string().optional();
const getSchema = z.object({ TableName: z.string(), Key: itemSchema, ConsistentRead: z.boolean().default(false) });
const putSchema = z.object({ TableName: z.string(), Item: itemSchema, ConditionExpression: text, ...placeholderShape });
const keyedSchema = z.object({
  TableName: z.string(),
  Key: itemSchema,
  ConditionExpression: text,
  UpdateExpression: text,
  ReturnValues: z.enum(["NONE", "ALL_NEW"]).default("NONE"),
  ...placeholderShape,
});
const transactionSchema = z.object({
  TransactItems: z.array(
    z.object({
      Put: putSchema.optional(),
      Update: keyedSchema.optional(),
      Delete: keyedSchema.optional(),
      ConditionCheck: keyedSchema.optional(),
    }),
  ),
  ClientRequestToken: text,
});
const batchGetSchema = z.object({
  RequestItems: z.record(
    z.string(),
    z.object({ Keys: z.array(itemSchema), ConsistentRead: z.boolean().default(false) }),
  ),
});
const writeRequestSchema = z.object({
  PutRequest: z.object({ Item: itemSchema }).optional(),
  DeleteRequest: z.object({ Key: itemSchema }).optional(),
});
const batchWriteSchema = z.object({ RequestItems: z.record(z.string(), z.array(writeRequestSchema)) });
const pageShape = {
  TableName: z.string(),
  ConsistentRead: z.boolean().default(false),
  FilterExpression: text,
  Limit: z.int().min(1).optional(),
  ExclusiveStartKey: itemSchema.optional(),
  ...placeholderShape,
};
const scanSchema = z.object(pageShape);
const querySchema = z.object({
  ...pageShape,
  IndexName: text,
  KeyConditionExpression: z.string(),
  ScanIndexForward: z.boolean().default(true),
});
const keySchema = z.array(z.object({ AttributeName: z.string(), KeyType: z.enum(["HASH", "RANGE"]) }));
const createSchema = z.object({
  TableName: z.string(),
  KeySchema: keySchema,
  GlobalSecondaryIndexes: z.array(z.object({ IndexName: z.string(), KeySchema: keySchema })).default([]),
});
const namedSchema = z.object({ TableName: z.string() });

const mostTransactionItems = 100;
const mostBatchWrites = 25;
const mostBatchReads = 100;
const longestKeyPart = [2_048, 1_024] as const;
const rememberedTokensMs = 10 * 60_000;
/** Longest that a read may lag behind that is not consistent. */
const longestLagMs = 2_000;

interface Version {
  readonly item: Item | undefined;
  /** When something else took its place. */
  readonly until: number;
}

interface Stored {
  item: Item | undefined;
  readonly before: Version[];
}

interface Table {
  readonly name: string;
  readonly keys: readonly [string, string];
  readonly indexes: ReadonlyMap<string, readonly string[]>;
  readonly activeAt: number;
  readonly items: Map<string, Stored>;
}

export interface Surroundings {
  readonly now: () => number;
  /** How long a new table takes until it can be used. */
  readonly creationMs?: () => number;
  /** How far a read lags behind that is not consistent, in milliseconds; at most {@link longestLagMs}. */
  readonly lagMs?: () => number;
  /** Told after each write of an item, in the order in which they take effect. */
  readonly written?: (table: string, item: Item | undefined, before: Item | undefined) => void;
}

type Answer = Readonly<Record<string, unknown>>;

/** A write that is allowed, and is done when all that belong to it are. */
interface Prepared {
  readonly table: Table;
  readonly key: string;
  readonly after: Item | undefined;
}

export class DynamoDBTables {
  readonly #around: Surroundings;
  readonly #tables = new Map<string, Table>();
  /** Transactions that were made, by their tokens. */
  readonly #tokens = new Map<string, { readonly request: string; readonly at: number }>();

  constructor(around: Surroundings) {
    this.#around = around;
  }

  get tableNames(): readonly string[] {
    return [...this.#tables.keys()];
  }

  /** Everything in a table, for who judges it. */
  items(table: string): readonly Item[] {
    return [...(this.#tables.get(table)?.items.values() ?? [])].flatMap(({ item }) =>
      item === undefined ? [] : [item],
    );
  }

  itemsWith(table: string, partition: string): readonly Item[] {
    return this.items(table).filter(({ pk }) => pk !== undefined && "S" in pk && pk.S === partition);
  }

  /** Throws {@link RefusedError}. `input` is the request's body. */
  execute(operation: string, input: unknown): Answer {
    switch (operation) {
      case "GetItem":
        return this.#get(getSchema.parse(input));
      case "PutItem":
        return this.#write([this.#preparedPut(putSchema.parse(input))]);
      case "UpdateItem":
        return this.#update(keyedSchema.parse(input));
      case "DeleteItem":
        return this.#write([this.#preparedDelete(keyedSchema.parse(input))]);
      case "TransactWriteItems":
        return this.#transact(transactionSchema.parse(input));
      case "BatchGetItem":
        return this.#batchGet(batchGetSchema.parse(input));
      case "BatchWriteItem":
        return this.#batchWrite(batchWriteSchema.parse(input));
      case "Scan":
        return this.#scan(scanSchema.parse(input));
      case "Query":
        return this.#query(querySchema.parse(input));
      case "CreateTable":
        return this.#create(createSchema.parse(input));
      case "DescribeTable":
        return { Table: this.#described(this.#known(namedSchema.parse(input).TableName)) };
      case "DeleteTable": {
        const table = this.#known(namedSchema.parse(input).TableName);
        this.#tables.delete(table.name);
        return { TableDescription: { TableName: table.name, TableStatus: "DELETING" } };
      }
      default:
        throw new RefusedError("UnknownOperationException", `The simulation does not know ${operation}`);
    }
  }

  #get({ TableName, Key, ConsistentRead }: z.output<typeof getSchema>): Answer {
    const item = this.#seen(this.#active(TableName), Key, ConsistentRead);
    return item === undefined ? {} : { Item: item };
  }

  #seen(table: Table, key: Item, consistent: boolean): Item | undefined {
    const stored = table.items.get(keyText(table, key));
    if (consistent || stored === undefined) return stored?.item;
    const seenAt = this.#around.now() - Math.min(longestLagMs, this.#around.lagMs?.() ?? 0);
    const version = stored.before.find(({ until }) => until > seenAt);
    return version === undefined ? stored.item : version.item;
  }

  #update(input: z.output<typeof keyedSchema>): Answer {
    const update = this.#preparedUpdate(input);
    this.#write([update]);
    return input.ReturnValues === "ALL_NEW" ? { Attributes: update.after } : {};
  }

  #preparedPut({ TableName, Item, ...rest }: z.output<typeof putSchema>): Prepared {
    const table = this.#active(TableName);
    const after = Object.fromEntries(Object.entries(Item).map(([name, value]) => [name, storable(value)]));
    return this.#prepared(table, after, rest, () => after);
  }

  #preparedUpdate({ TableName, Key, ...rest }: KeyedInput): Prepared {
    const table = this.#active(TableName);
    return this.#prepared(table, Key, rest, (before, { update }) => update(before ?? Key));
  }

  #preparedDelete({ TableName, Key, ...rest }: KeyedInput): Prepared {
    return this.#prepared(this.#active(TableName), Key, rest, () => undefined);
  }

  #prepared(
    table: Table,
    key: Item,
    { ExpressionAttributeNames: names, ExpressionAttributeValues: values, ...texts }: ExpressionInput,
    change: (before: Item | undefined, expressions: Expressions) => Item | undefined,
  ): Prepared {
    const expressions = new Expressions(texts, { names, values });
    const name = keyText(table, key);
    const before = table.items.get(name)?.item;
    if (!expressions.condition(before ?? {})) {
      throw new RefusedError("ConditionalCheckFailedException", "The conditional request failed");
    }
    const after = change(before, expressions);
    if (after !== undefined) checkItemSize(after);
    return { table, key: name, after };
  }

  #write(writes: readonly Prepared[]): Answer {
    const now = this.#around.now();
    for (const { table, key, after } of writes) {
      const stored = table.items.get(key) ?? { item: undefined, before: [] };
      const before = stored.item;
      stored.before.push({ item: before, until: now });
      while (stored.before[0] !== undefined && stored.before[0].until < now - longestLagMs) stored.before.shift();
      stored.item = after;
      table.items.set(key, stored);
      this.#around.written?.(table.name, after, before);
    }
    return {};
  }

  #transact({ TransactItems, ClientRequestToken: token }: z.output<typeof transactionSchema>): Answer {
    if (TransactItems.length > mostTransactionItems) {
      throw invalid("Member must have length less than or equal to 100");
    }
    const request = JSON.stringify(TransactItems);
    const made = token === undefined ? undefined : this.#tokens.get(token);
    if (made !== undefined && made.at > this.#around.now() - rememberedTokensMs) {
      if (made.request === request) return {};
      throw new RefusedError("IdempotentParameterMismatchException", "The token was used for another transaction");
    }
    const reasons: string[] = [];
    const writes: Prepared[] = [];
    const keys = new Set<string>();
    for (const { Put, Update, Delete, ConditionCheck } of TransactItems) {
      const target = Put === undefined ? (Update ?? Delete ?? ConditionCheck) : { ...Put, Key: Put.Item };
      if (target === undefined) throw invalid("A transaction item names no operation");
      const table = this.#active(target.TableName);
      const key = `${table.name} ${keyText(table, target.Key)}`;
      if (keys.has(key)) throw invalid("Transaction request cannot include multiple operations on one item");
      keys.add(key);
      try {
        if (Put !== undefined) writes.push(this.#preparedPut(Put));
        else if (Update !== undefined) writes.push(this.#preparedUpdate(Update));
        else if (Delete !== undefined) writes.push(this.#preparedDelete(Delete));
        else if (ConditionCheck !== undefined) this.#preparedDelete(ConditionCheck);
        reasons.push("None");
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        reasons.push(error.type === "ConditionalCheckFailedException" ? "ConditionalCheckFailed" : "ValidationError");
      }
    }
    if (reasons.some((reason) => reason !== "None")) throw cancelled(reasons);
    this.#write(writes);
    if (token !== undefined) this.#tokens.set(token, { request, at: this.#around.now() });
    return {};
  }

  #batchGet({ RequestItems }: z.output<typeof batchGetSchema>): Answer {
    const wanted = Object.entries(RequestItems);
    if (wanted.reduce((sum, [, { Keys }]) => sum + Keys.length, 0) > mostBatchReads) {
      throw invalid("Too many items requested for the BatchGetItem call");
    }
    const Responses: Record<string, Item[]> = {};
    for (const [name, { Keys, ConsistentRead }] of wanted) {
      const table = this.#active(name);
      if (new Set(Keys.map((key) => keyText(table, key))).size < Keys.length) {
        throw invalid("Provided list of item keys contains duplicates");
      }
      Responses[name] = Keys.map((key) => this.#seen(table, key, ConsistentRead)).filter((item) => item !== undefined);
    }
    return { Responses, UnprocessedKeys: {} };
  }

  #batchWrite({ RequestItems }: z.output<typeof batchWriteSchema>): Answer {
    const requests = Object.entries(RequestItems).flatMap(([name, writes]) => writes.map((write) => ({ name, write })));
    if (requests.length > mostBatchWrites) throw invalid("Too many items requested for the BatchWriteItem call");
    const none = { ExpressionAttributeNames: {}, ExpressionAttributeValues: {} };
    const writes = requests.map(({ name, write: { PutRequest, DeleteRequest } }) =>
      PutRequest === undefined
        ? this.#preparedDelete({ TableName: name, Key: DeleteRequest?.Key ?? {}, ...none })
        : this.#preparedPut({ TableName: name, Item: PutRequest.Item, ...none }),
    );
    if (new Set(writes.map(({ table, key }) => `${table.name} ${key}`)).size < writes.length) {
      throw invalid("Provided list of item keys contains duplicates");
    }
    this.#write(writes);
    return { UnprocessedItems: {} };
  }

  #scan(input: z.output<typeof scanSchema>): Answer {
    const table = this.#active(input.TableName);
    return this.#page(input, this.#sorted(table, table.keys, input.ConsistentRead), table.keys);
  }

  #query({ IndexName, ScanIndexForward, ...input }: z.output<typeof querySchema>): Answer {
    const table = this.#active(input.TableName);
    const index = IndexName === undefined ? table.keys : table.indexes.get(IndexName);
    if (index === undefined) throw invalid(`The table does not have the specified index: ${String(IndexName)}`);
    if (IndexName !== undefined && input.ConsistentRead) {
      throw invalid("Consistent reads are not supported on global secondary indexes");
    }
    const order = [...new Set([...index, ...table.keys])];
    const sorted = this.#sorted(table, order, input.ConsistentRead).filter((item) =>
      index.every((name) => item[name] !== undefined),
    );
    return this.#page(input, ScanIndexForward ? sorted : sorted.reverse(), order);
  }

  #sorted(table: Table, by: readonly string[], consistent: boolean): Item[] {
    const items = [...table.items.values()].flatMap(({ item }) => {
      const seen = item === undefined ? undefined : this.#seen(table, item, consistent);
      return seen === undefined ? [] : [seen];
    });
    return items.sort((left, right) => orderBy(by, left, right));
  }

  #page(input: PageInput, sorted: readonly Item[], keys: readonly string[]): Answer {
    const { ExpressionAttributeNames: names, ExpressionAttributeValues: values, ExclusiveStartKey: after } = input;
    const { condition, keyCondition } = new Expressions(input, { names, values });
    const inRange = sorted.filter(keyCondition);
    const start = after === undefined ? 0 : inRange.findIndex((item) => orderBy(keys, item, after) === 0) + 1;
    // The key may be that of an item that is gone: what is behind it in the order goes on.
    const from =
      after !== undefined && start === 0 ? inRange.findIndex((item) => orderBy(keys, item, after) > 0) : start;
    const rest = from < 0 ? [] : inRange.slice(from);
    const page = rest.slice(0, input.Limit ?? rest.length);
    const last = page.at(-1);
    const Items = page.filter(condition);
    const answer = { Items, Count: Items.length, ScannedCount: page.length };
    return last === undefined || page.length === rest.length
      ? answer
      : { ...answer, LastEvaluatedKey: Object.fromEntries(keys.map((name) => [name, last[name]])) };
  }

  #create({ TableName, KeySchema, GlobalSecondaryIndexes }: z.output<typeof createSchema>): Answer {
    if (this.#tables.has(TableName)) {
      throw new RefusedError("ResourceInUseException", `Table already exists: ${TableName}`);
    }
    const table: Table = {
      name: TableName,
      keys: [attributeOf(KeySchema, "HASH"), attributeOf(KeySchema, "RANGE")],
      indexes: new Map(
        GlobalSecondaryIndexes.map(({ IndexName, KeySchema: keys }) => [
          IndexName,
          keys.map(({ AttributeName }) => AttributeName),
        ]),
      ),
      activeAt: this.#around.now() + (this.#around.creationMs?.() ?? 0),
      items: new Map(),
    };
    this.#tables.set(TableName, table);
    return { TableDescription: this.#described(table) };
  }

  #described({ name, activeAt, indexes }: Table): Answer {
    const status = activeAt <= this.#around.now() ? "ACTIVE" : "CREATING";
    const GlobalSecondaryIndexes = [...indexes.keys()].map((IndexName) => ({ IndexName, IndexStatus: status }));
    return { TableName: name, TableStatus: status, GlobalSecondaryIndexes };
  }

  #known(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw new RefusedError("ResourceNotFoundException", "Requested resource not found");
    return table;
  }

  #active(name: string): Table {
    const table = this.#known(name);
    if (table.activeAt <= this.#around.now()) return table;
    throw new RefusedError("ResourceNotFoundException", "Requested resource not found");
  }
}

type KeyedInput = Omit<z.output<typeof keyedSchema>, "ReturnValues">;
type ExpressionInput = Pick<z.output<typeof keyedSchema>, "ExpressionAttributeNames" | "ExpressionAttributeValues"> & {
  readonly ConditionExpression?: string | undefined;
  readonly UpdateExpression?: string | undefined;
};
type PageInput = z.output<typeof scanSchema> & { readonly KeyConditionExpression?: string };

/** What a transaction is told that was not made: why, item by item. */
export function cancelled(reasons: readonly string[]): RefusedError {
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.join(", ")}]`;
  return new RefusedError("TransactionCanceledException", message, reasons);
}

function attributeOf(keys: z.output<typeof keySchema>, type: "HASH" | "RANGE"): string {
  const key = keys.find(({ KeyType }) => KeyType === type);
  if (key === undefined) throw invalid(`The simulation has tables with two keys: the ${type} key is missing`);
  return key.AttributeName;
}

/** The key's parts in one text; two keys never share one. Throws {@link RefusedError} for what can be no key. */
function keyText({ keys }: Table, item: Item): string {
  const [partition = "", sort = ""] = keys.map((name, index) => {
    const value: Value | undefined = item[name];
    if (value === undefined || !("S" in value)) throw invalid("The provided key element does not match the schema");
    if (value.S === "") {
      throw invalid(`The AttributeValue for a key attribute cannot contain an empty string value. Key: ${name}`);
    }
    if (Buffer.byteLength(value.S) > (longestKeyPart[index] ?? 0)) {
      throw invalid("One or more parameter values were invalid: the size of a key has exceeded its limit");
    }
    return value.S;
  });
  return `${partition.length}:${partition}${sort}`;
}

function orderBy(names: readonly string[], left: Item, right: Item): number {
  for (const name of names) {
    const [one, other] = [left[name], right[name]];
    const order = one === undefined || other === undefined ? 0 : (compare(one, other) ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}
