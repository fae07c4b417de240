/** What an HTTP function was invoked with is no request of API Gateway's HTTP API: a mistake of the caller or of a route. */
export class NotAnHttpEventError extends Error {
  override readonly name = "NotAnHttpEventError";
  readonly code = "NOT_AN_HTTP_EVENT";

  constructor() {
    super(
      "the event is no HTTP request (API Gateway HTTP API, payload format 2.0): " +
        "call the function by its route, or invoke it with such an event",
    );
  }
}

/** Throws {@link NotAnHttpEventError} unless `event` has what every request has and the middleware relies on. */
export function requireHttpEvent(event: unknown): void {
  const { headers, requestContext } = fieldsOf(event);
  const { http } = fieldsOf(requestContext);
  if (!isObject(headers) || typeof fieldsOf(http)["method"] !== "string") throw new NotAnHttpEventError();
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}
