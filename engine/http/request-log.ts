import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { Logger } from "./logger.ts";
import { toProblem } from "./problem.ts";
import type { WithOrigin } from "./request-context.ts";

export interface WithLog {
  /** Writes the request's correlation id in each line. */
  log: Logger;
  /** On the clock of `performance.now()`. */
  receivedAt: number;
}

/** Writes one line a request: what was asked, how it ended, how long it took. Bodies, headers and queries stay out of it. */
export function requestLog(
  logger: Logger,
): MiddlewareObj<APIGatewayProxyEventV2 & WithOrigin & WithLog, APIGatewayProxyStructuredResultV2> {
  return {
    before({ event }) {
      event.receivedAt = performance.now();
      event.log = logger.child({ correlationId: event.origin.correlationId });
    },
    after({ event, response }) {
      event.log.info(facts(event, response?.statusCode), "answered");
    },
    onError({ event, error }) {
      const { status, code } = toProblem(error);
      const line = { ...facts(event, status), code };
      if (status >= 500) event.log.error({ ...line, err: error }, "failed");
      else event.log.info(line, "refused");
    },
  };
}

function facts(event: APIGatewayProxyEventV2 & WithLog, status: number | undefined): object {
  return {
    method: event.requestContext.http.method,
    path: event.rawPath,
    status,
    durationMs: Math.round(performance.now() - event.receivedAt),
  };
}
