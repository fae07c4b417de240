/** What would be deployed: every function packaged, loadable, reachable by its route, with a role of its own. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { checkAsked } from "../../functions/views-to-check.ts";
import { viewNames } from "../../projections/registry.ts";
import { run } from "../system/started-system.ts";

const execute = promisify(execFile);
const project = join(import.meta.dirname, "../..");

const commands = ["ordering", "customers", "billing", "logistics", "order-to-cash"];
const queries = [
  ...["get-order", "list-orders", "get-customer", "get-customer-account", "list-customer-orders", "get-invoice"],
  ...["list-invoices", "get-shipment", "shipments-to-dispatch", "get-order-to-cash", "sales-by-month", "product-sales"],
];

const serviceSchema = z.object({
  functions: z.record(
    z.string(),
    z.object({
      handler: z.string(),
      role: z.string(),
      timeout: z.int().optional(),
      events: z.array(z.record(z.string(), z.unknown())).optional(),
    }),
  ),
});

const ruleSchema = z.object({
  ScheduleExpression: z.string(),
  Targets: z.tuple([z.object({ Input: z.string().optional() })]),
});

const routeSchema = z.object({ httpApi: z.object({ method: z.string(), path: z.string() }) });

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).optional() }),
  ),
});

const statementSchema = z.object({
  Policies: z.array(
    z.object({
      PolicyDocument: z.object({
        Statement: z.array(z.object({ Action: z.union([z.string(), z.array(z.string())]), Resource: z.unknown() })),
      }),
    }),
  ),
});

/** Loads packaged handlers outside of the project, as Lambda would, and says what each exports. */
async function exportsOf(bundles: ReadonlyMap<string, string>): Promise<unknown> {
  const code = `
    const exported = {};
    for (const [name, bundle] of JSON.parse(process.argv[1])) exported[name] = typeof (await import("file://" + bundle)).handler;
    console.log(JSON.stringify(exported));`;
  const words = ["--input-type=module", "-e", code, JSON.stringify([...bundles])];
  const { stdout } = await execute(process.execPath, words, { cwd: tmpdir() });
  return JSON.parse(stdout);
}

describe("the packaged service", () => {
  let output: string;
  let functions: z.output<typeof serviceSchema>["functions"];
  let template: z.output<typeof templateSchema>;
  const bundles = new Map<string, string>();

  beforeAll(async () => {
    output = await mkdtemp(join(tmpdir(), "tidemark-package-"));
    const words = [join(project, "deploy/package.ts"), "--output", output, "--json"];
    const environment = { ...process.env, TIDEMARK_BUILD_FOLDER: relative(project, join(output, "build")) };
    await execute(process.execPath, words, { cwd: project, env: environment });
    ({ functions } = serviceSchema.parse(parse(await readFile(join(project, "serverless.yml"), "utf8"))));
    const text = await readFile(join(output, "cloudformation-template-update-stack.json"), "utf8");
    template = templateSchema.parse(JSON.parse(text));
    for (const name of Object.keys(functions)) {
      const files = unzipSync(await readFile(join(output, `${name}.zip`)));
      const [file, content] = Object.entries(files).find(([path]) => path.endsWith(".mjs")) ?? ["", new Uint8Array()];
      const bundle = join(output, `${name}.mjs`);
      expect(file).toBe(`functions/${name}.mjs`);
      await writeFile(bundle, content);
      bundles.set(name, bundle);
    }
    // Two dozen bundles, on a machine that may be busy with other tests.
  }, 400_000);

  afterAll(async () => {
    await rm(output, { recursive: true, force: true });
  });

  const resourcesOf = (type: string): Record<string, unknown>[] =>
    Object.values(template.Resources).flatMap(({ Type, Properties }) => (Type === type ? [Properties ?? {}] : []));

  it("holds a handler for every function, and every entry point is deployed", async () => {
    const all = Object.fromEntries([...bundles.keys()].map((name) => [name, "function"]));
    expect(await exportsOf(bundles)).toStrictEqual(all);
    const entryPoints: string[] = [];
    for (const file of await readdir(join(project, "functions"))) {
      const text = await readFile(join(project, "functions", file), "utf8");
      if (/^export const handler\b/m.test(text)) entryPoints.push(file.replace(/\.ts$/, ""));
    }
    expect(entryPoints.sort()).toStrictEqual(Object.keys(functions).sort());
  }, 60_000);

  it("deploys exactly the routes of serverless.yml", () => {
    const declared = Object.values(functions)
      .flatMap(({ events = [] }) => events)
      .flatMap((event) => (routeSchema.safeParse(event).success ? [routeSchema.parse(event).httpApi] : []))
      .map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    const deployed = resourcesOf("AWS::ApiGatewayV2::Route").map(({ RouteKey }) => RouteKey);
    expect(deployed.sort()).toStrictEqual(declared.sort());
    expect(declared).toContain("POST /orders/{orderId}/cancel");
  });

  it("runs every function on Node.js 24 under a role of its own", () => {
    const deployed = resourcesOf("AWS::Lambda::Function");
    expect(deployed.map(({ Runtime }) => Runtime)).toStrictEqual(Object.keys(functions).map(() => "nodejs24.x"));
    const roles = Object.values(functions).map(({ role }) => role);
    expect(new Set(roles).size).toBe(roles.length);
    expect(roles.filter((role) => template.Resources[role]?.Type === "AWS::IAM::Role")).toStrictEqual(roles);
  });

  it("checks all rows of every view at night, one view after the other, each with the whole time of an invocation", () => {
    const nightly = resourcesOf("AWS::Events::Rule")
      .map((rule) => ruleSchema.parse(rule))
      .flatMap(({ ScheduleExpression, Targets: [{ Input }] }) => {
        const [, minute, hour] = /^cron\((\d+) (\d+) \* \* \? \*\)$/.exec(ScheduleExpression) ?? [];
        if (minute === undefined || hour === undefined) return [];
        const asked = checkAsked(JSON.parse(Input ?? "{}"), () => "seed");
        return asked.views.map((view) => ({ view, only: asked.only, minute: 60 * Number(hour) + Number(minute) }));
      });
    expect(nightly.map(({ view }) => view).sort()).toStrictEqual([...viewNames].sort());
    expect(nightly.filter(({ only }) => only !== undefined)).toStrictEqual([]);
    const begun = nightly.map(({ minute }) => minute).sort((one, other) => one - other);
    const between = begun.slice(1).map((minute, index) => minute - (begun[index] ?? 0));
    const longest = (functions["check"]?.timeout ?? Number.NaN) / 60;
    expect(between.filter((minutes) => minutes < longest)).toStrictEqual([]);
  });

  it("puts no function into a VPC as long as none is filled in", () => {
    expect(resourcesOf("AWS::Lambda::Function").filter(({ VpcConfig }) => VpcConfig !== undefined)).toStrictEqual([]);
  });

  it("allows no wildcard action, and no resource of everything but for traces", () => {
    for (const role of resourcesOf("AWS::IAM::Role")) {
      for (const { PolicyDocument } of statementSchema.parse(role).Policies) {
        for (const { Action, Resource } of PolicyDocument.Statement) {
          const actions = [Action].flat();
          expect(actions.filter((action) => action.includes("*"))).toStrictEqual([]);
          if (Resource === "*") expect(actions.every((action) => action.startsWith("xray:"))).toBe(true);
        }
      }
    }
  });

  it("lets query functions read by key and by index, and neither scan nor write", () => {
    for (const name of queries) {
      const role = template.Resources[functions[name]?.role ?? ""]?.Properties;
      const actions = statementSchema
        .parse(role)
        .Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement.flatMap(({ Action }) => Action))
        .filter((action) => action.startsWith("dynamodb:"));
      const others = actions.filter((action) => !["dynamodb:GetItem", "dynamodb:Query"].includes(action));
      expect([name, actions.length > 0, others]).toStrictEqual([name, true, []]);
    }
  });

  it("has no tables but the fixed ones, on demand and with point-in-time recovery", () => {
    const kept = {
      BillingMode: "PAY_PER_REQUEST",
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    };
    expect(resourcesOf("AWS::DynamoDB::Table")).toMatchObject([
      { ...kept, TableName: "tidemark-dev-catalog" },
      {
        ...kept,
        TableName: "tidemark-dev-quarantine",
        TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
      },
    ]);
  });

  it("puts no secret into a function's environment", () => {
    const names = resourcesOf("AWS::Lambda::Function").flatMap(({ Environment }) =>
      Object.keys(z.object({ Variables: z.record(z.string(), z.unknown()) }).parse(Environment).Variables),
    );
    expect([...new Set(names)].sort()).toStrictEqual([
      "EVENTSTORE_CONNECTION_STRING_PARAMETER",
      "FUNCTION_PREFIX",
      "TABLE_PREFIX",
    ]);
  });

  it.each([
    ...commands.map((name) => ({ name, needs: { dynamodb: false, eventStore: true } })),
    ...queries.map((name) => ({ name, needs: { dynamodb: true, eventStore: false } })),
  ])("bundles into $name only the client that it needs", async ({ name, needs }) => {
    const code = await readFile(bundles.get(name) ?? "", "utf8");
    const has = {
      dynamodb: code.includes("DynamoDB_20120810"),
      eventStore: code.includes("event_store.client.streams"),
    };
    expect(has).toStrictEqual(needs);
    expect(code).not.toContain("AWSLambda:Invoke");
  });
});

describe("npm run package", () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "tidemark-package-"));
    await writeFile(join(directory, "mine.txt"), "precious");
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const packaging = (...words: string[]) => run([process.execPath, join(project, "deploy/package.ts"), ...words]);

  it.each([
    [["--nonsense"], "error: unknown option '--nonsense'\n"],
    [["--output"], "error: option '--output <directory>' argument missing\n"],
    [["everything"], "error: too many arguments. Expected 0 arguments but got 1: everything.\n"],
    [
      ["--stage", "a b"],
      "error: option '--stage <stage>' argument 'a b' is invalid. A stage is 1 to 20 letters, digits and '-'.\n",
    ],
  ])("%j is wrong usage: one line, and exit code 2", async (words, stderr) => {
    expect(await packaging(...words)).toStrictEqual({ code: 2, stdout: "", stderr });
  });

  it("has --help", async () => {
    const { code, stdout, stderr } = await packaging("--help");
    expect({ code, usage: stdout.split("\n")[0], stderr }).toStrictEqual({
      code: 0,
      usage: "Usage: npm run package -- [options]",
      stderr: "",
    });
  });

  it("replaces no directory that holds something else, and no file", async () => {
    expect(await packaging("--output", directory)).toStrictEqual({
      code: 2,
      stdout: "",
      stderr: `error: ${directory} holds other files, which packaging would remove: give a new or an empty --output\n`,
    });
    const file = join(directory, "mine.txt");
    const { code, stderr } = await packaging("--output", relative(project, file), "--json");
    expect({ code, error: JSON.parse(stderr) as unknown }).toStrictEqual({
      code: 2,
      error: {
        error: { code: "OUTPUT_DIRECTORY", message: `${file} is no directory: give another --output` },
      },
    });
    expect(await readFile(file, "utf8")).toBe("precious");
    const foreign = join(directory, "other.serverless");
    expect(await packaging("--output", foreign)).toStrictEqual({
      code: 2,
      stdout: "",
      stderr: `error: ${foreign} ends with .serverless, which only the project's own may: give another --output\n`,
    });
  });
});
