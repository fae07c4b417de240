import { ESLint } from "eslint";
import tseslint from "typescript-eslint";
import { describe, expect, it } from "vitest";

const eslint = new ESLint({
  // The files linted here do not exist, so the rules that ask the type checker about them are left out.
  overrideConfig: [{ ...tseslint.configs.disableTypeChecked, files: ["**/*.ts"] }],
});

async function complaints(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath });
  const rules = ["import-x/no-restricted-paths", "no-restricted-imports", "no-restricted-globals"];
  const properties = ["no-restricted-properties", "no-restricted-syntax"];
  const messages = result?.messages ?? [];
  return messages.flatMap(({ ruleId }) =>
    ruleId !== null && [...rules, ...properties].includes(ruleId) ? [ruleId] : [],
  );
}

describe("the import direction", () => {
  it.each([
    ["domain/ordering/new.ts", `import "../../engine/views/projection.ts";`],
    ["domain/ordering/new.ts", `import "../../projections/order-summary.ts";`],
    ["domain/kernel/new.ts", `import "../ordering/events.ts";`],
    ["domain/kernel/new.ts", `import "../order-to-cash/events.ts";`],
    ["domain/order-to-cash/new.ts", `import "../ordering/events.ts";`],
    ["domain/order-to-cash/new-folder/new.ts", `import "../../billing/events.ts";`],
    ["projections/new.ts", `import "../engine/views/live-writer.ts";`],
    ["projections/new.ts", `import "../functions/get-order.ts";`],
    ["engine/views/new.ts", `import "../../domain/kernel/money.ts";`],
    ["engine/views/new.ts", `import "../../projections/order-summary.ts";`],
    ["engine/delivery/new.ts", `import "../../local/eventstoredb/event-store-server.ts";`],
    ["functions/new.ts", `import "../local/eventstoredb/event-store-server.ts";`],
    ["local/eventstoredb/new.ts", `import "../../engine/views/projection.ts";`],
    ["local/eventstoredb/log/new.ts", `import "../grpc/uuid.ts";`],
    ["local/eventstoredb/log/new.ts", `import "../security/users.ts";`],
    ["local/eventstoredb/persistent-subscriptions/new.ts", `import "../grpc/uuid.ts";`],
    ["local/eventstoredb/security/new.ts", `import "../persistent-subscriptions/queue.ts";`],
  ])("refuses in %s: %s", async (file, code) => {
    expect(await complaints(file, code)).toStrictEqual(["import-x/no-restricted-paths"]);
  });

  const folders = ["ordering", "customers", "billing", "logistics", "order-to-cash"];
  const contexts = folders.slice(0, -1);

  it.each(contexts.flatMap((context) => folders.filter((other) => other !== context).map((other) => [context, other])))(
    "refuses in the context %s what is of %s",
    async (context, other) => {
      const code = `import "../${other}/events.ts";`;
      expect(await complaints(`domain/${context}/new.ts`, code)).toStrictEqual(["import-x/no-restricted-paths"]);
    },
  );

  it.each(contexts)("allows the process to know %s where it translates", async (context) => {
    const code = `import "../../${context}/events.ts";`;
    expect(await complaints("domain/order-to-cash/translations/new.ts", code)).toStrictEqual([]);
  });

  it.each([
    ["domain/ordering/new.ts", `import "../kernel/money.ts";\nimport "./events.ts";`],
    ["domain/order-to-cash/new.ts", `import "../kernel/money.ts";\nimport "./translations/borders.ts";`],
    ["projections/new.ts", `import "../engine/views/projection.ts";\nimport "../domain/kernel/money.ts";`],
    ["functions/new.ts", `import "../engine/views/live-writer.ts";\nimport "../projections/order-summary.ts";`],
    ["local/eventstoredb/log/new.ts", `import "../protobuf/encoding.ts";`],
    ["local/eventstoredb/grpc/new.ts", `import "../security/users.ts";\nimport "../log/event.ts";`],
    ["local/new.ts", `import "../engine/views/live-writer.ts";`],
  ])("allows in %s: %s", async (file, code) => {
    expect(await complaints(file, code)).toStrictEqual([]);
  });
});

describe("the purity of domain and projections", () => {
  it.each([
    [`import "node:fs";`, "no-restricted-imports"],
    [`import "@aws-sdk/client-dynamodb";`, "no-restricted-imports"],
    [`import "@eventstore/db-client";`, "no-restricted-imports"],
    [`export const at = Date.now();`, "no-restricted-properties"],
    [`export const at = new Date();`, "no-restricted-syntax"],
    [`export const id = Math.random();`, "no-restricted-properties"],
    [`export const stage = process.env["STAGE"];`, "no-restricted-globals"],
  ])("refuses %s", async (code, rule) => {
    expect(await complaints("domain/ordering/new.ts", code)).toStrictEqual([rule]);
    expect(await complaints("projections/new.ts", code)).toStrictEqual([rule]);
  });

  it("is asked of the engine of persistent subscriptions, too", async () => {
    const engine = "local/eventstoredb/persistent-subscriptions/engine.ts";
    expect(await complaints(engine, `export const at = Date.now();`)).toStrictEqual(["no-restricted-properties"]);
  });
});
