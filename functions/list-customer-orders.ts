/**
 * `GET /customers/{customerId}/orders?order=&limit=&cursor=`: a customer's orders by business date, newest first unless asked
 * otherwise. Read consistently: a page lacks no order that has arrived in the view.
 */
import * as z from "zod";
import { customerIdSchema, moneySchema } from "../domain/kernel/schemas.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters, queryParameters } from "../engine/http/parameters.ts";
import { ordersByCustomer } from "../projections/orders-by-customer.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { functionLogger } from "./function-logger.ts";
import { represented } from "./representation.ts";
import { datedPageSchema, rowPage } from "./row-page.ts";

const orderSchema = z.object({
  orderId: z.string(),
  status: z.enum(["placed", "confirmed", "rejected", "cancelled", "completed"]),
  orderedAt: z.string(),
  total: moneySchema,
});

export const handler = httpFunction(functionLogger("list-customer-orders"))
  .use(pathParameters(z.strictObject({ customerId: customerIdSchema })))
  .use(queryParameters(datedPageSchema))
  .use(atLeastSeen(ordersByCustomer))
  .use(conditionalRequest())
  .handler(({ path: { customerId }, query: { order, ...page } }) =>
    rowPage(ordersByCustomer.name, { partition: customerId, descending: order === "desc", ...page }, (row) =>
      represented(orderSchema, row),
    ),
  );
