/**
 * `npm run package`: packages every function, offline, and prints the size of each bundle, so that a dependency that
 * sneaks in is seen. `-- --json` prints the sizes as JSON.
 */
import { spawn } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const project = fileURLToPath(new URL("..", import.meta.url));

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    stage: { type: "string", default: "dev" },
    output: { type: "string", default: ".serverless" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log("npm run package -- [--stage <stage>] [--output <directory>] [--json]");
} else {
  const code = await serverlessPackage(values.stage, values.output);
  if (code === 0) print(await sizes(values.output), values.json);
  process.exitCode = code;
}

async function serverlessPackage(stage: string, output: string): Promise<number> {
  const serverless = join(project, "node_modules/serverless/bin/serverless.js");
  const child = spawn(process.execPath, [serverless, "package", "--stage", stage, "--package", output], {
    cwd: project,
    stdio: ["ignore", 2, 2],
    // Packaging asks AWS nothing, but the framework wants credentials to be there.
    env: { AWS_ACCESS_KEY_ID: "none", AWS_SECRET_ACCESS_KEY: "none", ...process.env },
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

async function sizes(output: string): Promise<{ name: string; bytes: number }[]> {
  const directory = join(project, output);
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
