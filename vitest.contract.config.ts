/** `npm run contract`: the suite that any EventStoreDB has to pass, alone. */
import { defineConfig } from "vitest/config";
import tests from "./vitest.config.ts";

export default defineConfig({
  test: { ...tests.test, include: ["test/contract/**/*.test.ts"], globalSetup: [] },
});
