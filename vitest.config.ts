import { defineConfig } from "vitest/config";
import { options } from "./vitest.options.ts";

/** What mocks modules, sets the environment or runs another test file needs a process of its own. */
export const alone = [
  "test/bench/**",
  "test/deploy/**",
  "test/engine/commands/retry-policy.test.ts",
  "test/engine/replay/race-guards.test.ts",
  "test/functions/**",
  "test/lint/**",
  "test/local/cli/**",
  "test/local/eventstoredb/protocol-in-secure-mode.test.ts",
  "test/local/system/**",
  "test/simulation/**",
  "test/system/**",
];

export default defineConfig({
  test: {
    ...options,
    projects: [
      // Files one after the other in one process, which loads the packages once: a fifth of the time.
      { extends: true, test: { name: "together", include: ["test/**/*.test.ts"], exclude: alone, isolate: false } },
      { extends: true, test: { name: "alone", include: alone.map((glob) => glob.replace("/**", "/**/*.test.ts")) } },
    ],
  },
});
