/** `npm run proof`: what takes too long for every run of the tests, in full. */
import { defineConfig } from "vitest/config";
import { options } from "./vitest.options.ts";

const include = [
  "test/engine/commands/histories.test.ts",
  "test/engine/commands/lost-messages.test.ts",
  "test/engine/consistency/moving-view.test.ts",
  "test/engine/quarantine/flood.test.ts",
  "test/engine/consistency/damage-meanwhile.test.ts",
  "test/engine/consistency/some-rows.test.ts",
  "test/engine/replay/crash.test.ts",
  "test/engine/replay/race-guards.test.ts",
  "test/bench/bench.test.ts",
  "test/local/eventstoredb/kills.test.ts",
  "test/simulation/removed-guards.test.ts",
  "test/system/changing-a-projection.test.ts",
  "test/system/kills-under-load.test.ts",
  "test/system/northwind.test.ts",
  "test/system/northwind-times-hundred.test.ts",
  "test/system/order-to-cash.test.ts",
  "test/system/order-to-rebuilt-view.test.ts",
  "test/system/quarantine.test.ts",
  "test/system/replay-kills.test.ts",
  "test/system/replay-scale.test.ts",
  "test/system/soak.test.ts",
];

export default defineConfig({
  test: { ...options, env: { TIDEMARK_PROOF: "1" }, testTimeout: 600_000, include },
});
