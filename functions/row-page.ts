/** Rows of a view as pages of a list. `cursor` is in the answer as long as there may be more. */
import * as z from "zod";
import type { HttpResponse } from "../engine/http/http-function.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import type { Row, RowQuery } from "../engine/views/view-reader.ts";
import { views } from "./dynamodb-connection.ts";

export const pageSchema = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, "must be a whole number from 1 to 100")
    .default("20")
    .transform(Number),
  cursor: z.string().min(1).max(2_000).exactOptional(),
});

/** Of rows in the order of a date: newest first unless `order` is `asc`. */
export const datedPageSchema = pageSchema.extend({
  order: z.enum(["asc", "desc"], "must be asc or desc").default("desc"),
});

/** Throws ViewsUnavailableError and CursorError. */
export async function rowPage(
  view: string,
  query: RowQuery,
  representation: (row: Row) => unknown,
): Promise<HttpResponse> {
  const { rows, cursor, generation } = await views().reader.query(view, query);
  const items = rows.map(representation);
  return queryAnswer({ items, ...(cursor === undefined ? {} : { cursor }) }, { generation });
}
