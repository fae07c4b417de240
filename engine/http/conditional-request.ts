import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { type EntityTag, parseEntityTags } from "./entity-tag.ts";
import { headerOf } from "./headers.ts";
import { HttpProblem } from "./problem.ts";

type Tags = "*" | readonly EntityTag[];

export interface WithConditions {
  conditions: { readonly ifMatch?: Tags; readonly ifNoneMatch?: Tags };
}

/**
 * Queries under a condition (RFC 9110, 13.1): `If-None-Match` gives a 304 without a body where the client has the answer
 * already, `If-Match` a 412 where the answer is not the one that it names. Conditions are of answers that have a tag; a
 * malformed one is a 400 that names it, before anything is read.
 */
export function conditionalRequest(): MiddlewareObj<
  APIGatewayProxyEventV2 & WithConditions,
  APIGatewayProxyStructuredResultV2
> {
  return {
    before({ event }) {
      const ifMatch = headerOf(event, "if-match");
      const ifNoneMatch = headerOf(event, "if-none-match");
      event.conditions = {
        ...(ifMatch === undefined ? {} : { ifMatch: parseEntityTags("If-Match", ifMatch) }),
        ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: parseEntityTags("If-None-Match", ifNoneMatch) }),
      };
    },
    after(request) {
      const { ifMatch, ifNoneMatch } = request.event.conditions;
      const { etag, "cache-control": cacheControl } = request.response?.headers ?? {};
      if (typeof etag !== "string") return;
      if (ifMatch !== undefined && !matches(ifMatch, etag, "strong")) {
        throw new HttpProblem(
          412,
          "PRECONDITION_FAILED",
          "it is not, or no longer, what If-Match names: read it again",
          {
            errors: [{ field: "If-Match", message: "does not match" }],
          },
        );
      }
      if (ifNoneMatch === undefined || !matches(ifNoneMatch, etag, "weak")) return;
      // The fields that a 304 has to repeat of the 200 (15.4.5), and none that describe the body that it does not have.
      request.response = {
        statusCode: 304,
        headers: { etag, ...(cacheControl === undefined ? {} : { "cache-control": cacheControl }) },
      };
    },
  };
}

/** The weak comparison takes a tag for the same that somebody on the way has made a weak one, as who compresses does. */
function matches(tags: Tags, etag: string, comparison: "strong" | "weak"): boolean {
  if (tags === "*") return true;
  return tags.some(({ isWeak, opaque }) => `"${opaque}"` === etag && (comparison === "weak" || !isWeak));
}
