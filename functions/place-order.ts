/** `POST /orders` */
import { randomUUID } from "node:crypto";
import type { OrderId } from "../domain/kernel/ids.ts";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import { placeOrderSchema } from "../domain/ordering/commands.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { idFromKey } from "../engine/commands/idempotency.ts";
import { acceptedOrProblem } from "../engine/http/command-answer.ts";
import { commandHeaders } from "../engine/http/command-headers.ts";
import { commandRequest } from "../engine/http/command-request.ts";
import { etagHeader } from "../engine/http/entity-tag.ts";
import { httpFunction, json } from "../engine/http/http-function.ts";
import { jsonBody } from "../engine/http/json-body.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderAggregate, orderRejectionStatus } from "./order-aggregate.ts";

export const handler = httpFunction(functionLogger("place-order"))
  .use(commandHeaders())
  .use(jsonBody(placeOrderSchema))
  .handler(async (event) => {
    const { customerId, lines, orderedAt = new Date().toISOString() } = event.content;
    const orderId = event.content.orderId ?? madeOrderId(event.idempotencyKey);
    const command = { type: "PlaceOrder", orderId, customerId, orderedAt, lines } as const;
    const outcome = await handleCommand(await eventStore(), orderAggregate, commandRequest(event, orderId, command));
    const { revision } = acceptedOrProblem(outcome, orderRejectionStatus);
    return json(
      201,
      { orderId, revision: revision.toString() },
      { location: `/orders/${orderId}`, ...etagHeader(revision) },
    );
  });

/** With a key the id follows from it, so that a resend places the same order and not a second one. */
function madeOrderId(key: string | undefined): OrderId {
  return orderIdSchema.parse(key === undefined ? randomUUID() : idFromKey(orderAggregate.category, key));
}
