/** `GET /orders?customerId=&order=&limit=&cursor=`: a customer's orders by business date, newest first unless asked otherwise. */
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { promisesNothingSeen } from "./at-least-seen.ts";
import { customerPage, customerPageSchema } from "./customer-page.ts";
import { functionLogger } from "./function-logger.ts";
import { orderRepresentation } from "./order-representation.ts";

export const handler = httpFunction(functionLogger("list-orders"))
  .use(queryParameters(customerPageSchema))
  .use(promisesNothingSeen())
  .use(conditionalRequest())
  .handler(({ query }) => customerPage(orderSummary, query, orderRepresentation));
