/**
 * Where a page of a query ended. Opaque to clients, checked on the way back: it names the generation and the query it
 * belongs to, so a cursor from another view, another customer, the other sort order or a table that is gone is refused instead
 * of giving rows of the wrong list.
 */
import { z } from "zod";
import { fromJson } from "../json/from-json.ts";
import type { Item } from "./item.ts";

/** What a query ranges over; a cursor is good for exactly one. */
export interface QueryScope {
  readonly projection: string;
  /** Name of the index, or empty for the table itself. */
  readonly index: string;
  readonly partition: string;
  readonly order: "asc" | "desc";
}

export class CursorError extends Error {
  readonly code = "CURSOR_INVALID";
  override readonly name = "CursorError";
}

const cursorSchema = z.strictObject({
  scope: z.tuple([z.string(), z.string(), z.string(), z.string()]),
  generation: z.string(),
  key: z.record(z.string(), z.strictObject({ S: z.string() })),
});

export class Cursor {
  readonly generation: string;
  /** DynamoDB's exclusive start key; all keys of views are strings. */
  readonly key: Item;

  constructor(generation: string, key: Item) {
    this.generation = generation;
    this.key = key;
  }

  text(scope: QueryScope): string {
    const content = { scope: partsOf(scope), generation: this.generation, key: this.key };
    return Buffer.from(JSON.stringify(content)).toString("base64url");
  }

  /** Throws {@link CursorError} unless `text` came from a page of the same query. */
  static parse(text: string, scope: QueryScope): Cursor {
    const parsed = cursorSchema.safeParse(fromJson(Buffer.from(text, "base64url").toString("utf8")));
    if (!parsed.success || JSON.stringify(parsed.data.scope) !== JSON.stringify(partsOf(scope))) {
      throw new CursorError("the cursor is not from a page of this query: use one as it was given, or leave it out");
    }
    return new Cursor(parsed.data.generation, parsed.data.key);
  }
}

function partsOf({ projection, index, partition, order }: QueryScope): readonly string[] {
  return [projection, index, partition, order];
}
