/** `GET /customers/{customerId}`, from the view `customer-summary`: a moment behind the events, never ahead of them. */
import * as z from "zod";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { HttpProblem } from "../engine/http/problem.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { customerSummary } from "../projections/customer-summary.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { customerRepresentation } from "./customer-representation.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";

export const handler = httpFunction(functionLogger("get-customer"))
  .use(pathParameters(z.strictObject({ customerId: customerIdSchema })))
  .use(atLeastSeen(customerSummary))
  .use(conditionalRequest())
  .handler(async ({ path: { customerId } }) => {
    const row = await views().reader.get(customerSummary.name, customerSummary.rowOf(customerId));
    if (row === undefined) throw new HttpProblem(404, "CUSTOMER_NOT_FOUND", `there is no customer ${customerId}`);
    return queryAnswer(customerRepresentation(row), row);
  });
