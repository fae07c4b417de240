/** `GET /orders/{orderId}`, from the view `order-summary`: a moment behind the events, never ahead of them. */
import * as z from "zod";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { HttpProblem } from "../engine/http/problem.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderRepresentation } from "./order-representation.ts";

export const handler = httpFunction(functionLogger("get-order"))
  .use(pathParameters(z.strictObject({ orderId: orderIdSchema })))
  .use(atLeastSeen(orderSummary))
  .use(conditionalRequest())
  .handler(async ({ path: { orderId } }) => {
    const row = await views().reader.get(orderSummary.name, orderSummary.rowOf(orderId));
    if (row === undefined) throw new HttpProblem(404, "ORDER_NOT_FOUND", `there is no order ${orderId}`);
    return queryAnswer(orderRepresentation(row), row);
  });
