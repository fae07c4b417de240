import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { isDeepStrictEqual } from "node:util";
import { itemText, keyOfItem, scanItems } from "../engine/consistency/table-items.ts";
import { type Item, writesName } from "../engine/views/item.ts";

/** Sees to it that both sides have done the same: what the first run has left in its table, every other must leave too. */
export class ComparedTables {
  readonly #dynamodb: DynamoDBClient;
  #first: ReadonlyMap<string, Item> | undefined;

  constructor(dynamodb: DynamoDBClient) {
    this.#dynamodb = dynamodb;
  }

  async compare(table: string): Promise<void> {
    const found = new Map<string, Item>();
    for await (const items of scanItems(this.#dynamodb, table)) {
      for (const item of items) {
        // How many writes a row took depends on which events came together.
        const written = Object.entries(item).filter(([name]) => name !== writesName);
        found.set(itemText(keyOfItem(item)), Object.fromEntries(written));
      }
    }
    this.#first ??= found;
    if (!isDeepStrictEqual(found, this.#first)) throw new Error(`table ${table} is not as the first run left its own`);
  }
}
