/** What `serverless.yml` routes, what the functions answer and what is documented are the same. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const repository = join(import.meta.dirname, "../..");

const serviceSchema = z.object({
  functions: z.record(z.string(), z.object({ events: z.array(z.record(z.string(), z.unknown())).default([]) })),
});
const routeSchema = z.object({ httpApi: z.object({ method: z.string(), path: z.string() }) });
const moduleSchema = z.object({ handler: z.function(), routes: z.record(z.string(), z.unknown()).optional() });

/** Route keys by function, as API Gateway writes them. */
async function routed(): Promise<Map<string, string[]>> {
  const { functions } = serviceSchema.parse(parse(await readFile(join(repository, "serverless.yml"), "utf8")));
  const found = new Map<string, string[]>();
  for (const [name, { events }] of Object.entries(functions)) {
    const routes = events.flatMap((event) => {
      const { data } = routeSchema.safeParse(event);
      return data === undefined ? [] : [`${data.httpApi.method.toUpperCase()} ${data.httpApi.path}`];
    });
    if (routes.length > 0) found.set(name, routes);
  }
  return found;
}

/** The rows of the API's table: in the first column a route, perhaps with others that end differently. */
async function documented(): Promise<string[]> {
  const page = await readFile(join(repository, "docs/command-side.md"), "utf8");
  return [...page.matchAll(/^\| (`(?:GET|POST) [^|]+)\|/gm)].flatMap(([, cell = ""]) => {
    const spans = [...cell.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span.replace(/\?.*/, ""));
    const [first = ""] = spans;
    return spans.flatMap((span) => {
      if (span.startsWith("/")) return [first.replace(/\/[^/]*$/, span)];
      return /^[A-Z]+ \//.test(span) ? [span] : [];
    });
  });
}

describe("the routes", () => {
  let functions: Map<string, string[]>;

  beforeAll(async () => {
    functions = await routed();
  });

  it("each lead to a function that knows them, and a function's own are all routed", async () => {
    for (const [name, routes] of functions) {
      const { routes: own } = moduleSchema.parse(await import(`../../functions/${name}.ts`));
      // A function without a table has one route, which it need not tell from others.
      if (own === undefined) expect([name, routes.length]).toStrictEqual([name, 1]);
      else expect([name, routes.toSorted()]).toStrictEqual([name, Object.keys(own).sort()]);
    }
    expect(functions.get("ordering")).toContain("POST /orders/{orderId}/cancel");
  });

  it("are those that the documentation lists", async () => {
    expect((await documented()).sort()).toStrictEqual([...functions.values()].flat().sort());
  });
});
