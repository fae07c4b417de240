/**
 * `npm run package`: packages every function, offline, and prints the size of each bundle, so that a dependency that
 * sneaks in is seen. `-- --json` prints the sizes as JSON.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { spawn } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CommandError, exitCodes, reportingErrors } from "../local/cli/command-error.ts";
import { requirePinnedProjections } from "./projection-fingerprints.ts";
import { requireCurrentFingerprints } from "./reducer-fingerprints.ts";

interface Options {
  readonly stage: string;
  readonly output: string;
  readonly json?: boolean;
}

const project = fileURLToPath(new URL("..", import.meta.url));

/** Written into every finished package. */
const packageMark = "serverless-state.json";

const program = new Command("npm run package")
  .usage("-- [options]")
  .description("Packages every function, offline, and prints the size of each bundle.")
  .addOption(new Option("--stage <stage>", "stage to package for").default("dev").argParser(stageName))
  .option("--output <directory>", "where the package goes, from the project's folder; replaced", ".serverless")
  .option("--json", "print JSON, errors too")
  .exitOverride()
  .action(async (options: Options) => {
    await reportingErrors(options.json, () => packageService(options));
  });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
}

async function packageService({ stage, output, json }: Options): Promise<void> {
  const directory = resolve(project, output);
  await requireReplaceable(directory);
  await requireCurrentFingerprints();
  await requirePinnedProjections();
  const code = await serverlessPackage(stage, directory);
  if (code !== 0) throw new CommandError("PACKAGING_FAILED", `packaging failed with ${code}: see what it said above`);
  print(await sizes(directory), json === true);
}

function stageName(text: string): string {
  if (/^[A-Za-z0-9-]{1,20}$/.test(text)) return text;
  throw new InvalidArgumentError("A stage is 1 to 20 letters, digits and '-'.");
}

/**
 * The framework removes the directory with all that is in it: it must be new, empty, or an earlier package. It takes every
 * directory whose name ends with its own for its own, and leaves that empty.
 */
async function requireReplaceable(directory: string): Promise<void> {
  if (directory === join(project, ".serverless")) return;
  if (directory.endsWith(".serverless")) {
    const message = `${directory} ends with .serverless, which only the project's own may: give another --output`;
    throw new CommandError("OUTPUT_DIRECTORY", message, exitCodes.usage);
  }
  const files = await readdir(directory).catch((error: unknown): string[] => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw new CommandError(
      "OUTPUT_DIRECTORY",
      `${directory} is no directory: give another --output`,
      exitCodes.usage,
      error,
    );
  });
  if (files.length === 0 || files.includes(packageMark)) return;
  const message = `${directory} holds other files, which packaging would remove: give a new or an empty --output`;
  throw new CommandError("OUTPUT_DIRECTORY", message, exitCodes.usage);
}

async function serverlessPackage(stage: string, output: string): Promise<number> {
  const serverless = join(project, "node_modules/serverless/bin/serverless.js");
  const child = spawn(process.execPath, [serverless, "package", "--stage", stage, "--package", output], {
    cwd: project,
    stdio: ["ignore", 2, 2],
    // Packaging asks AWS nothing, but the framework wants credentials to be there.
    env: { AWS_ACCESS_KEY_ID: "none", AWS_SECRET_ACCESS_KEY: "none", ...process.env },
  });
  return new Promise((resolvePromise, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolvePromise(code ?? exitCodes.failure));
  });
}

async function sizes(directory: string): Promise<{ name: string; bytes: number }[]> {
  const archives = (await readdir(directory)).filter((file) => file.endsWith(".zip")).sort();
  return Promise.all(
    archives.map(async (file) => ({
      name: file.replace(/\.zip$/, ""),
      bytes: (await stat(join(directory, file))).size,
    })),
  );
}

function print(bundles: readonly { name: string; bytes: number }[], json: boolean): void {
  if (json) console.log(JSON.stringify({ bundles }));
  else
    for (const { name, bytes } of bundles)
      console.log(`${name.padEnd(24)} ${(bytes / 1024).toFixed(0).padStart(6)} KiB`);
}
