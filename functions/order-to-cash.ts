/** `POST /order-to-cash/{orderId}/retry`: sends again what a halted process was refused, and goes on from there. */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import { commandDigest } from "../engine/commands/idempotency.ts";
import { acceptedOrProblem } from "../engine/http/command-answer.ts";
import { commandHeaders } from "../engine/http/command-headers.ts";
import { etagHeader } from "../engine/http/entity-tag.ts";
import { httpFunction, json } from "../engine/http/http-function.ts";
import { jsonBody } from "../engine/http/json-body.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import { advance } from "../engine/processes/advance.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderToCashManager, processRejectionStatus } from "./order-to-cash-process.ts";

const log = functionLogger("order-to-cash");

export const handler = httpFunction(log)
  .use(pathParameters(z.strictObject({ orderId: orderIdSchema })))
  .use(commandHeaders())
  .use(jsonBody(z.strictObject({}), { optional: true }))
  .handler(async (event) => {
    const { orderId } = event.path;
    const store = await eventStore();
    const key = event.idempotencyKey ?? randomUUID();
    const outcome = await advance({ eventStore: store, log: event.log }, orderToCashManager(store), {
      id: orderId,
      // The requests that follow bear the key of this one: another retry is another request.
      input: { type: "Retry", cause: `retry-${key}`, at: new Date().toISOString() },
      key,
      digest: commandDigest("Retry", event.bodyText),
      origin: event.origin,
      ...(event.precondition === undefined ? {} : { precondition: event.precondition }),
    });
    const { revision } = acceptedOrProblem(outcome, processRejectionStatus);
    return json(200, { orderId, revision: revision.toString() }, etagHeader(revision));
  });
