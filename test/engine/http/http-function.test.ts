import type { APIGatewayProxyEventV2 } from "aws-lambda";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { commandHeaders } from "../../../engine/http/command-headers.ts";
import { type HttpEvent, httpFunction, json } from "../../../engine/http/http-function.ts";
import { jsonBody, largestBody } from "../../../engine/http/json-body.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { NotAnHttpEventError } from "../../../engine/http/not-an-http-event.ts";
import { pathParameters, queryParameters } from "../../../engine/http/parameters.ts";
import { HttpProblem } from "../../../engine/http/problem.ts";
import { apiGatewayEvent, invoke, lambdaContext, type TestAnswer, type TestRequest } from "./api-gateway.ts";

const silent = createLogger("test", { level: "silent" });

const bodySchema = z.strictObject({
  items: z.array(z.strictObject({ count: z.int().min(1) })),
  "a/b~c": z.int().optional(),
  note: z.string().optional(),
});

const echo = httpFunction(silent)
  .use(commandHeaders())
  .use(jsonBody(bodySchema))
  .handler((event) => {
    const { content, bodyText, idempotencyKey = null, precondition = null } = event;
    const required = precondition?.requires ?? null;
    return Promise.resolve(json(200, { content, bodyText, idempotencyKey, required }));
  });

const failingWith = (error: unknown) =>
  // Whatever a handler throws must be answered, also what is no Error.
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
  httpFunction(silent).handler(() => Promise.reject(error));

const withoutContext = ({ status, headers, body }: TestAnswer): TestAnswer => {
  const own = Object.entries(headers).filter(([name]) => name !== "x-correlation-id" && name !== "cache-control");
  return { status, headers: Object.fromEntries(own), body };
};

const problem = (status: number, code: string, title: string, detail: string, rest: object = {}): object => ({
  type: `urn:tidemark:problem:${code.toLowerCase().replaceAll("_", "-")}`,
  title,
  status,
  detail,
  code,
  ...rest,
});

const problemHeaders = { "content-type": "application/problem+json" };

describe("a JSON body", () => {
  const valid = { items: [{ count: 1 }] };

  it("is parsed and validated, and kept as sent", async () => {
    const sent = '{ "items": [ {"count": 1} ] }';
    expect((await invoke(echo, { body: sent })).body).toStrictEqual({
      content: valid,
      bodyText: sent,
      idempotencyKey: null,
      required: null,
    });
  });

  it("may come encoded in base64", async () => {
    const sent = JSON.stringify(valid);
    const encoded = { body: Buffer.from(sent).toString("base64"), isBase64Encoded: true };
    expect((await invoke(echo, encoded)).body).toMatchObject({ content: valid, bodyText: sent });
  });

  it.each([["application/json; charset=UTF-8"], ['Application/JSON;charset="utf-8"'], ["application/json; profile=x"]])(
    "may be declared as %s",
    async (contentType) => {
      expect((await invoke(echo, { body: valid, headers: { "content-type": contentType } })).status).toBe(200);
    },
  );

  it.each([
    ["text/plain"],
    ["application/x-www-form-urlencoded"],
    ["application/json; charset=latin1"],
    ["application/jsonp"],
    [""],
  ])("declared as %j is refused", async (contentType) => {
    const answer = await invoke(echo, { body: valid, headers: { "content-type": contentType } });
    expect(withoutContext(answer)).toStrictEqual({
      status: 415,
      headers: problemHeaders,
      body: problem(
        415,
        "UNSUPPORTED_CONTENT_TYPE",
        "Unsupported content type",
        "send the body as application/json in UTF-8",
        { errors: [{ field: "Content-Type", message: "must be application/json" }] },
      ),
    });
  });

  it.each([
    ["", "the body is not JSON"],
    ['{"items": ', "the body is not JSON"],
    ['{"items": [] secret}', "the body is not JSON (at character 13)"],
  ])("that is malformed (%j) is refused without quoting it", async (body, detail) => {
    const answer = await invoke(echo, { body });
    expect(withoutContext(answer)).toStrictEqual({
      status: 400,
      headers: problemHeaders,
      body: problem(400, "MALFORMED_JSON", "Malformed JSON", detail),
    });
  });

  it.each([
    ['{"items": [], "note": "\\ud83d"}', '"note"'],
    ['{"items": [], "note": "\\uD83Dx\\uDE00"}', '"note"'],
    ['{"items": ["\\ude00"]}', '"0"'],
    ['{"\\udbff": 1}', '"\ufffd"'],
  ])("that has half of a character in it (%j) is refused, and told where", async (body, where) => {
    const detail = `the body is not Unicode: ${where} has half of a surrogate pair in it; send whole characters`;
    expect(withoutContext(await invoke(echo, { body }))).toStrictEqual({
      status: 400,
      headers: problemHeaders,
      body: problem(400, "MALFORMED_JSON", "Malformed JSON", detail),
    });
  });

  it("that writes a whole character as a pair is taken", async () => {
    // The second one is a backslash and a "u", no escape.
    const body = JSON.stringify(valid).replace(/}$/, String.raw`, "note": "\ud83d\ude00 \\ud83d"}`);
    expect(await invoke(echo, { body })).toMatchObject({ status: 200, body: { content: { note: "😀 \\ud83d" } } });
  });

  it("that is no UTF-8 is refused", async () => {
    const encoded = { body: Buffer.from([0x7b, 0xff, 0x7d]).toString("base64"), isBase64Encoded: true };
    expect(await invoke(echo, { ...encoded, headers: { "content-type": "application/json" } })).toMatchObject({
      status: 400,
      body: { code: "MALFORMED_JSON", detail: "the body is not UTF-8" },
    });
  });

  it("is taken up to the limit in bytes and refused above it, however it is encoded", async () => {
    const sized = (bytes: number): string => JSON.stringify(valid).padEnd(bytes, " ");
    const base64 = (text: string): TestRequest => ({
      body: Buffer.from(text).toString("base64"),
      isBase64Encoded: true,
    });
    expect((await invoke(echo, { body: sized(largestBody) })).status).toBe(200);
    expect((await invoke(echo, base64(sized(largestBody)))).status).toBe(200);
    expect((await invoke(echo, base64(sized(largestBody + 1)))).status).toBe(413);
    expect(withoutContext(await invoke(echo, { body: sized(largestBody + 1) }))).toStrictEqual({
      status: 413,
      headers: problemHeaders,
      body: problem(413, "BODY_TOO_LARGE", "Body too large", "the body has 262145 bytes: at most 262144 are taken"),
    });
    expect((await invoke(echo, { body: `"${"ü".repeat(largestBody / 2)}"` })).status).toBe(413);
  });

  it("has every wrong field named, unknown ones too, by a pointer into it", async () => {
    const body = '{"items": [{"count": 0}, {"count": 1, "color": "red"}], "a/b~c": "x", "__proto__": {"y": 1}}';
    expect(withoutContext(await invoke(echo, { body }))).toStrictEqual({
      status: 400,
      headers: problemHeaders,
      body: problem(400, "INVALID_REQUEST", "Invalid request", "4 fields are wrong: see errors", {
        errors: [
          { pointer: "/items/0/count", message: "must be at least 1" },
          { pointer: "/items/1/color", message: "is not a known field" },
          { pointer: "/a~1b~0c", message: "must be a number" },
          { pointer: "/__proto__", message: "is not a known field" },
        ],
      }),
    });
  });

  it("has a missing field called missing", async () => {
    expect((await invoke(echo, { body: {} })).body).toMatchObject({
      errors: [{ pointer: "/items", message: "is missing" }],
    });
  });

  it.each([["null"], ["false"], ["0"], ['""'], ["[]"], ['"text"']])("that is %s is no object", async (body) => {
    expect(withoutContext(await invoke(echo, { body }))).toStrictEqual({
      status: 400,
      headers: problemHeaders,
      body: problem(400, "INVALID_REQUEST", "Invalid request", "1 field is wrong: see errors", {
        errors: [{ pointer: "", message: "must be an object" }],
      }),
    });
  });

  it.each([
    [null, "4"],
    [false, "5"],
    [0, "1"],
    ["", "2"],
  ])("that serverless-offline hands over as %j, parsed, is no object either", async (value, length) => {
    const headers = { "content-type": "application/json", "content-length": length };
    const event = { ...apiGatewayEvent({ headers }), body: value };
    // The type says what API Gateway sends; the local runtime does not keep to it.
    const { statusCode, body } = await echo(
      event as APIGatewayProxyEventV2 & Parameters<typeof echo>[0],
      lambdaContext(),
    );
    expect({ statusCode, ...(JSON.parse(body ?? "") as object) }).toMatchObject({
      statusCode: 400,
      code: "INVALID_REQUEST",
      errors: [{ pointer: "", message: "must be an object" }],
    });
  });

  it.each([
    ["1.5", "must be a whole number"],
    ["1e20", "must be at most 100"],
    ["101", "must be at most 100"],
    ["-1e20", "must be at least 1"],
    ["1e999", "must be a finite number"],
    ['"2"', "must be a number"],
    ["null", "must be a number"],
  ])("with the number %s has it listed once, in plain words", async (number, message) => {
    const bounded = httpFunction(silent)
      .use(jsonBody(z.strictObject({ count: z.int().min(1).max(100) })))
      .handler(({ content }) => Promise.resolve(json(200, content)));
    expect((await invoke(bounded, { body: `{"count": ${number}}` })).body).toMatchObject({
      detail: "1 field is wrong: see errors",
      errors: [{ pointer: "/count", message }],
    });
  });

  it("has every kind of wrong field called what it should be", async () => {
    const kinds = httpFunction(silent)
      .use(
        jsonBody(
          z.strictObject({
            text: z.string().min(1),
            list: z.array(z.int()).max(1),
            flag: z.boolean(),
            part: z.strictObject({}),
            rate: z.number().gt(0).lt(1),
            own: z.string().regex(/^a$/, "must be a"),
          }),
        ),
      )
      .handler(({ content }) => Promise.resolve(json(200, content)));
    const errorsOf = async (body: object): Promise<unknown> =>
      z.object({ errors: z.unknown() }).parse((await invoke(kinds, { body })).body).errors;
    expect(await errorsOf({ text: 1, list: {}, flag: "yes", part: [], rate: "1", own: "b" })).toStrictEqual([
      { pointer: "/text", message: "must be a string" },
      { pointer: "/list", message: "must be a list" },
      { pointer: "/flag", message: "must be true or false" },
      { pointer: "/part", message: "must be an object" },
      { pointer: "/rate", message: "must be a number" },
      { pointer: "/own", message: "must be a" },
    ]);
    expect(await errorsOf({ text: "", list: [1, 2], flag: true, part: {}, rate: 1, own: "a" })).toStrictEqual([
      { pointer: "/text", message: "must have at least 1 character" },
      { pointer: "/list", message: "must have at most 1 entry" },
      { pointer: "/rate", message: "must be less than 1" },
    ]);
  });

  it("with countless wrong fields gets an answer of bounded size", async () => {
    const many = { items: Array.from({ length: 10_000 }, () => ({ count: 0 })), ["x".repeat(100_000)]: 1 };
    const { status, body } = await invoke(echo, { body: many });
    expect(status).toBe(400);
    expect(body).toMatchObject({ detail: "10001 fields are wrong: see errors for the first 100" });
    expect(JSON.stringify(body).length).toBeLessThan(20_000);
    const { body: short } = await invoke(echo, { body: { items: [], ["x".repeat(100_000)]: 1 } });
    expect(short).toMatchObject({ errors: [{ pointer: `/${"x".repeat(100)}…`, message: "is not a known field" }] });
  });

  it("may be left out where the function says so", async () => {
    const optional = httpFunction(silent)
      .use(jsonBody(z.strictObject({ reason: z.string().optional() }), { optional: true }))
      .handler(({ content, bodyText }) => Promise.resolve(json(200, { content, bodyText })));
    expect((await invoke(optional)).body).toStrictEqual({ content: {}, bodyText: "" });
    expect((await invoke(optional, { body: "" })).body).toStrictEqual({ content: {}, bodyText: "" });
    expect((await invoke(optional, { body: { reason: 1 } })).status).toBe(400);
  });
});

it.each(["*", '"3"', ""])("If-None-Match: %s is refused: commands have no such condition", async (tag) => {
  expect(await invoke(echo, { body: { items: [] }, headers: { "if-none-match": tag } })).toMatchObject({
    status: 400,
    body: {
      code: "INVALID_REQUEST",
      errors: [{ field: "If-None-Match", message: "is no condition of commands: leave it out" }],
    },
  });
});

describe("Idempotency-Key", () => {
  const body = { items: [] };

  it.each([["k"], ["k".repeat(255)], [' !"#~ ']])("%j is taken as it is", async (key) => {
    expect((await invoke(echo, { body, headers: { "idempotency-key": key } })).body).toMatchObject({
      idempotencyKey: key,
    });
  });

  it("is found in any case", async () => {
    expect((await invoke(echo, { body, headers: { "Idempotency-Key": "k" } })).body).toMatchObject({
      idempotencyKey: "k",
    });
  });

  it.each([[""], ["k".repeat(256)], ["k".repeat(1_000)], ["schlüssel"], ["a\tb"]])("%j is refused", async (key) => {
    const answer = await invoke(echo, { body, headers: { "idempotency-key": key } });
    expect(answer).toMatchObject({
      status: 400,
      body: {
        code: "INVALID_REQUEST",
        errors: [{ field: "Idempotency-Key", message: "must be 1 to 255 printable ASCII characters" }],
      },
    });
  });
});

describe("parameters", () => {
  const parameters = httpFunction(silent)
    .use(pathParameters(z.strictObject({ id: z.string().max(3) })))
    .use(queryParameters(z.strictObject({ limit: z.string().max(2).optional() })))
    .handler(({ path, query }) => Promise.resolve(json(200, { path, query })));

  it("of path and query are validated", async () => {
    expect((await invoke(parameters, { pathParameters: { id: "a" }, query: { limit: "5" } })).body).toStrictEqual({
      path: { id: "a" },
      query: { limit: "5" },
    });
    expect((await invoke(parameters, { pathParameters: { id: "a" } })).body).toStrictEqual({
      path: { id: "a" },
      query: {},
    });
  });

  it("that are wrong or unknown are named", async () => {
    expect((await invoke(parameters, { pathParameters: { id: "long" } })).body).toMatchObject({
      status: 400,
      errors: [{ field: "id", message: "must have at most 3 characters" }],
    });
    const query = { limit: "100", page: "2" };
    expect((await invoke(parameters, { pathParameters: { id: "a" }, query })).body).toMatchObject({
      status: 400,
      errors: [
        { field: "limit", message: "must have at most 2 characters" },
        { field: "page", message: "is not a known field" },
      ],
    });
  });
});

describe("a failure", () => {
  class Coded extends Error {
    readonly code: string;
    constructor(code: string, message: string) {
      super(message);
      this.code = code;
    }
  }

  it.each([
    ["EVENT_STORE_UNAVAILABLE", "Event store unavailable", "the event store"],
    ["VIEWS_UNAVAILABLE", "Views unavailable", "the view"],
    ["SETTINGS_UNAVAILABLE", "Settings unavailable", "the service's configuration"],
  ])("%s is a 503 that says when to come back", async (code, title, what) => {
    expect(withoutContext(await invoke(failingWith(new Coded(code, "10.0.0.1 refused"))))).toStrictEqual({
      status: 503,
      headers: { ...problemHeaders, "retry-after": "1" },
      body: problem(503, code, title, `${what} does not answer: try again with the same request`),
    });
  });

  it.each([
    ["STREAM_DELETED", 410],
    ["APPEND_TOO_LARGE", 413],
    ["CURSOR_INVALID", 400],
    ["EVENT_NOT_UNDERSTOOD", 500],
  ])("%s is a %i", async (code, status) => {
    expect(await invoke(failingWith(new Coded(code, "inside")))).toMatchObject({ status, body: { status, code } });
  });

  it("of any other kind is a 500 that tells nothing of the inside", async () => {
    for (const error of [
      new Error("SELECT * FROM secrets"),
      new Coded("ECONNREFUSED", "10.0.0.1"),
      new Coded("constructor", "own property only"),
      "a string",
      undefined,
    ]) {
      expect(withoutContext(await invoke(failingWith(error)))).toStrictEqual({
        status: 500,
        headers: problemHeaders,
        body: problem(500, "INTERNAL_ERROR", "Internal error", "the request failed through no fault of its own"),
      });
    }
  });

  it("that a handler states is answered with its headers", async () => {
    const stated = new HttpProblem(404, "ORDER_NOT_FOUND", "there is none", { headers: { "x-extra": "1" } });
    expect(withoutContext(await invoke(failingWith(stated)))).toStrictEqual({
      status: 404,
      headers: { ...problemHeaders, "x-extra": "1" },
      body: problem(404, "ORDER_NOT_FOUND", "Order not found", "there is none"),
    });
  });

  it("to answer before the function's time is up is a 503, while there is time to say so", async () => {
    const hanging = httpFunction(silent).handler(() => new Promise<never>(() => undefined));
    expect(await invoke(hanging, {}, lambdaContext(300))).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      body: { code: "OUT_OF_TIME" },
    });
  });
});

describe("correlation", () => {
  const origin = httpFunction(silent).handler((event) => Promise.resolve(json(200, event.origin)));

  it("takes the id that was sent, echoes it, and goes on with trace and request", async () => {
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const { headers, body } = await invoke(origin, { headers: { "x-correlation-id": "abc-1", traceparent } });
    expect(headers["x-correlation-id"]).toBe("abc-1");
    expect(body).toStrictEqual({ correlationId: "abc-1", causationId: expect.any(String) as unknown, traceparent });
  });

  it.each([["has spaces"], [""], ["x".repeat(129)], ["<script>"], ["a\nb"]])("replaces %j", async (sent) => {
    const { headers } = await invoke(origin, { headers: { "x-correlation-id": sent } });
    expect(headers["x-correlation-id"]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([["00-0-0-0"], [`00-${"0".repeat(32)}-00f067aa0ba902b7-01`]])(
    "leaves out the traceparent %j",
    async (sent) => {
      expect((await invoke(origin, { headers: { traceparent: sent } })).body).not.toHaveProperty("traceparent");
    },
  );

  it("is in the answer to a failure, too", async () => {
    const { headers } = await invoke(failingWith(new Error("x")), { headers: { "x-correlation-id": "abc-1" } });
    expect(headers["x-correlation-id"]).toBe("abc-1");
  });
});

describe("the log", () => {
  const logged = async (act: (log: ReturnType<typeof createLogger>) => Promise<unknown>): Promise<unknown[]> => {
    const lines: string[] = [];
    await act(createLogger("test", { level: "info", destination: { write: (line) => void lines.push(line) } }));
    return lines.map((line) => JSON.parse(line) as unknown);
  };
  const headers = { "x-correlation-id": "abc-1", authorization: "Bearer secret", "idempotency-key": "secret" };

  it("has one line a request, with its correlation id and without what was sent", async () => {
    const lines = await logged((log) =>
      invoke(
        httpFunction(log).handler(() => Promise.resolve(json(200, {}))),
        { path: "/things/1", headers, body: { secret: 1 }, query: { secret: "1" } },
      ),
    );
    expect(lines).toStrictEqual([
      {
        level: "info",
        time: expect.any(Number) as unknown,
        name: "test",
        correlationId: "abc-1",
        method: "POST",
        path: "/things/1",
        status: 200,
        durationMs: expect.any(Number) as unknown,
        msg: "answered",
      },
    ]);
  });

  it("calls what the client got wrong refused, and what we did failed", async () => {
    const lines = await logged(async (log) => {
      await invoke(httpFunction(log).handler(() => Promise.reject(new HttpProblem(404, "ORDER_NOT_FOUND", "none"))));
      await invoke(httpFunction(log).handler(() => Promise.reject(new Error("broken"))));
    });
    expect(lines).toMatchObject([
      { level: "info", status: 404, code: "ORDER_NOT_FOUND", msg: "refused" },
      { level: "error", status: 500, code: "INTERNAL_ERROR", msg: "failed", err: { name: "Error", message: "broken" } },
    ]);
  });

  it("describes an error with its causes, and without credentials or what clients hang on it", async () => {
    const cause = new Error("cannot reach esdb://admin:changeit@db:2113?tls=true");
    const error = Object.assign(new Error("outer", { cause }), { code: "E", request: { authorization: "secret" } });
    const lines = await logged((log) => invoke(httpFunction(log).handler(() => Promise.reject(error))));
    expect(lines).toMatchObject([
      {
        err: {
          name: "Error",
          code: "E",
          message: "outer",
          cause: { message: "cannot reach esdb://***@db:2113?tls=true" },
        },
      },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/changeit|secret/);
  });
});

describe("an event that is no HTTP request", () => {
  const request = apiGatewayEvent();

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["an empty object", {}],
    ["a batch of events", { records: [] }],
    ["a request of a REST API", { ...request, requestContext: { httpMethod: "GET" } }],
    ["a request without its context", { ...request, requestContext: undefined }],
    ["a request without headers", { ...request, headers: undefined }],
  ])("(%s) fails the invocation with a stable code, before anything is done or logged", async (_, event) => {
    const written: string[] = [];
    const log = createLogger("test", { level: "info", destination: { write: (line) => void written.push(line) } });
    let handled = false;
    const handler = httpFunction(log).handler(() => {
      handled = true;
      return Promise.resolve(json(200, {}));
    });
    // Whoever invokes a function may send anything.
    const error: unknown = await handler(event as HttpEvent, lambdaContext()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotAnHttpEventError);
    expect(error).toMatchObject({
      name: "NotAnHttpEventError",
      code: "NOT_AN_HTTP_EVENT",
      message:
        "the event is no HTTP request (API Gateway HTTP API, payload format 2.0): " +
        "call the function by its route, or invoke it with such an event",
    });
    expect({ handled, written }).toStrictEqual({ handled: false, written: [] });
  });
});
