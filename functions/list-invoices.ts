/** `GET /invoices?customerId=&order=&limit=&cursor=`: a customer's invoices by date, newest first unless asked otherwise. */
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import { invoiceSummary } from "../projections/invoice-summary.ts";
import { promisesNothingSeen } from "./at-least-seen.ts";
import { customerPage, customerPageSchema } from "./customer-page.ts";
import { functionLogger } from "./function-logger.ts";
import { invoiceRepresentation } from "./invoice-representation.ts";

export const handler = httpFunction(functionLogger("list-invoices"))
  .use(queryParameters(customerPageSchema))
  .use(promisesNothingSeen())
  .use(conditionalRequest())
  .handler(({ query }) => customerPage(invoiceSummary, query, invoiceRepresentation));
