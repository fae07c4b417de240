import { type DynamoDBClient, QueryCommand } from "@aws-sdk/client-dynamodb";
import { translated } from "../views/dynamodb.ts";
import type { Item } from "../views/item.ts";

/** All items of one partition of the quarantine table, in the order of their sort keys, read consistently. */
export async function* partitionItems(
  dynamodb: DynamoDBClient,
  table: string,
  partition: string,
): AsyncGenerator<Item, void> {
  let after: Item | undefined;
  do {
    const query = new QueryCommand({
      TableName: table,
      ConsistentRead: true,
      KeyConditionExpression: "pk = :partition",
      ExpressionAttributeValues: { ":partition": { S: partition } },
      ...(after === undefined ? {} : { ExclusiveStartKey: after }),
    });
    const { Items = [], LastEvaluatedKey } = await translated(dynamodb.send(query));
    yield* Items;
    after = LastEvaluatedKey;
  } while (after !== undefined);
}
