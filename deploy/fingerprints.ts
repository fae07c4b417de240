/**
 * `npm run fingerprints`: writes the reducers' fingerprints to the file that functions read them from. `-- --check` writes
 * nothing and fails if the file is out of date.
 */
import { Command, CommanderError } from "commander";
import { exitCodes, reportingErrors } from "../local/cli/command-error.ts";
import { requireCurrentFingerprints, writeFingerprints } from "./reducer-fingerprints.ts";

const program = new Command("npm run fingerprints")
  .usage("-- [options]")
  .description("Writes the fingerprints of the aggregates' reducers, which snapshots bear.")
  .option("--check", "write nothing, fail if they are out of date")
  .exitOverride()
  .action(async ({ check }: { readonly check?: boolean }) => {
    await reportingErrors(false, () => (check === true ? requireCurrentFingerprints() : writeFingerprints()));
  });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
}
