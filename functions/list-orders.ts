/**
 * `GET /orders?customerId=&limit=&cursor=`: a customer's orders, newest business date first. `cursor` is in the answer as
 * long as there may be more.
 */
import * as z from "zod";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import { httpFunction, json } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderRepresentation } from "./order-representation.ts";

const querySchema = z.strictObject({
  customerId: customerIdSchema,
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, "must be a whole number from 1 to 100")
    .default("20")
    .transform(Number),
  cursor: z.string().min(1).max(2_000).exactOptional(),
});

export const handler = httpFunction(functionLogger("list-orders"))
  .use(queryParameters(querySchema))
  .handler(async ({ query: { customerId, ...page } }) => {
    const { rows, cursor } = await views().reader.query(orderSummary.name, {
      partition: customerId,
      index: { name: "by-customer", partition: "customerId" },
      descending: true,
      ...page,
    });
    return json(200, { items: rows.map(orderRepresentation), ...(cursor === undefined ? {} : { cursor }) });
  });
