/** The service packaged as a user would who has edited `serverless.yml`: in a copy, so that the tests beside it see none of it. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const execute = promisify(execFile);
const project = join(import.meta.dirname, "../..");
const packaged = [
  ...["deploy", "domain", "engine", "functions", "projections", "local/cli"],
  ...["package.json", "package-lock.json", "serverless.yml", "tsconfig.json"],
];

const templateSchema = z.object({
  Conditions: z.record(z.string(), z.unknown()).default({}),
  Resources: z.record(
    z.string(),
    z.object({
      Type: z.string(),
      Condition: z.string().optional(),
      Properties: z.record(z.string(), z.unknown()).default({}),
    }),
  ),
  Outputs: z.record(z.string(), z.object({ Value: z.unknown() })).default({}),
});

export type Template = z.output<typeof templateSchema>;

export interface Edit {
  /** A whole line of serverless.yml, and what a user puts in its place. */
  readonly line: string;
  readonly replacement: string;
}

/** What would be deployed after these edits. */
export async function templateWith(...edits: readonly Edit[]): Promise<Template> {
  const copy = await mkdtemp(join(tmpdir(), "tidemark-copy-"));
  try {
    for (const path of packaged) await cp(join(project, path), join(copy, path), { recursive: true });
    await symlink(join(project, "node_modules"), join(copy, "node_modules"));
    await emptyFunctions(join(copy, "functions"));
    let service = await readFile(join(copy, "serverless.yml"), "utf8");
    for (const { line, replacement } of edits) {
      if (!service.includes(`\n${line}\n`)) throw new Error(`serverless.yml has no line "${line}"`);
      service = service.replace(`\n${line}\n`, () => `\n${replacement}\n`);
    }
    await writeFile(join(copy, "serverless.yml"), service);
    await execute(process.execPath, [join(copy, "deploy/package.ts"), "--output", "packaged"], { cwd: copy });
    const text = await readFile(join(copy, "packaged/cloudformation-template-update-stack.json"), "utf8");
    return templateSchema.parse(JSON.parse(text));
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** A template says nothing of what the functions do, and bundling them takes long. */
async function emptyFunctions(directory: string): Promise<void> {
  for (const file of await readdir(directory)) {
    if (!file.endsWith(".ts")) continue;
    await writeFile(join(directory, file), "export const handler = (): undefined => undefined;\n");
  }
}

/** The deployed functions' properties by the name that stands in serverless.yml. */
export function functionsOf({ Resources }: Template): ReadonlyMap<string, Record<string, unknown>> {
  const functions = Object.values(Resources).filter(({ Type }) => Type === "AWS::Lambda::Function");
  return new Map(
    functions.map(({ Properties }) => [String(Properties["FunctionName"]).replace("tidemark-dev-", ""), Properties]),
  );
}
