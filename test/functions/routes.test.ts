/** What `serverless.yml` routes, what the functions answer and what is documented are the same. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { routed } from "./routed.ts";

const repository = join(import.meta.dirname, "../..");

const moduleSchema = z.object({ handler: z.function(), routes: z.record(z.string(), z.unknown()).optional() });

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
