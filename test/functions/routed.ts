/** What `serverless.yml` routes: route keys by function, as API Gateway writes them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

const serviceSchema = z.object({
  functions: z.record(z.string(), z.object({ events: z.array(z.record(z.string(), z.unknown())).default([]) })),
});
const routeSchema = z.object({ httpApi: z.object({ method: z.string(), path: z.string() }) });

export async function routed(): Promise<Map<string, string[]>> {
  const service = await readFile(join(import.meta.dirname, "../../serverless.yml"), "utf8");
  const { functions } = serviceSchema.parse(parse(service));
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
