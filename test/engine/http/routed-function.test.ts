import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { httpFunction, json } from "../../../engine/http/http-function.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { NotAnHttpEventError } from "../../../engine/http/not-an-http-event.ts";
import { pathParameters } from "../../../engine/http/parameters.ts";
import { routedFunction } from "../../../engine/http/routed-function.ts";
import { invoke, lambdaContext } from "./api-gateway.ts";

const lines: string[] = [];
const destination = new Writable({
  write: (chunk: Buffer, _, done) => {
    lines.push(chunk.toString());
    done();
  },
});
const log = createLogger("test", { level: "error", destination });

const routed = routedFunction(log, {
  "POST /things": httpFunction(log).handler(() => Promise.resolve(json(201, "made"))),
  "POST /things/{thingId}/break": httpFunction(log)
    .use(pathParameters(z.strictObject({ thingId: z.string().max(3) })))
    .handler(({ path }) => Promise.resolve(json(200, path))),
});

describe("a function with several routes", () => {
  it("answers each by its own handler, with its own middleware", async () => {
    expect(await invoke(routed, { route: "POST /things" })).toMatchObject({ status: 201, body: "made" });
    const route = "POST /things/{thingId}/break";
    const broken = await invoke(routed, { route, pathParameters: { thingId: "a/b" } });
    expect(broken).toMatchObject({ status: 200, body: { thingId: "a/b" } });
    const refused = await invoke(routed, { route, pathParameters: { thingId: "long" } });
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ field: "thingId" }] } });
  });

  it("goes by the route, whatever the path looks like", async () => {
    const answer = await invoke(routed, { route: "POST /things", path: "/v1/things/7/break" });
    expect(answer).toMatchObject({ status: 201, body: "made" });
  });

  it.each(["GET /things", "POST /things/7/break", "constructor", "$default"])(
    "answers 500 on a route that it does not have, and its log says what to do: %s",
    async (route) => {
      lines.length = 0;
      const { status, headers, body } = await invoke(routed, { route });
      expect({ status, type: headers["content-type"], body }).toMatchObject({
        status: 500,
        type: "application/problem+json",
        body: { code: "INTERNAL_ERROR" },
      });
      const [line = ""] = lines;
      expect(JSON.parse(line)).toMatchObject({
        err: {
          code: "ROUTE_UNKNOWN",
          message: `no route "${route}" in this function: add it, or take it out of serverless.yml`,
        },
      });
    },
  );

  it.each([undefined, null, {}, { routeKey: 1 }, { routeKey: "POST /things" }, "POST /things"])(
    "fails for what is no request: %j",
    async (event) => {
      // What an invocation by hand may carry is no request of API Gateway, which is what the type says.
      await expect(routed(event as never, lambdaContext())).rejects.toThrow(NotAnHttpEventError);
    },
  );
});
