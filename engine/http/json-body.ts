import type { MiddlewareObj } from "@middy/core";
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type { z } from "zod";
import { headerOf } from "./headers.ts";
import { HttpProblem } from "./problem.ts";
import { validated } from "./validation.ts";

/** Bytes of the largest body that is looked at. */
export const largestBody = 256 * 1024;

export interface WithJsonBody<Body> {
  /** The body exactly as sent: what an idempotency digest is made of. */
  bodyText: string;
  content: Body;
}

/**
 * Reads and validates a JSON body. Refuses another content type (415), more than {@link largestBody} (413), what is not JSON
 * or not Unicode (400 MALFORMED_JSON) and what the schema refuses (400 INVALID_REQUEST). With `optional`, no body at all reads as `{}`.
 */
export function jsonBody<Schema extends z.ZodType>(
  schema: Schema,
  { optional = false }: { readonly optional?: boolean } = {},
): MiddlewareObj<APIGatewayProxyEventV2 & WithJsonBody<z.output<Schema>>> {
  return {
    before({ event }) {
      const sent = sentBody(event);
      const absent = sent === "" && optional;
      if (!absent) requireJson(headerOf(event, "content-type"));
      event.bodyText = textOf(sent, event.isBase64Encoded);
      event.content = validated(schema, absent ? {} : parsed(event.bodyText), "body");
    },
  };
}

/**
 * The body as text. The function runtime of one machine hands over what is falsy in JSON (null, false, 0, "") as a value or
 * not at all, which must not pass for a request without a body: the length that was declared tells them apart.
 */
function sentBody(event: APIGatewayProxyEventV2): string {
  const body: unknown = event.body;
  if (typeof body === "string" && body !== "") return body;
  const isDeclared = Number(headerOf(event, "content-length") ?? "0") > 0;
  return isDeclared || typeof body === "boolean" || typeof body === "number" ? JSON.stringify(body ?? null) : "";
}

function requireJson(contentType: string | undefined): void {
  const [type = "", ...parameters] = (contentType ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="));
  const isUtf8 = charset === undefined || /^charset="?utf-8"?$/.test(charset);
  if (type === "application/json" && isUtf8) return;
  throw new HttpProblem(415, "UNSUPPORTED_CONTENT_TYPE", "send the body as application/json in UTF-8", {
    errors: [{ field: "Content-Type", message: "must be application/json" }],
  });
}

function textOf(sent: string, isBase64: boolean): string {
  const size = Buffer.byteLength(sent, isBase64 ? "base64" : "utf8");
  if (size > largestBody) {
    throw new HttpProblem(413, "BODY_TOO_LARGE", `the body has ${size} bytes: at most ${largestBody} are taken`);
  }
  if (!isBase64) return sent;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(sent, "base64"));
  } catch (cause) {
    throw new HttpProblem(400, "MALFORMED_JSON", "the body is not UTF-8", { cause });
  }
}

function parsed(text: string): unknown {
  const { content, broken } = read(text);
  if (broken === undefined) return content;
  const detail = `the body is not Unicode: ${JSON.stringify(broken)} has half of a surrogate pair in it; send whole characters`;
  throw new HttpProblem(400, "MALFORMED_JSON", detail);
}

/** `broken`: the name of what is no text in it. */
function read(text: string): { readonly content: unknown; readonly broken: string | undefined } {
  try {
    const content: unknown = JSON.parse(text);
    return { content, broken: brokenText(text) };
  } catch (cause) {
    // What the parser says quotes the body; where it failed is all a client needs.
    const position = cause instanceof Error ? /at position (\d+)/.exec(cause.message)?.[1] : undefined;
    const where = position === undefined ? "" : ` (at character ${position})`;
    throw new HttpProblem(400, "MALFORMED_JSON", `the body is not JSON${where}`, { cause });
  }
}

/**
 * JSON can write half of a surrogate pair, as `"\ud83d"`; UTF-8 and what keeps text in it cannot (RFC 8259, 8.2). An event
 * with such a half would be written here, and could be kept in no view.
 */
function brokenText(text: string): string | undefined {
  if (!/\\ud[89a-f]/i.test(text)) return undefined;
  let broken: string | undefined;
  JSON.parse(text, (name, value: unknown) => {
    const isText = name.isWellFormed() && (typeof value !== "string" || value.isWellFormed());
    if (!isText) broken ??= name.toWellFormed();
    return value;
  });
  return broken;
}
