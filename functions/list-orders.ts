/** `GET /orders?customerId=&limit=&cursor=`: a customer's orders, newest business date first. */
import { httpFunction } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { customerPage, customerPageSchema } from "./customer-page.ts";
import { functionLogger } from "./function-logger.ts";
import { orderRepresentation } from "./order-representation.ts";

export const handler = httpFunction(functionLogger("list-orders"))
  .use(queryParameters(customerPageSchema))
  .handler(({ query }) => customerPage(orderSummary, query, orderRepresentation));
