/** `GET /views/sales-by-month`: orders that stand and their revenue, months ascending; a month without orders is left out. */
import * as z from "zod";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { CursorError } from "../engine/views/cursor.ts";
import type { Row, RowPage } from "../engine/views/view-reader.ts";
import { monthAndCurrency, salesByMonth, salesPartition } from "../projections/sales-by-month.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";

/** Revenue that a `number` does not hold exactly is a `bigint`. */
const rowSchema = z.object({ orders: z.int(), revenue: z.int().or(z.bigint()) });

export const handler = httpFunction(functionLogger("sales-by-month"))
  .use(queryParameters(z.strictObject({})))
  .use(atLeastSeen(salesByMonth))
  .use(conditionalRequest())
  .handler(async () => {
    const { rows, generation } = await allMonths();
    return queryAnswer({ items: rows.map(itemOf).filter(({ orders }) => orders !== 0) }, { generation });
  });

/** The view's one partition. Between two of its pages the table may have been retired: then it is read anew, once. */
async function allMonths(): Promise<RowPage> {
  try {
    return await allPages();
  } catch (error) {
    if (!(error instanceof CursorError)) throw error;
    return allPages();
  }
}

/** All pages as one: a cursor goes on in the generation of the page before. */
async function allPages(): Promise<RowPage> {
  const rows: Row[] = [];
  let page: RowPage | undefined;
  do {
    const after = page?.cursor === undefined ? {} : { cursor: page.cursor };
    page = await views().reader.query(salesByMonth.name, { partition: salesPartition, limit: 1_000, ...after });
    rows.push(...page.rows);
  } while (page.cursor !== undefined);
  return { rows, generation: page.generation };
}

function itemOf({ key, attributes }: Row): { month: string; orders: number; revenue: object } {
  const { month, currency } = monthAndCurrency(key.sort);
  const { orders, revenue } = rowSchema.parse(attributes);
  return { month, orders, revenue: { amount: revenue, currency } };
}
