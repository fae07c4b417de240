/**
 * One function for several routes. API Gateway has matched the request and says by which route (`routeKey`); each route has
 * its own middleware and handler.
 */
import type { APIGatewayProxyEventV2, Context } from "aws-lambda";
import { httpFunction, type HttpResponse } from "./http-function.ts";
import type { Logger } from "./logger.ts";

interface RouteHandler {
  // A method, so that a handler may ask for more of the event than API Gateway gives: its own middleware adds that.
  handle(event: APIGatewayProxyEventV2, context: Context): Promise<HttpResponse>;
}

/** What answers a route, for example of {@link httpFunction}. */
export type HandleRoute = RouteHandler["handle"];

/** `serverless.yml` sends a function what its routes do not know: a fault of the deployment. */
export class UnknownRouteError extends Error {
  readonly code = "ROUTE_UNKNOWN";
  override readonly name = "UnknownRouteError";
}

/** `routes`: by route key, for example `POST /orders/{orderId}/cancel`. */
export function routedFunction(logger: Logger, routes: Readonly<Record<string, HandleRoute>>): HandleRoute {
  const byKey: ReadonlyMap<string, HandleRoute> = new Map(Object.entries(routes));
  // It answers as every function does, and an event that is no request fails in it as it would in any.
  const unknown = httpFunction(logger).handler(({ routeKey }) => {
    throw new UnknownRouteError(`no route "${routeKey}" in this function: add it, or take it out of serverless.yml`);
  });
  return (event, context) => (byKey.get(routeKeyOf(event)) ?? unknown)(event, context);
}

/** An invocation by hand may carry anything. */
function routeKeyOf(event: unknown): string {
  const given = typeof event === "object" && event !== null && "routeKey" in event ? event.routeKey : undefined;
  return typeof given === "string" ? given : "";
}
