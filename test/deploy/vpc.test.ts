/** An event store in a VPC: who is put there may be there, and who has no business with it stays outside. */
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { functionsOf, type Template, templateWith } from "./packaged-copy.ts";

const vpcPolicy = "AWSLambdaENIManagementAccess";
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
const filledIn = `  eventStoreVpc:
    securityGroupIds: [sg-0123456789abcdef0]
    subnetIds: [subnet-0123456789abcdef0, subnet-0fedcba9876543210]`;

const roleOf = z.object({ Role: z.object({ "Fn::GetAtt": z.tuple([z.string(), z.literal("Arn")]) }) });

describe("a service whose event store lies in a VPC", () => {
  let template: Template;

  beforeAll(async () => {
    template = await templateWith({ line: "  eventStoreVpc: false", replacement: filledIn });
  });

  it("puts there every function that reads the connection string, and no query", () => {
    const all = [...functionsOf(template)];
    const inside = all.filter(([, { VpcConfig }]) => VpcConfig !== undefined).map(([name]) => name);
    const callers = all
      .filter(([, { Environment }]) => JSON.stringify(Environment).includes("EVENTSTORE_CONNECTION_STRING_PARAMETER"))
      .map(([name]) => name);
    expect(inside).toStrictEqual(callers);
    expect(all.map(([name]) => name).filter((name) => !inside.includes(name))).toStrictEqual(queries);
  });

  it("gives each the subnets and the security group that were filled in", () => {
    for (const [name, { VpcConfig }] of functionsOf(template)) {
      const configured = {
        SecurityGroupIds: ["sg-0123456789abcdef0"],
        SubnetIds: ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
      };
      expect([name, VpcConfig]).toStrictEqual([name, queries.includes(name) ? undefined : configured]);
    }
  });

  it("lets exactly the roles of those functions make network interfaces, without which the deployment fails", () => {
    for (const [name, properties] of functionsOf(template)) {
      const [role] = roleOf.parse(properties).Role["Fn::GetAtt"];
      const policies = JSON.stringify(template.Resources[role]?.Properties["ManagedPolicyArns"] ?? []);
      expect([name, policies.includes(vpcPolicy)]).toStrictEqual([name, properties["VpcConfig"] !== undefined]);
    }
  });
});
