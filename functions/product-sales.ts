/** `GET /views/product-sales?limit=&cursor=`: what was ordered of each product, whatever became of the orders, by product id. */
import * as z from "zod";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { productAndCurrency, productSales, productsPartition } from "../projections/product-sales.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { functionLogger } from "./function-logger.ts";
import { pageSchema, rowPage } from "./row-page.ts";

/** A sum that a `number` does not hold exactly is a `bigint`. */
const sumSchema = z.int().or(z.bigint());
const rowSchema = z.object({ ordersPlaced: z.int(), orderedQuantity: sumSchema, orderedRevenue: sumSchema });

export const handler = httpFunction(functionLogger("product-sales"))
  .use(queryParameters(pageSchema))
  .use(atLeastSeen(productSales))
  .use(conditionalRequest())
  .handler(({ query }) => rowPage(productSales.name, { partition: productsPartition, ...query }, itemOf));

function itemOf({ key, attributes }: Row): object {
  const { productId, currency } = productAndCurrency(key.sort);
  const { ordersPlaced, orderedQuantity, orderedRevenue } = rowSchema.parse(attributes);
  return { productId, ordersPlaced, orderedQuantity, orderedRevenue: { amount: orderedRevenue, currency } };
}
