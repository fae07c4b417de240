import { build } from "esbuild";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const repository = join(import.meta.dirname, "../..");

const commands = ["ordering", "customers", "billing", "logistics", "order-to-cash"];
const queries = [
  "get-order",
  "list-orders",
  "get-customer",
  "get-customer-account",
  "list-customer-orders",
  "get-invoice",
  "list-invoices",
  "get-shipment",
  "shipments-to-dispatch",
  "get-order-to-cash",
  "sales-by-month",
  "product-sales",
];

/** Packages whose code is in a function's bundle. `client-ssm` stays outside: it is part of Lambda's runtime. */
async function packagesIn(name: string): Promise<Set<string>> {
  const { metafile } = await build({
    absWorkingDir: repository,
    entryPoints: [`functions/${name}.ts`],
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["@aws-sdk/client-ssm"],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  const packages = Object.entries(output?.inputs ?? {})
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([input]) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]);
  return new Set(packages.filter((name) => name !== undefined));
}

describe("a function's bundle", () => {
  it.each(commands)("of the command %s holds no AWS client", async (name) => {
    const packages = await packagesIn(name);
    expect([...packages].filter((found) => /^@(aws-sdk|smithy)\//.test(found))).toStrictEqual([]);
    expect(packages).toContain("@eventstore/db-client");
  });

  it.each(queries)("of the query %s holds no event store client", async (name) => {
    const packages = await packagesIn(name);
    expect([...packages].filter((found) => /^@(eventstore|grpc)\//.test(found))).toStrictEqual([]);
    expect(packages).toContain("@aws-sdk/client-dynamodb");
  });
});
