import { randomUUID } from "node:crypto";
import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { CommandOrigin } from "../commands/new-events.ts";
import { headerOf } from "./headers.ts";

export interface WithOrigin {
  /** Who asked, and what ties together everything that the request sets off. */
  origin: CommandOrigin;
}

const correlationHeader = "x-correlation-id";
const correlationPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const traceparentPattern = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * Takes the correlation id from `x-correlation-id`, or makes one, and echoes it in every response. A malformed one is
 * replaced, as is a malformed `traceparent` left out: neither is worth failing a request for.
 */
export function requestContext(): MiddlewareObj<
  APIGatewayProxyEventV2 & WithOrigin,
  APIGatewayProxyStructuredResultV2
> {
  const echo: NonNullable<ReturnType<typeof requestContext>["after"]> = ({ event, response }) => {
    if (response == null) return;
    response.headers = { ...response.headers, [correlationHeader]: event.origin.correlationId };
  };
  return {
    before({ event }) {
      const given = headerOf(event, correlationHeader);
      const traceparent = headerOf(event, "traceparent");
      const actor = actorOf(event.requestContext);
      event.origin = {
        correlationId: given !== undefined && correlationPattern.test(given) ? given : randomUUID(),
        causationId: event.requestContext.requestId,
        ...(actor === undefined ? {} : { actor }),
        ...(traceparent !== undefined && traceparentPattern.test(traceparent) ? { traceparent } : {}),
      };
    },
    after: echo,
    onError: echo,
  };
}

/** The subject of the token that API Gateway's JWT authorizer has accepted, where the deployment has one. */
function actorOf(context: object): string | undefined {
  const { authorizer } = context as { authorizer?: { jwt?: { claims?: Record<string, unknown> } } };
  const subject = authorizer?.jwt?.claims?.["sub"];
  return typeof subject === "string" ? subject : undefined;
}
