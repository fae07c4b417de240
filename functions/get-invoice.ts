/** `GET /invoices/{invoiceId}`, from the view `invoice-summary`: a moment behind the events, never ahead of them. */
import * as z from "zod";
import { invoiceIdSchema } from "../domain/billing/ids.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { HttpProblem } from "../engine/http/problem.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { invoiceSummary } from "../projections/invoice-summary.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { invoiceRepresentation } from "./invoice-representation.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";

export const handler = httpFunction(functionLogger("get-invoice"))
  .use(pathParameters(z.strictObject({ invoiceId: invoiceIdSchema })))
  .use(atLeastSeen(invoiceSummary))
  .use(conditionalRequest())
  .handler(async ({ path: { invoiceId } }) => {
    const row = await views().reader.get(invoiceSummary.name, invoiceSummary.rowOf(invoiceId));
    if (row === undefined) throw new HttpProblem(404, "INVOICE_NOT_FOUND", `there is no invoice ${invoiceId}`);
    return queryAnswer(invoiceRepresentation(row), row);
  });
