/** Requests as API Gateway's HTTP API hands them to a function (payload format 2.0), and the answers that come back. */
import { randomUUID } from "node:crypto";
import type { APIGatewayProxyEventV2, Context } from "aws-lambda";
import type { HttpResponse } from "../../../engine/http/http-function.ts";

export interface TestRequest {
  /** What the request matched, for example `POST /orders/{orderId}/cancel`; without it, exactly what was sent. */
  readonly route?: string;
  readonly method?: string;
  readonly path?: string;
  readonly pathParameters?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly isBase64Encoded?: boolean;
}

export interface TestAnswer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export function apiGatewayEvent(request: TestRequest = {}): APIGatewayProxyEventV2 {
  const { pathParameters, query, headers, body, isBase64Encoded = false } = request;
  const [routeMethod = "POST", routePath = "/"] = request.route?.split(" ") ?? [];
  const { method = routeMethod, path = filledIn(routePath, pathParameters) } = request;
  const routeKey = request.route ?? `${method} ${path}`;
  const typed = body === undefined ? {} : { "content-type": "application/json" };
  return {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: new URLSearchParams(query).toString(),
    headers: { ...typed, ...headers },
    requestContext: {
      accountId: "123456789012",
      apiId: "api",
      domainName: "api.example.com",
      domainPrefix: "api",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
      requestId: randomUUID(),
      routeKey,
      stage: "$default",
      time: "04/Jul/1996:00:00:00 +0000",
      timeEpoch: 836_438_400_000,
    },
    isBase64Encoded,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(pathParameters === undefined ? {} : { pathParameters: { ...pathParameters } }),
    ...(query === undefined ? {} : { queryStringParameters: { ...query } }),
  };
}

function filledIn(path: string, parameters: TestRequest["pathParameters"] = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) =>
    encodeURIComponent(parameters[name] ?? placeholder),
  );
}

export function lambdaContext(remainingMs = 10_000): Context {
  const context: Omit<Context, "done" | "fail" | "succeed"> = {
    callbackWaitsForEmptyEventLoop: false,
    functionName: "test",
    functionVersion: "1",
    invokedFunctionArn: "arn:aws:lambda:eu-central-1:123456789012:function:test",
    memoryLimitInMB: "256",
    awsRequestId: randomUUID(),
    logGroupName: "group",
    logStreamName: "stream",
    getRemainingTimeInMillis: () => remainingMs,
  };
  // The callbacks that are left out are deprecated, and nothing calls them.
  return context as Context;
}

interface HttpFunction {
  // A method, so that a function may ask for more of the event than API Gateway gives: its own middleware adds that.
  handler(event: APIGatewayProxyEventV2, context: Context): Promise<HttpResponse>;
}

/** The answer as the function gives it, its body as text. */
export function answerOf(
  handler: HttpFunction["handler"],
  request?: TestRequest,
  context = lambdaContext(),
): Promise<HttpResponse> {
  return handler(apiGatewayEvent(request), context);
}

export async function invoke(...invocation: Parameters<typeof answerOf>): Promise<TestAnswer> {
  const { statusCode, headers = {}, body } = await answerOf(...invocation);
  return { status: statusCode, headers, body: body === undefined ? undefined : (JSON.parse(body) as unknown) };
}
