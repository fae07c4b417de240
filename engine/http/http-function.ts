/**
 * What every HTTP function has in common: correlation, one log line, problem details, and an answer before the function's
 * time is up. Add `jsonBody`, `pathParameters`, `queryParameters`, `commandHeaders`, then `.handler(...)`. An event that is no
 * HTTP request fails the invocation with NOT_AN_HTTP_EVENT: there is nobody to answer.
 */
import middy, { type MiddyfiedHandler } from "@middy/core";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { Logger } from "./logger.ts";
import { requireHttpEvent } from "./not-an-http-event.ts";
import { outOfTime } from "./problem.ts";
import { problemDetails } from "./problem-details.ts";
import { requestContext, type WithOrigin } from "./request-context.ts";
import { requestLog, type WithLog } from "./request-log.ts";

export type HttpEvent = APIGatewayProxyEventV2 & WithOrigin & WithLog;
export type HttpResponse = APIGatewayProxyStructuredResultV2;

/** Milliseconds kept back of the function's time to say that it was not enough. */
const reservedMs = 250;

export function httpFunction(logger: Logger): MiddyfiedHandler<HttpEvent, HttpResponse> {
  // Errors pass the middleware from the last to the first: they are answered, then logged, then given their correlation id.
  return middy<HttpEvent, HttpResponse>({
    // Before all middleware, whose error handling takes the event for a request as well.
    requestStart: ({ event }) => requireHttpEvent(event),
    timeoutEarlyInMillis: reservedMs,
    timeoutEarlyResponse: () => {
      throw outOfTime();
    },
  })
    .use(requestContext())
    .use(requestLog(logger))
    .use(problemDetails());
}

/** A JSON answer. What an API says of a moment must not be kept by anybody on the way. */
export function json(statusCode: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return {
    statusCode,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
    body: JSON.stringify(body, withAllDigits),
  };
}

declare global {
  interface JSON {
    /** The text as a value that is written as it stands; in Node.js since 22, and not in TypeScript's libraries yet. */
    rawJSON(text: string): object;
  }
}

/** A number of JSON may have any number of digits; how many of them a client keeps is its own affair. */
function withAllDigits(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? JSON.rawJSON(value.toString()) : value;
}
