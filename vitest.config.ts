import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Each worker loads the same packages.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/node/", import.meta.url));

const report = process.env["TIDEMARK_TEST_REPORT"];

/** What mocks modules, sets the environment or replaces the clock needs a process of its own. */
const alone = [
  "test/bench/**",
  "test/deploy/**",
  "test/engine/commands/retry-policy.test.ts",
  "test/functions/**",
  "test/lint/**",
  "test/local/cli/**",
  "test/local/system/**",
  "test/simulation/**",
  "test/system/**",
];

export default defineConfig({
  test: {
    globalSetup: ["test/servers/dynamodb-for-all-tests.ts"],
    // Tests wait for servers more than they compute; on two cores three files at once keep both busy.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What is waited for comes when it comes: machines are slow at times, and no test is about how slow.
    expect: { poll: { timeout: 20_000, interval: 10 } },
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    projects: [
      // Files one after the other in one process, which loads the packages once: a fifth of the time.
      { extends: true, test: { name: "together", include: ["test/**/*.test.ts"], exclude: alone, isolate: false } },
      { extends: true, test: { name: "alone", include: alone.map((glob) => glob.replace("/**", "/**/*.test.ts")) } },
    ],
  },
});
