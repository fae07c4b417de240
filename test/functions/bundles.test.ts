import { build } from "esbuild";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const repository = join(import.meta.dirname, "../..");

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
  it.each(["place-order", "cancel-order"])("of the command %s holds no AWS client", async (name) => {
    const packages = await packagesIn(name);
    expect([...packages].filter((found) => /^@(aws-sdk|smithy)\//.test(found))).toStrictEqual([]);
    expect(packages).toContain("@eventstore/db-client");
  });

  it.each(["get-order", "list-orders", "sales-by-month"])(
    "of the query %s holds no event store client",
    async (name) => {
      const packages = await packagesIn(name);
      expect([...packages].filter((found) => /^@(eventstore|grpc)\//.test(found))).toStrictEqual([]);
      expect(packages).toContain("@aws-sdk/client-dynamodb");
    },
  );
});
