/** A query asked again by who has its answer already, and one that is good only for a certain state. */
import { describe, expect, it } from "vitest";
import { conditionalRequest } from "../../../engine/http/conditional-request.ts";
import { httpFunction, json } from "../../../engine/http/http-function.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { HttpProblem } from "../../../engine/http/problem.ts";
import { queryAnswer } from "../../../engine/http/query-answer.ts";
import { answerOf, invoke } from "./api-gateway.ts";

const silent = createLogger("test", { level: "silent" });

const query = httpFunction(silent)
  .use(conditionalRequest())
  .handler(() => Promise.resolve(queryAnswer({}, { generation: "g1", revision: 3n })));

const etag = '"3.g1.RBNvo1WzZ4oRRq0W"';
const kept = { "cache-control": "private, no-cache", etag, "x-correlation-id": "c" };

const ask = (headers: Record<string, string>) =>
  answerOf(query, { method: "GET", headers: { "x-correlation-id": "c", ...headers } });

describe("the answer of a query", () => {
  it("has a tag, and may be kept by who asks before using it again", async () => {
    expect(await ask({})).toStrictEqual({
      statusCode: 200,
      headers: { "content-type": "application/json", ...kept },
      body: "{}",
    });
  });
});

describe("If-None-Match", () => {
  it.each([etag, `W/${etag}`, `"3", ${etag}`, "*"])(
    "%s: a 304 without a body, with what a cache needs",
    async (tag) => {
      expect(await ask({ "if-none-match": tag })).toStrictEqual({ statusCode: 304, headers: kept });
      expect(await ask({ "If-None-Match": tag })).toStrictEqual({ statusCode: 304, headers: kept });
    },
  );

  it.each(['"3"', '"3.g2.RBNvo1WzZ4oRRq0W"', '"3.g1.RBNvo1WzZ4oRRq0X"', '"4.g1.RBNvo1WzZ4oRRq0W"', '""'])(
    "%s names another revision, generation or content: the answer",
    async (tag) => {
      expect(await ask({ "if-none-match": tag })).toMatchObject({ statusCode: 200, body: "{}" });
    },
  );

  it("that is malformed is a 400 before anything is read, and is not stored", async () => {
    const untouched = httpFunction(silent)
      .use(conditionalRequest())
      .handler(() => Promise.reject(new Error("was read")));
    expect(await invoke(untouched, { headers: { "if-none-match": "3" } })).toMatchObject({
      status: 400,
      headers: { "cache-control": "no-store" },
      body: { code: "INVALID_REQUEST", errors: [{ field: "If-None-Match" }] },
    });
  });
});

describe("If-Match", () => {
  it.each([etag, `"3", ${etag}`, "*"])("%s: the answer", async (tag) => {
    expect(await ask({ "if-match": tag })).toMatchObject({ statusCode: 200, body: "{}" });
  });

  it.each(['"3"', `W/${etag}`])("%s is not the tag of the answer: a 412", async (tag) => {
    // It comes first, as the RFC has it: who asks for a certain state is not told that nothing has changed.
    expect(await invoke(query, { headers: { "if-match": tag, "if-none-match": etag } })).toMatchObject({
      status: 412,
      headers: { "cache-control": "no-store" },
      body: { code: "PRECONDITION_FAILED", errors: [{ field: "If-Match", message: "does not match" }] },
    });
  });

  it("that is met leaves it to If-None-Match", async () => {
    expect((await ask({ "if-match": etag, "if-none-match": etag })).statusCode).toBe(304);
  });

  it("that is malformed is a 400", async () => {
    expect(await invoke(query, { headers: { "if-match": "" } })).toMatchObject({
      status: 400,
      body: { errors: [{ field: "If-Match" }] },
    });
  });
});

describe("what has no tag", () => {
  it("is answered whatever the condition: a problem, and what is no query's", async () => {
    const conditions = { "if-none-match": "*", "if-match": '"3"' };
    const missing = httpFunction(silent)
      .use(conditionalRequest())
      .handler(() => Promise.reject(new HttpProblem(404, "THING_NOT_FOUND", "there is no such thing")));
    expect(await invoke(missing, { headers: conditions })).toMatchObject({
      status: 404,
      headers: { "cache-control": "no-store" },
    });
    const untagged = httpFunction(silent)
      .use(conditionalRequest())
      .handler(() => Promise.resolve(json(200, {})));
    expect(await invoke(untagged, { headers: conditions })).toMatchObject({
      status: 200,
      headers: { "cache-control": "no-store" },
      body: {},
    });
  });
});
