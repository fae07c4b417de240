/** What the engine asks of DynamoDB: the tables of the histories answer as a real server does. */
import { randomUUID } from "node:crypto";
import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { createGenerationTable } from "../../engine/views/generation-table.ts";
import { defineOnePerStreamProjection } from "../../engine/views/projection.ts";
import { calmDynamoDB } from "./calm-services.ts";
import { SimulatedProcess } from "./simulated-process.ts";

const projection = defineOnePerStreamProjection({
  name: "contract",
  version: 1,
  category: "contract",
  eventTypes: {},
  indexes: [{ name: "by-owner", partition: "owner", sort: "at" }],
  rowOf: (id) => ({ partition: id, sort: "row" }),
  on: {},
});

type Item = Record<string, AttributeValue>;
const key = (pk: string, sk = "row"): Item => ({ pk: { S: pk }, sk: { S: sk } });

const servers = [
  {
    server: "a real server",
    connect: (): DynamoDBClient => connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") }),
  },
  {
    server: "the tables of the histories",
    connect: (): DynamoDBClient => calmDynamoDB().connect(new SimulatedProcess("test")),
  },
];

describe.each(servers)("$server", ({ connect }) => {
  let dynamodb: DynamoDBClient;
  const TableName = `contract-${randomUUID()}`;
  beforeAll(async () => {
    dynamodb = connect();
    await createGenerationTable(dynamodb, TableName, projection);
  });
  afterAll(async () => {
    await dynamodb.send(new DeleteTableCommand({ TableName }));
    dynamodb.destroy();
  });

  const put = async (item: Item): Promise<void> => {
    await dynamodb.send(new PutItemCommand({ TableName, Item: item }));
  };
  const get = async (pk: string, sk?: string): Promise<Item | undefined> =>
    (await dynamodb.send(new GetItemCommand({ TableName, Key: key(pk, sk), ConsistentRead: true }))).Item;
  const update = async (pk: string, input: Omit<UpdateItemCommandInput, "TableName" | "Key">): Promise<void> => {
    await dynamodb.send(new UpdateItemCommand({ TableName, Key: key(pk), ...input }));
  };
  /** The name of the error, or "done". */
  const outcomeOf = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => "done",
      (error: unknown) => (error instanceof Error ? error.name : String(error)),
    );

  it("a put item comes back as it was, and not after it was deleted", async () => {
    const attributes: Item = {
      text: { S: "ä" },
      number: { N: "-12" },
      flag: { BOOL: true },
      nothing: { NULL: true },
      map: { M: { inner: { L: [{ N: "1" }, { S: "" }] } } },
    };
    await put({ ...key("p"), ...attributes });
    expect(await get("p")).toStrictEqual({ ...key("p"), ...attributes });
    await dynamodb.send(new DeleteItemCommand({ TableName, Key: key("p") }));
    expect(await get("p")).toBeUndefined();
  });

  it("an update makes the item, sets, adds and removes", async () => {
    await update("u", {
      UpdateExpression: "SET #a = :one, #b = :text ADD #sum :two",
      ExpressionAttributeNames: { "#a": "a", "#b": "b", "#sum": "sum" },
      ExpressionAttributeValues: { ":one": { N: "1" }, ":text": { S: "t" }, ":two": { N: "2" } },
    });
    expect(await get("u")).toStrictEqual({ ...key("u"), a: { N: "1" }, b: { S: "t" }, sum: { N: "2" } });
    await update("u", {
      UpdateExpression: "SET a = if_not_exists(a, :nine), c = if_not_exists(c, :nine) ADD #sum :more REMOVE b, absent",
      ExpressionAttributeNames: { "#sum": "sum" },
      ExpressionAttributeValues: { ":nine": { N: "9" }, ":more": { N: "-5" } },
    });
    expect(await get("u")).toStrictEqual({ ...key("u"), a: { N: "1" }, c: { N: "9" }, sum: { N: "-3" } });
  });

  it("an update tells of the item as it has become, when asked", async () => {
    const input = {
      TableName,
      Key: key("told"),
      UpdateExpression: "ADD #sum :two",
      ExpressionAttributeNames: { "#sum": "sum" },
      ExpressionAttributeValues: { ":two": { N: "2" } },
    };
    const untold = await dynamodb.send(new UpdateItemCommand(input));
    const told = await dynamodb.send(new UpdateItemCommand({ ...input, ReturnValues: "ALL_NEW" }));
    expect([untold.Attributes, told.Attributes]).toStrictEqual([undefined, { ...key("told"), sum: { N: "4" } }]);
  });

  it("sums are exact up to 38 digits, and refused beyond", async () => {
    const most = "9".repeat(38);
    await put({ ...key("s"), sum: { N: (10n ** 38n - 2n).toString() } });
    const addOne = (): Promise<void> =>
      update("s", {
        UpdateExpression: "ADD #sum :one",
        ExpressionAttributeNames: { "#sum": "sum" },
        ExpressionAttributeValues: { ":one": { N: "1" } },
      });
    await addOne();
    expect((await get("s"))?.["sum"]).toStrictEqual({ N: most });
    await update("s", {
      UpdateExpression: "ADD #sum :less",
      ExpressionAttributeNames: { "#sum": "sum" },
      ExpressionAttributeValues: { ":less": { N: `-${most}` } },
    });
    expect((await get("s"))?.["sum"]).toStrictEqual({ N: "0" });
    expect(await outcomeOf(put({ ...key("s"), sum: { N: `1${"0".repeat(37)}1` } }))).toBe("ValidationException");
  });

  it("what is no number is not added to", async () => {
    await put({ ...key("t"), sum: { S: "text" } });
    const adding = update("t", {
      UpdateExpression: "ADD #sum :one",
      ExpressionAttributeNames: { "#sum": "sum" },
      ExpressionAttributeValues: { ":one": { N: "1" } },
    });
    expect(await outcomeOf(adding)).toBe("ValidationException");
  });

  it.each([
    ["attribute_exists(n)", true],
    ["attribute_exists(absent)", false],
    ["attribute_not_exists(absent)", true],
    ["attribute_not_exists(n)", false],
    ["n = :five", true],
    ["n = :six", false],
    ["n = :text", false],
    ["n <> :six", true],
    ["n <> :five", false],
    ["absent <> :five", true],
    ["n < :six", true],
    ["n < :five", false],
    ["n <= :five", true],
    ["n > :five", false],
    ["n >= :five", true],
    ["n >= :six", false],
    ["absent < :six", false],
    ["NOT n = :six", true],
    ["NOT (n = :five OR n = :six)", false],
    ["n = :six AND absent = :six OR n = :five", true],
    ["n = :six AND (absent = :six OR n = :five)", false],
    ["begins_with(s, :text)", true],
    ["begins_with(s, :other)", false],
  ])("condition %s: %s", async (condition, holds) => {
    const item = { ...key("c"), n: { N: "5" }, s: { S: "text and more" } };
    await put(item);
    const values: Item = { ":five": { N: "5" }, ":six": { N: "6" }, ":text": { S: "text" }, ":other": { S: "ext" } };
    const used = Object.fromEntries(Object.entries(values).filter(([name]) => condition.includes(name)));
    const outcome = await outcomeOf(
      dynamodb.send(
        new PutItemCommand({
          TableName,
          Item: { ...item, n: { N: "7" } },
          ConditionExpression: condition,
          ...(Object.keys(used).length === 0 ? {} : { ExpressionAttributeValues: used }),
        }),
      ),
    );
    expect(outcome).toBe(holds ? "done" : "ConditionalCheckFailedException");
    expect((await get("c"))?.["n"]).toStrictEqual({ N: holds ? "7" : "5" });
  });

  it("a condition on an item that is not there sees no attribute", async () => {
    const condition = { ConditionExpression: "attribute_exists(pk) AND attribute_not_exists(a)" };
    const missing = update("nobody", {
      UpdateExpression: "SET a = :one",
      ExpressionAttributeValues: { ":one": { N: "1" } },
      ...condition,
    });
    expect(await outcomeOf(missing)).toBe("ConditionalCheckFailedException");
    const deleting = new DeleteItemCommand({
      TableName,
      Key: key("nobody"),
      ConditionExpression: "attribute_exists(pk)",
    });
    expect(await outcomeOf(dynamodb.send(deleting))).toBe("ConditionalCheckFailedException");
  });

  it.each([
    [
      "an unused value",
      { UpdateExpression: "SET a = :one", ExpressionAttributeValues: { ":one": { N: "1" }, ":two": { N: "2" } } },
    ],
    ["a name that is not given", { UpdateExpression: "REMOVE #a" }],
    ["a value that is not given", { UpdateExpression: "SET a = :one" }],
    [
      "an attribute twice",
      { UpdateExpression: "SET a = :one, a = :one", ExpressionAttributeValues: { ":one": { N: "1" } } },
    ],
    ["what is no expression", { UpdateExpression: "SET a := b" }],
  ])("an expression with %s is refused", async (_, input) => {
    expect(await outcomeOf(update("x", input))).toBe("ValidationException");
  });

  it.each([
    ["an empty partition key", key("")],
    ["an empty sort key", key("k", "")],
    ["a partition key of 2,049 bytes", key("p".repeat(2_049))],
    ["a sort key of 1,025 bytes", key("k", "s".repeat(1_025))],
    ["more than 400 KB", { ...key("k"), text: { S: "x".repeat(400 * 1024) } }],
  ])("an item with %s is refused", async (_, item) => {
    expect(await outcomeOf(put(item))).toBe("ValidationException");
  });

  describe("a transaction", () => {
    const adding = (pk: string, condition?: string) => ({
      Update: {
        TableName,
        Key: key(pk),
        UpdateExpression: "ADD #sum :one",
        ExpressionAttributeNames: { "#sum": "sum" },
        ExpressionAttributeValues: { ":one": { N: "1" } },
        ...(condition === undefined ? {} : { ConditionExpression: condition }),
      },
    });
    const check = (pk: string, condition: string) => ({
      ConditionCheck: { TableName, Key: key(pk), ConditionExpression: condition },
    });
    const transact = async (...TransactItems: (ReturnType<typeof adding> | ReturnType<typeof check> | object)[]) => {
      await dynamodb.send(new TransactWriteItemsCommand({ TransactItems }));
    };

    it("does all that it holds", async () => {
      await put({ ...key("gone") });
      await transact(
        adding("t1", "attribute_not_exists(pk)"),
        check("gone", "attribute_exists(pk)"),
        { Put: { TableName, Item: { ...key("t2"), a: { N: "1" } } } },
        { Delete: { TableName, Key: key("t3") } },
      );
      expect([await get("t1"), await get("t2")]).toStrictEqual([
        { ...key("t1"), sum: { N: "1" } },
        { ...key("t2"), a: { N: "1" } },
      ]);
    });

    it("does nothing when one condition does not hold, and says which, in order", async () => {
      const error = await transact(
        adding("n1"),
        check("n2", "attribute_exists(pk)"),
        adding("n3", "attribute_exists(pk)"),
        adding("n4"),
      ).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TransactionCanceledException);
      const reasons = error instanceof TransactionCanceledException ? error.CancellationReasons : [];
      expect(reasons?.map(({ Code }) => Code)).toStrictEqual([
        "None",
        "ConditionalCheckFailed",
        "ConditionalCheckFailed",
        "None",
      ]);
      expect([await get("n1"), await get("n4")]).toStrictEqual([undefined, undefined]);
    });

    it("takes 100 items and no more, and each once", async () => {
      const items = (count: number) => Array.from({ length: count }, (_, index) => adding(`many-${index}`));
      await transact(...items(100));
      expect(await outcomeOf(transact(...items(101)))).toBe("ValidationException");
      expect(await outcomeOf(transact(adding("same"), adding("same")))).toBe("ValidationException");
      expect((await get("many-99"))?.["sum"]).toStrictEqual({ N: "1" });
    });
  });

  it("batches write and read what they name, within limits", async () => {
    const items = Array.from({ length: 25 }, (_, index) => ({ ...key(`batch-${index}`), n: { N: `${index}` } }));
    const write = (written: readonly Item[]): Promise<unknown> =>
      dynamodb.send(
        new BatchWriteItemCommand({
          RequestItems: { [TableName]: written.map((Item) => ({ PutRequest: { Item } })) },
        }),
      );
    await write(items);
    const read = (keys: Item[]) =>
      dynamodb.send(new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys: keys, ConsistentRead: true } } }));
    const { Responses } = await read([key("batch-3"), key("batch-missing"), key("batch-24")]);
    const found = (Responses?.[TableName] ?? []).map(({ n }) => n?.N).sort();
    expect(found).toStrictEqual(["24", "3"]);
    expect(await outcomeOf(write([...items, key("batch-25")]))).toBe("ValidationException");
    expect(await outcomeOf(write([key("twice"), key("twice")]))).toBe("ValidationException");
    expect(await outcomeOf(read([key("twice"), key("twice")]))).toBe("ValidationException");
    const many = Array.from({ length: 101 }, (_, index) => key(`batch-${index}`));
    expect(await outcomeOf(read(many))).toBe("ValidationException");
  });

  it("a scan comes in pages, each item once", async () => {
    const found = new Set<string>();
    let after: Item | undefined;
    let items = 0;
    do {
      const page = await dynamodb.send(
        new ScanCommand({
          TableName,
          ConsistentRead: true,
          Limit: 40,
          ...(after === undefined ? {} : { ExclusiveStartKey: after }),
        }),
      );
      for (const item of page.Items ?? []) found.add(item["pk"]?.S ?? "");
      items += page.Items?.length ?? 0;
      after = page.LastEvaluatedKey;
    } while (after !== undefined);
    expect(found.size).toBe(items);
    expect(found).toContain("batch-24");
  });

  it("a query gives a partition's items in the order of their sort keys, forwards and backwards, in pages", async () => {
    for (const sk of ["b", "a", "c", "other"]) await put(key("q", sk));
    const query = async (input: object) => {
      const { Items, LastEvaluatedKey } = await dynamodb.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: "pk = :pk",
          ExpressionAttributeValues: { ":pk": { S: "q" } },
          ...input,
        }),
      );
      return { sorts: (Items ?? []).map(({ sk }) => sk?.S), after: LastEvaluatedKey };
    };
    expect((await query({})).sorts).toStrictEqual(["a", "b", "c", "other"]);
    expect((await query({ ScanIndexForward: false })).sorts).toStrictEqual(["other", "c", "b", "a"]);
    const first = await query({ Limit: 3 });
    expect(first).toStrictEqual({ sorts: ["a", "b", "c"], after: key("q", "c") });
    expect((await query({ ExclusiveStartKey: first.after })).sorts).toStrictEqual(["other"]);
  });

  it("a query of an index gives the items that have its attributes", async () => {
    await put({ ...key("i1"), owner: { S: "o" }, at: { S: "2" } });
    await put({ ...key("i2"), owner: { S: "o" }, at: { S: "1" } });
    await put({ ...key("i3"), owner: { S: "o" } });
    const query = new QueryCommand({
      TableName,
      IndexName: "by-owner",
      KeyConditionExpression: "#owner = :o",
      ExpressionAttributeNames: { "#owner": "owner" },
      ExpressionAttributeValues: { ":o": { S: "o" } },
    });
    await expect
      .poll(async () => (await dynamodb.send(query)).Items?.map(({ pk }) => pk?.S))
      .toStrictEqual(["i2", "i1"]);
  });

  it("a table is made once, and is not there when it was deleted", async () => {
    const table = `contract-${randomUUID()}`;
    await createGenerationTable(dynamodb, table, projection);
    await createGenerationTable(dynamodb, table, projection);
    const described = await dynamodb.send(new DescribeTableCommand({ TableName: table }));
    expect(described.Table?.TableStatus).toBe("ACTIVE");
    await dynamodb.send(new DeleteTableCommand({ TableName: table }));
    const get = new GetItemCommand({ TableName: table, Key: key("a") });
    expect(await outcomeOf(dynamodb.send(get))).toBe("ResourceNotFoundException");
    expect(await outcomeOf(dynamodb.send(new DescribeTableCommand({ TableName: table })))).toBe(
      "ResourceNotFoundException",
    );
  });
});
