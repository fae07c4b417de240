/** `GET /shipments/{shipmentId}`, from the view `shipment-summary`: a moment behind the events, never ahead of them. */
import * as z from "zod";
import { shipmentIdSchema } from "../domain/logistics/shipment-id.ts";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { HttpProblem } from "../engine/http/problem.ts";
import { queryAnswer } from "../engine/http/query-answer.ts";
import { shipmentSummary } from "../projections/shipment-summary.ts";
import { atLeastSeen } from "./at-least-seen.ts";
import { shipmentRepresentation } from "./shipment-representation.ts";
import { views } from "./dynamodb-connection.ts";
import { functionLogger } from "./function-logger.ts";

export const handler = httpFunction(functionLogger("get-shipment"))
  .use(pathParameters(z.strictObject({ shipmentId: shipmentIdSchema })))
  .use(atLeastSeen(shipmentSummary))
  .use(conditionalRequest())
  .handler(async ({ path: { shipmentId } }) => {
    const row = await views().reader.get(shipmentSummary.name, shipmentSummary.rowOf(shipmentId));
    if (row === undefined) throw new HttpProblem(404, "SHIPMENT_NOT_FOUND", `there is no shipment ${shipmentId}`);
    return queryAnswer(shipmentRepresentation(row), row);
  });
