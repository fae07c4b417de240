/** `POST /orders/{orderId}/cancel`. Cancelling what is cancelled succeeds and changes nothing. */
import * as z from "zod";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import { cancelOrderSchema } from "../domain/ordering/commands.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { acceptedOrProblem } from "../engine/http/command-answer.ts";
import { commandHeaders } from "../engine/http/command-headers.ts";
import { commandRequest } from "../engine/http/command-request.ts";
import { etagHeader } from "../engine/http/entity-tag.ts";
import { httpFunction, json } from "../engine/http/http-function.ts";
import { jsonBody } from "../engine/http/json-body.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderAggregate, orderRejectionStatus } from "./order-aggregate.ts";

export const handler = httpFunction(functionLogger("cancel-order"))
  .use(pathParameters(z.strictObject({ orderId: orderIdSchema })))
  .use(commandHeaders())
  .use(jsonBody(cancelOrderSchema, { optional: true }))
  .handler(async (event) => {
    const { orderId } = event.path;
    const command = { type: "CancelOrder", ...event.content } as const;
    const outcome = await handleCommand(await eventStore(), orderAggregate, commandRequest(event, orderId, command));
    const { revision } = acceptedOrProblem(outcome, orderRejectionStatus);
    return json(200, { orderId, revision: revision.toString() }, etagHeader(revision));
  });
