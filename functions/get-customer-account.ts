/**
 * `GET /customers/{customerId}/account`, from the view `customer-account`: the customer's credit beside what is open of their
 * orders and invoices. A moment behind the events; each of the three contexts arrives by itself.
 */
import * as z from "zod";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { HttpProblem } from "../engine/http/problem.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { accountKey, customerAccount } from "../projections/customer-account.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { accountRepresentation } from "./account-representation.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";

export const handler = httpFunction(functionLogger("get-customer-account"))
  .use(pathParameters(z.strictObject({ customerId: customerIdSchema })))
  .use(atLeastSeen(customerAccount))
  .use(conditionalRequest())
  .handler(async ({ path: { customerId } }) => {
    const row = await views().reader.get(customerAccount.name, accountKey(customerId));
    const account = row === undefined ? undefined : accountRepresentation(row);
    if (row === undefined || account === undefined)
      throw new HttpProblem(404, "CUSTOMER_NOT_FOUND", `there is no customer ${customerId}`);
    return queryAnswer(account, row);
  });
