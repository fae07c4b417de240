import type { LambdaClient } from "@aws-sdk/client-lambda";
import { z } from "zod";
import { functionPrefix } from "../local/system/processes.ts";
import { invoke } from "./invoke.ts";
import type { PlacedOrder } from "./placed-order.ts";

/** Whether the order is there; with `isSeen` it is promised to be. */
export type OrderQuery = (order: PlacedOrder, isSeen: boolean) => Promise<boolean>;

const answerSchema = z.object({ statusCode: z.int(), body: z.string() });

/** `GET /orders/{orderId}` by an invocation, as the HTTP API makes one. */
export function orderQuery(lambda: LambdaClient): OrderQuery {
  return async ({ orderId, stream }, isSeen) => {
    const http = {
      method: "GET",
      path: `/orders/${orderId}`,
      protocol: "HTTP/1.1",
      sourceIp: "127.0.0.1",
      userAgent: "",
    };
    const event = {
      version: "2.0",
      routeKey: "GET /orders/{orderId}",
      rawPath: http.path,
      rawQueryString: "",
      headers: isSeen ? { "tidemark-seen": `0@${stream}` } : {},
      requestContext: { http, requestId: orderId, routeKey: "GET /orders/{orderId}", stage: "$default" },
      pathParameters: { orderId },
      isBase64Encoded: false,
    };
    const answered = await invoke(lambda, `${functionPrefix}get-order`, JSON.stringify(event));
    const { statusCode, body } = answerSchema.parse(answered);
    if (statusCode === 200 || statusCode === 404) return statusCode === 200;
    throw new Error(`the query answered ${statusCode}: ${body}`);
  };
}
