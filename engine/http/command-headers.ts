import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type { Precondition } from "../commands/precondition.ts";
import { parseIfMatch } from "./entity-tag.ts";
import { headerOf } from "./headers.ts";
import { invalidRequest } from "./validation.ts";

export interface WithCommandHeaders {
  idempotencyKey?: string;
  precondition?: Precondition;
}

const keyPattern = /^[\x20-\x7E]{1,255}$/;

/** Reads `Idempotency-Key` (1 to 255 printable ASCII characters) and `If-Match`; a malformed one is a 400 that names it, and so is `If-None-Match`. */
export function commandHeaders(): MiddlewareObj<APIGatewayProxyEventV2 & WithCommandHeaders> {
  return {
    before({ event }) {
      const key = headerOf(event, "idempotency-key");
      if (key !== undefined) {
        if (!keyPattern.test(key)) {
          throw invalidRequest([{ field: "Idempotency-Key", message: "must be 1 to 255 printable ASCII characters" }]);
        }
        event.idempotencyKey = key;
      }
      const ifMatch = headerOf(event, "if-match");
      if (ifMatch !== undefined) event.precondition = parseIfMatch(ifMatch);
      // To carry a command out that was to be carried out only under a condition would be worse than to refuse it.
      if (headerOf(event, "if-none-match") !== undefined) {
        throw invalidRequest([{ field: "If-None-Match", message: "is no condition of commands: leave it out" }]);
      }
    },
  };
}
