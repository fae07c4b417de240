/**
 * `npm run fingerprints`: writes the fingerprints of reducers and projections to the files that functions read them from.
 * `-- --check` writes nothing and fails if one is out of date.
 */
import { Command, CommanderError, Option } from "commander";
import { exitCodes, reportingErrors } from "../local/cli/command-error.ts";
import { requirePinnedProjections, writeProjectionFingerprints } from "./projection-fingerprints.ts";
import { requireCurrentFingerprints, writeFingerprints } from "./reducer-fingerprints.ts";

interface Options {
  readonly check?: boolean;
  readonly sameRows?: readonly string[];
}

const program = new Command("npm run fingerprints")
  .usage("-- [options]")
  .description(
    "Writes the fingerprints of the reducers, which snapshots bear, and of the projections, which views bear.",
  )
  .option("--check", "write nothing, fail if they are out of date")
  .addOption(
    new Option(
      "--same-rows <view...>",
      "the view's projection was changed in place and still gives the same rows",
    ).conflicts("check"),
  )
  .exitOverride()
  .action(async ({ check, sameRows }: Options) => {
    await reportingErrors(false, () => (check === true ? requireCurrent() : write(sameRows)));
  });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
}

async function requireCurrent(): Promise<void> {
  await requirePinnedProjections();
  await requireCurrentFingerprints();
}

async function write(sameRows: readonly string[] | undefined): Promise<void> {
  await writeProjectionFingerprints(undefined, sameRows);
  await writeFingerprints();
}
