/**
 * `node test/golden-events/add.ts` records what follows from the types and the examples: schemas and upcast data.
 * `node test/golden-events/add.ts <context> <EventType> <file>` records an example of the type's current version as well, with
 * the data in the JSON file. What is there is never overwritten. What is still wrong afterwards is told.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as prettier from "prettier";
import { contexts } from "./contexts.ts";
import { readGoldenFiles } from "./golden-files.ts";
import { goldenProblems } from "./golden-problems.ts";
import { missingGoldenFiles, newExample } from "./missing-golden-files.ts";

const directory = import.meta.dirname;

async function add(path: string, value: unknown): Promise<void> {
  const file = join(directory, path);
  const layout = await prettier.resolveConfig(file);
  await mkdir(dirname(file), { recursive: true });
  const text = await prettier.format(JSON.stringify(value, null, 2), { ...layout, filepath: file });
  await writeFile(file, text, { flag: "wx" });
  process.stdout.write(`added ${path}\n`);
}

const [context, type, file] = process.argv.slice(2);
if (context !== undefined) {
  if (type === undefined || file === undefined) throw new Error("give context, event type and a JSON file of its data");
  const data: unknown = JSON.parse(await readFile(file, "utf8"));
  await add(...newExample(contexts, await readGoldenFiles(directory), context, type, data));
}
for (const [path, value] of missingGoldenFiles(contexts, await readGoldenFiles(directory))) await add(path, value);
const problems = goldenProblems(contexts, await readGoldenFiles(directory));
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
