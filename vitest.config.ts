import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Each test file has a process of its own, and each loads the same packages.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/node/", import.meta.url));

const report = process.env["TIDEMARK_TEST_REPORT"];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/servers/dynamodb-for-all-tests.ts"],
    // Tests wait for servers more than they compute; on two cores three files at once keep both busy.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What is waited for comes when it comes: machines are slow at times, and no test is about how slow.
    expect: { poll: { timeout: 20_000, interval: 10 } },
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
  },
});
