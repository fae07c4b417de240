/**
 * Problem details (RFC 9457): what a client is told when a request fails. `code` is stable and meant for programs, `detail`
 * for people. Nothing of the inside is in it: an error that is not listed here is told as INTERNAL_ERROR and only logged.
 */
import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";

/** One wrong field: `pointer` (RFC 6901) into the body, or `field`, the name of a header or of a path or query parameter. */
export type WrongField =
  { readonly pointer: string; readonly message: string } | { readonly field: string; readonly message: string };

export interface ProblemOptions {
  readonly errors?: readonly WrongField[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Thrown by whoever finds out; answered by {@link problemResponse}. The message is the `detail` that the client sees. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;
  readonly code: string;
  readonly errors: readonly WrongField[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, detail: string, { errors, headers = {}, cause }: ProblemOptions = {}) {
    super(detail, cause === undefined ? undefined : { cause });
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.headers = headers;
  }
}

/** Seconds after which a client may try again what failed because something was down or busy. */
const retryAfter = { "retry-after": "1" };

/** Errors of the engine that have a meaning to the outside, by their code: so that this file imports none of their owners. */
const known: Readonly<Record<string, (cause: Error) => HttpProblem>> = {
  EVENT_STORE_UNAVAILABLE: (cause) => unavailable("EVENT_STORE_UNAVAILABLE", "the event store", cause),
  VIEWS_UNAVAILABLE: (cause) => unavailable("VIEWS_UNAVAILABLE", "the view", cause),
  SETTINGS_UNAVAILABLE: (cause) => unavailable("SETTINGS_UNAVAILABLE", "the service's configuration", cause),
  CURSOR_INVALID: (cause) =>
    new HttpProblem(400, "CURSOR_INVALID", cause.message, {
      errors: [{ field: "cursor", message: "is not from an earlier page of this query" }],
      cause,
    }),
  VIEW_BEHIND: (cause) => new HttpProblem(503, "VIEW_BEHIND", cause.message, { headers: retryAfter, cause }),
  STREAM_QUARANTINED: (cause) => new HttpProblem(503, "STREAM_QUARANTINED", cause.message, { cause }),
  STREAM_OUTSIDE_VIEW: (cause) =>
    notSeen("STREAM_OUTSIDE_VIEW", "names a stream that this query shows nothing of", cause),
  REVISION_BEYOND_HEAD: (cause) => notSeen("REVISION_BEYOND_HEAD", "names an event that is not there", cause),
  STREAM_DELETED: (cause) => new HttpProblem(410, "STREAM_DELETED", "it was deleted for good", { cause }),
  APPEND_TOO_LARGE: (cause) =>
    new HttpProblem(413, "APPEND_TOO_LARGE", "the request leads to more data than one write can take: split it", {
      cause,
    }),
  EVENT_NOT_UNDERSTOOD: (cause) =>
    new HttpProblem(500, "EVENT_NOT_UNDERSTOOD", "its history holds an event that this version cannot read", { cause }),
};

function notSeen(code: string, message: string, cause: Error): HttpProblem {
  return new HttpProblem(400, code, cause.message, { errors: [{ field: "Tidemark-Seen", message }], cause });
}

function unavailable(code: string, what: string, cause: Error): HttpProblem {
  return new HttpProblem(503, code, `${what} does not answer: try again with the same request`, {
    headers: retryAfter,
    cause,
  });
}

/** The request would not have been answered before the function's own time ran out; its outcome is unknown. */
export function outOfTime(): HttpProblem {
  return new HttpProblem(503, "OUT_OF_TIME", "the answer took too long: try again with the same request", {
    headers: retryAfter,
  });
}

/** Too many others changed the same thing at the same time. */
export function concurrentChange(): HttpProblem {
  return new HttpProblem(409, "CONCURRENT_CHANGE", "others kept changing it meanwhile: nothing was done, try again", {
    headers: retryAfter,
  });
}

export function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof Error && "code" in error && typeof error.code === "string" && Object.hasOwn(known, error.code)) {
    const problem = known[error.code]?.(error);
    if (problem !== undefined) return problem;
  }
  return new HttpProblem(500, "INTERNAL_ERROR", "the request failed through no fault of its own", { cause: error });
}

export function problemResponse(problem: HttpProblem): APIGatewayProxyStructuredResultV2 {
  const { status, code, message: detail, errors, headers } = problem;
  const type = `urn:tidemark:problem:${code.toLowerCase().replaceAll("_", "-")}`;
  const body = { type, title: titleOf(code), status, detail, code, ...(errors === undefined ? {} : { errors }) };
  return {
    statusCode: status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
    body: JSON.stringify(body),
  };
}

/** `ORDER_NOT_FOUND` reads `Order not found`. The title is the same in every occurrence of a type, as the RFC asks. */
function titleOf(code: string): string {
  const words = code.toLowerCase().replaceAll("_", " ").replace("json", "JSON");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
