import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type { z } from "zod";
import { validated } from "./validation.ts";

export interface WithPath<Path> {
  path: Path;
}

export interface WithQuery<Query> {
  query: Query;
}

/** Validates the path parameters; a wrong one is a 400 that names it. */
export function pathParameters<Schema extends z.ZodType>(
  schema: Schema,
): MiddlewareObj<APIGatewayProxyEventV2 & WithPath<z.output<Schema>>> {
  return {
    before({ event }) {
      event.path = validated(schema, event.pathParameters ?? {}, "parameters");
    },
  };
}

/** Validates the query parameters; a wrong or unknown one is a 400 that names it. A schema sees strings only. */
export function queryParameters<Schema extends z.ZodType>(
  schema: Schema,
): MiddlewareObj<APIGatewayProxyEventV2 & WithQuery<z.output<Schema>>> {
  return {
    before({ event }) {
      event.query = validated(schema, event.queryStringParameters ?? {}, "parameters");
    },
  };
}
