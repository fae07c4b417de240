import type { APIGatewayProxyEventV2 } from "aws-lambda";

/** A request header by its name in lower case. API Gateway lowers names, what stands in for it may not. */
export function headerOf(event: Pick<APIGatewayProxyEventV2, "headers">, name: string): string | undefined {
  const direct = event.headers[name];
  if (direct !== undefined) return direct;
  return Object.entries(event.headers).find(([given]) => given.toLowerCase() === name)?.[1];
}
