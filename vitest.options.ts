/** What all runs of tests have in common. */
import { fileURLToPath } from "node:url";
import type { ViteUserConfig } from "vitest/config";

// Each worker loads the same packages.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/node/", import.meta.url));

const report = process.env["TIDEMARK_TEST_REPORT"];

export const options = {
  globalSetup: ["test/servers/dynamodb-for-all-tests.ts"],
  // Tests wait for servers more than they compute; on two cores four files at once keep both busy.
  maxWorkers: 4,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  // What is waited for comes when it comes: machines are slow at times, and no test is about how slow.
  expect: { poll: { timeout: 20_000, interval: 10 } },
  reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
} satisfies NonNullable<ViteUserConfig["test"]>;
