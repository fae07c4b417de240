/** What a query does with `Tidemark-Seen`: it has the view catch up with it before it answers. */
import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import { askToCatchUp } from "../engine/delivery/function-invocation.ts";
import { seenEvents } from "../engine/http/seen-events.ts";
import { invalidRequest } from "../engine/http/validation.ts";
import { readAtLeast } from "../engine/views/at-least.ts";
import type { Projection } from "../engine/views/projection.ts";
import { views } from "./dynamodb-connection.ts";
import { invocation } from "./lambda-connection.ts";

/** Of the ten seconds that a query has: enough for a projector's cold start, and to say what is behind. */
const waitMs = 5_000;

/** For queries of the view's table, which is read consistently. Throws NotCaughtUpError and ViewsUnavailableError. */
export function atLeastSeen(projection: Projection): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    async before({ event }) {
      const wanted = seenEvents(event);
      if (wanted.length === 0) return;
      const { lambda, functionName } = invocation();
      const projector = functionName(`project-${projection.name}`);
      const { signal } = new AbortController();
      await readAtLeast(
        {
          reader: views().reader,
          projection,
          waitMs,
          ask: (upTo, timeoutMs) => askToCatchUp(lambda, { functionName: projector, timeoutMs, signal }, upTo),
        },
        wanted,
      );
    },
  };
}

/** For queries of an index, which follows its table whenever it does: a promise would be a lie. */
export function promisesNothingSeen(): MiddlewareObj<APIGatewayProxyEventV2> {
  return {
    before({ event }) {
      if (seenEvents(event).length === 0) return;
      throw invalidRequest([
        {
          field: "Tidemark-Seen",
          message: "cannot be promised of this list, which is read from an index: leave it out",
        },
      ]);
    },
  };
}
