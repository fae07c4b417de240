/** `GET /views/shipments-to-dispatch?limit=&cursor=`: what the warehouse has to send off, the longest waiting first. */
import * as z from "zod";
import { conditionalRequest } from "../engine/http/conditional-request.ts";
import { httpFunction } from "../engine/http/http-function.ts";
import { queryParameters } from "../engine/http/parameters.ts";
import { queueList, shipmentsToDispatch, toDispatch } from "../projections/shipments-to-dispatch.ts";
import { promisesNothingSeen } from "./at-least-seen.ts";
import { functionLogger } from "./function-logger.ts";
import { represented, representedRevision } from "./representation.ts";
import { pageSchema, rowPage } from "./row-page.ts";

const waitingSchema = z.object({
  shipmentId: z.string(),
  orderId: z.string(),
  customerId: z.string(),
  items: z.array(z.object({ productId: z.string(), quantity: z.int() })),
  revision: representedRevision,
});

export const handler = httpFunction(functionLogger("shipments-to-dispatch"))
  .use(queryParameters(pageSchema))
  .use(promisesNothingSeen())
  .use(conditionalRequest())
  .handler(({ query }) => {
    const { name, partition } = queueList;
    return rowPage(shipmentsToDispatch.name, { partition: toDispatch, index: { name, partition }, ...query }, (row) =>
      represented(waitingSchema, row),
    );
  });
