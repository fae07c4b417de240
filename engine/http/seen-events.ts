/**
 * `Tidemark-Seen` names the last event that somebody knows of: a command answers with it, `3@order-10248`, and a query that is given
 * it answers with at least that. The same text goes both ways, so a client need not understand it.
 */
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type { StreamRevision } from "../delivery/function-payload.ts";
import { headerOf } from "./headers.ts";
import { invalidRequest } from "./validation.ts";

export const seenHeader = "tidemark-seen";

/** So many streams one query waits for; each may take the projector an invocation. */
const mostSeen = 10;
/** The store takes no higher one, and says so with an error. */
const highestRevision = 2n ** 63n - 1n;
const pattern = /^(0|[1-9]\d{0,18})@([\x21-\x2B\x2D-\x7E]{1,1000})$/;

export function seenEvent({ stream, revision }: StreamRevision): Readonly<Record<string, string>> {
  // What a header cannot carry is left out: such a stream's writes cannot be waited for.
  const text = `${revision.toString()}@${stream}`;
  return pattern.test(text) ? { [seenHeader]: text } : {};
}

/** What the request has seen, each stream once at its highest revision. A malformed header is a 400 that says what is right. */
export function seenEvents(event: APIGatewayProxyEventV2): readonly StreamRevision[] {
  const header = headerOf(event, seenHeader);
  if (header === undefined) return [];
  const highest = new Map<string, bigint>();
  const parts = header.split(",").map((part) => part.trim());
  for (const part of parts) {
    const match = pattern.exec(part);
    if (match === null || BigInt(match[1] ?? "") > highestRevision || parts.length > mostSeen) {
      const message = `must be 1 to ${mostSeen} of what commands answered with, such as 3@order-10248, joined by commas`;
      throw invalidRequest([{ field: "Tidemark-Seen", message }]);
    }
    const [, revision = "", stream = ""] = match;
    const before = highest.get(stream) ?? -1n;
    if (BigInt(revision) > before) highest.set(stream, BigInt(revision));
  }
  return [...highest].map(([stream, revision]) => ({ stream, revision }));
}
