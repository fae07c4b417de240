/**
 * `GET /order-to-cash/{orderId}`, from the view `order-to-cash`: how far the order has come, what its process waits for, and
 * why it does not go on. Its tag is good for the `If-Match` of a retry.
 */
import * as z from "zod";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { HttpProblem } from "../engine/http/problem.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { orderToCash } from "../projections/order-to-cash.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { processRepresentation } from "./process-representation.ts";

export const handler = httpFunction(functionLogger("get-order-to-cash"))
  .use(pathParameters(z.strictObject({ orderId: orderIdSchema })))
  .use(atLeastSeen(orderToCash))
  .use(conditionalRequest())
  .handler(async ({ path: { orderId } }) => {
    const row = await views().reader.get(orderToCash.name, orderToCash.rowOf(orderId));
    const process = row === undefined ? undefined : processRepresentation(row);
    if (row === undefined || process === undefined)
      throw new HttpProblem(404, "PROCESS_NOT_FOUND", `there is no process for order ${orderId}`);
    return queryAnswer(process, row);
  });
