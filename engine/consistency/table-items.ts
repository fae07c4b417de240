/** Reads of a generation's table in bulk, all of them consistent: an eventually consistent one would show damage that is none. */
import { BatchGetItemCommand, type DynamoDBClient, ScanCommand, type ScanCommandInput } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors/message-of.ts";
import { translated, ViewsUnavailableError } from "../views/dynamodb.ts";
import { attributesOfItem, guardOfItem, type Item, type ItemKey } from "../views/item.ts";
import type { RowAttributes } from "../views/projection.ts";

/** DynamoDB's limit on one batch of reads. */
const keysAtOnce = 100;
const batchesAtOnce = 4;
/** Of a scan, at once. A server that reads all that is left before it cuts off a page takes longer the larger the table is. */
const itemsOfPage = 1_000;
const maximumFailures = 12;

/** Names an item within its table; two keys never share one. */
export function itemText({ pk, sk }: Pick<ItemKey, "pk" | "sk">): string {
  const partition = pk.S ?? "";
  return `${partition.length}:${partition}${sk.S ?? ""}`;
}

export function keyOfItem(item: Item): ItemKey {
  return { pk: { S: item["pk"]?.S ?? "" }, sk: { S: item["sk"]?.S ?? "" } };
}

/** The attributes that an item shows; of one so damaged that they cannot be read, why: that equals no row. */
export function foundAttributes(item: Item | undefined): RowAttributes {
  if (item === undefined) return {};
  try {
    return attributesOfItem(item);
  } catch (error) {
    return { unreadable: messageOf(error) };
  }
}

/** All items of a table, or of a segment of it, page by page. */
export async function* scanItems(
  dynamodb: DynamoDBClient,
  table: string,
  segment: Pick<ScanCommandInput, "Segment" | "TotalSegments"> = {},
): AsyncGenerator<readonly Item[], void> {
  let after: Item | undefined;
  do {
    const start = after === undefined ? {} : { ExclusiveStartKey: after };
    const { Items = [], LastEvaluatedKey } = await translated(
      dynamodb.send(
        new ScanCommand({ TableName: table, ConsistentRead: true, Limit: itemsOfPage, ...segment, ...start }),
      ),
    );
    yield Items;
    after = LastEvaluatedKey;
  } while (after !== undefined);
}

/** Those of the items that are there, by their {@link itemText}. Keys that DynamoDB leaves for later are asked for again. */
export async function getItems(
  dynamodb: DynamoDBClient,
  table: string,
  keys: readonly ItemKey[],
): Promise<Map<string, Item>> {
  const found = new Map<string, Item>();
  // DynamoDB refuses a batch that names a key twice.
  const distinct = [...new Map(keys.map((key) => [itemText(key), key])).values()];
  const batches = Array.from({ length: Math.ceil(distinct.length / keysAtOnce) }, (_, index) =>
    distinct.slice(index * keysAtOnce, (index + 1) * keysAtOnce),
  ).values();
  const work = async (): Promise<void> => {
    for (const batch of batches) {
      for (const item of await getBatch(dynamodb, table, batch)) found.set(itemText(keyOfItem(item)), item);
    }
  };
  await Promise.all(Array.from({ length: batchesAtOnce }, work));
  return found;
}

/** How far streams have been seen, by the guards under these keys; -1 where there is none. */
export async function readRevisions(
  dynamodb: DynamoDBClient,
  table: string,
  keys: ReadonlyMap<string, ItemKey>,
): Promise<Map<string, bigint>> {
  const items = await getItems(dynamodb, table, [...keys.values()]);
  return new Map([...keys].map(([stream, key]) => [stream, guardOfItem(items.get(itemText(key)))?.revision ?? -1n]));
}

async function getBatch(dynamodb: DynamoDBClient, table: string, keys: readonly ItemKey[]): Promise<Item[]> {
  const items: Item[] = [];
  let left: Item[] = keys.map(({ pk, sk }) => ({ pk, sk }));
  for (let failures = 0; ;) {
    const request = { RequestItems: { [table]: { Keys: left, ConsistentRead: true } } };
    const { Responses, UnprocessedKeys } = await translated(dynamodb.send(new BatchGetItemCommand(request)));
    items.push(...(Responses?.[table] ?? []));
    const unprocessed = UnprocessedKeys?.[table]?.Keys ?? [];
    if (unprocessed.length === 0) return items;
    failures = unprocessed.length < left.length ? 1 : failures + 1;
    if (failures > maximumFailures) throw new ViewsUnavailableError(`reads of ${table} are throttled: try again`);
    left = unprocessed;
    await sleep(Math.random() * Math.min(1_000, 20 * 2 ** failures));
  }
}
