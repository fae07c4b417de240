/** `npm run contract`: the suite that any EventStoreDB has to pass, alone. */
import { defineConfig } from "vitest/config";
import { options } from "./vitest.options.ts";

export default defineConfig({
  // No report: where there is one, it is of the run that this one may be a part of.
  test: { ...options, include: ["test/contract/**/*.test.ts"], globalSetup: [], reporters: ["default"] },
});
