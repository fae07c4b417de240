/** What each function may do: exactly what it needs, on exactly what it needs it for. */
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { functionsOf, type Template, templateWith } from "./packaged-copy.ts";

const subSchema = z.object({ "Fn::Sub": z.string() }).transform(({ "Fn::Sub": text }) => text);
const functionArnSchema = z.object({ "Fn::GetAtt": z.tuple([z.string(), z.literal("Arn")]) });
const resourceSchema = z.union([
  z.literal("*"),
  subSchema,
  functionArnSchema.transform(({ "Fn::GetAtt": [name] }) => `function ${name}`),
]);

const roleSchema = z.object({
  Policies: z.array(
    z.object({
      PolicyDocument: z.object({
        Statement: z.array(
          z.object({
            Effect: z.literal("Allow"),
            Action: z.union([z.string(), z.array(z.string())]),
            Resource: z.union([resourceSchema, z.array(resourceSchema)]),
            Condition: z.unknown().optional(),
          }),
        ),
      }),
    }),
  ),
});

const account = (service: string) => `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:`;
const connectionString = `${account("ssm")}parameter/tidemark/dev/event-store-connection-string`;
const table = (name: string) => `${account("dynamodb")}table/tidemark-dev-${name}`;

/** A right is an action on a resource. */
const eventStore = [`ssm:GetParameter ${connectionString}`, `kms:Decrypt ${account("kms")}key/*`];
const readCatalog = [`dynamodb:GetItem ${table("catalog")}`];
const on = (resource: string, ...actions: readonly string[]) =>
  actions.map((action) => `dynamodb:${action} ${resource}`);
const logicalName = (name: string) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("-", "Dash");
const invoking = (name: string) => `lambda:InvokeFunction function ${logicalName(name)}LambdaFunction`;
/** A query of a view's table may have its projector bring in what a client has seen. */
const asking = (view: string) => [...on(table(`${view}-*`), "GetItem"), ...readCatalog, invoking(`project-${view}`)];
const rowsOf = asking;
const pagesOf = (view: string) => [...asking(view), ...on(table(`${view}-*`), "Query")];
const indexesOf = (view: string) => [
  ...on(table(`${view}-*`), "Query"),
  ...on(table(`${view}-*/index/*`), "Query"),
  ...readCatalog,
];
const keeping = (view: string) => [
  ...eventStore,
  ...on(table(`${view}-*`), "GetItem", "PutItem", "UpdateItem"),
  ...on(table("catalog"), "GetItem", "PutItem"),
  ...on(table("quarantine"), "GetItem", "PutItem", "UpdateItem"),
];
const making = [
  ...eventStore,
  ...on(
    table("*-v*"),
    ...["BatchGetItem", "BatchWriteItem", "CreateTable", "DeleteItem", "DeleteTable", "DescribeContinuousBackups"],
    ...["DescribeTable", "GetItem", "PutItem", "Query", "Scan", "TagResource", "UpdateContinuousBackups", "UpdateItem"],
  ),
  ...on(table("catalog"), "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
  ...on(table("quarantine"), "DeleteItem", "GetItem", "Query", "UpdateItem"),
];

const checking = [
  ...eventStore,
  ...on(table("*-v*"), "BatchGetItem", "Query", "Scan"),
  ...readCatalog,
  ...on(table("quarantine"), "GetItem", "Query"),
];

const views = [
  "order-summary",
  "sales-by-month",
  "customer-summary",
  "invoice-summary",
  "shipment-summary",
  "shipments-to-dispatch",
  "order-to-cash",
  "customer-account",
  "orders-by-customer",
  "product-sales",
];
const invoked = [...views.map((view) => `project-${view}`), "process-order-to-cash", "write-snapshots"];

const rights: Readonly<Record<string, readonly string[]>> = {
  ordering: eventStore,
  customers: eventStore,
  billing: eventStore,
  logistics: eventStore,
  "order-to-cash": eventStore,
  "get-order": rowsOf("order-summary"),
  "list-orders": indexesOf("order-summary"),
  "get-customer": rowsOf("customer-summary"),
  "get-customer-account": rowsOf("customer-account"),
  "list-customer-orders": pagesOf("orders-by-customer"),
  "get-invoice": rowsOf("invoice-summary"),
  "list-invoices": indexesOf("invoice-summary"),
  "get-shipment": rowsOf("shipment-summary"),
  "shipments-to-dispatch": indexesOf("shipments-to-dispatch"),
  "get-order-to-cash": rowsOf("order-to-cash"),
  "sales-by-month": pagesOf("sales-by-month"),
  "product-sales": pagesOf("product-sales"),
  ...Object.fromEntries(views.map((view) => [`project-${view}`, keeping(view)])),
  "process-order-to-cash": [...eventStore, ...on(table("quarantine"), "GetItem", "PutItem", "Query", "UpdateItem")],
  "fire-deadlines": [...eventStore, ...indexesOf("order-to-cash")],
  "write-snapshots": eventStore,
  subscriber: [...eventStore, ...invoked.map(invoking)],
  prepare: making,
  // One that is not done when its time is up invokes itself.
  replay: [...making, `lambda:InvokeFunction ${account("lambda")}function:tidemark-dev-replay`],
  quarantine: [
    ...eventStore,
    ...on(table("*-v*"), "GetItem", "PutItem", "UpdateItem"),
    ...on(table("catalog"), "ConditionCheckItem", "GetItem"),
    ...on(table("quarantine"), "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"),
  ],
  check: checking,
  "sample-check": checking,
  repair: [
    ...checking,
    ...on(table("*-v*"), "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
    ...on(table("quarantine"), "UpdateItem"),
  ],
  "quick-check": [
    ...eventStore,
    ...on(table("*-v*"), "BatchGetItem"),
    ...readCatalog,
    ...on(table("catalog"), "PutItem"),
    ...on(table("quarantine"), "Query"),
    ...views.map((view) => invoking(`project-${view}`)),
  ],
  lag: [...eventStore, ...on(table("*-v*"), "BatchGetItem"), ...readCatalog, ...on(table("quarantine"), "Query")],
};

/** What every function may: write its own log, and traces. */
const ofAll = (name: string) => [
  `logs:CreateLogStream ${account("logs")}log-group:/aws/lambda/tidemark-dev-${name}:*`,
  `logs:PutLogEvents ${account("logs")}log-group:/aws/lambda/tidemark-dev-${name}:*`,
  "xray:PutTelemetryRecords *",
  "xray:PutTraceSegments *",
];

const roleOf = z.object({ Role: functionArnSchema });

describe("the roles", () => {
  let template: Template;

  beforeAll(async () => {
    template = await templateWith();
  });

  const statementsOf = (properties: Record<string, unknown>) => {
    const [role] = roleOf.parse(properties).Role["Fn::GetAtt"];
    const { Policies } = roleSchema.parse(template.Resources[role]?.Properties);
    return Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
  };

  it("are of functions that are all listed here", () => {
    expect([...functionsOf(template).keys()].sort()).toStrictEqual(Object.keys(rights).sort());
  });

  it.each(Object.entries(rights))("%s may do what it needs, and nothing else", (name, needed) => {
    const statements = statementsOf(functionsOf(template).get(name) ?? {});
    const allowed = statements.flatMap(({ Action, Resource }) =>
      [Action].flat().flatMap((action) => [Resource].flat().map((resource) => `${action} ${resource}`)),
    );
    expect(allowed.sort()).toStrictEqual([...ofAll(name), ...needed].sort());
  });

  it("decrypt the connection string only, and only as SSM's", () => {
    const conditions = [...functionsOf(template).values()]
      .flatMap(statementsOf)
      .filter(({ Action }) => Action === "kms:Decrypt")
      .map(({ Condition }) => Condition);
    expect(conditions.length).toBeGreaterThan(0);
    for (const condition of conditions) {
      expect(condition).toStrictEqual({
        StringEquals: {
          "kms:ViaService": { "Fn::Sub": "ssm.${AWS::Region}.amazonaws.com" },
          "kms:EncryptionContext:PARAMETER_ARN": { "Fn::Sub": connectionString },
        },
      });
    }
  });

  it("are as many as functions: none is shared", () => {
    const roles = Object.values(template.Resources).filter(({ Type }) => Type === "AWS::IAM::Role");
    expect(new Set(roles.map(({ Properties }) => Properties["RoleName"])).size).toBe(functionsOf(template).size);
    const names = [...functionsOf(template)].map(([name, properties]) => {
      const [role] = roleOf.parse(properties).Role["Fn::GetAtt"];
      return [name, template.Resources[role]?.Properties["RoleName"]];
    });
    expect(names).toStrictEqual(names.map(([name]) => [name, `tidemark-dev-${String(name)}-eu-central-1`]));
  });
});
