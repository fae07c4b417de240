/** A copy of the engine that lacks a guard, with the histories beside it, in a folder of its own. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { RemovedGuard } from "./removed-guards.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What the histories import; `package.json` says that all of it are modules. */
const copied = ["engine", "local", "test/simulation", "test/local/eventstoredb/seeded-random.ts", "package.json"];

export interface Verdict {
  readonly outcome: "failed" | "passed";
  readonly told: string;
}

/** Runs histories until one fails. Throws when the guard does not stand in the code exactly once. */
export async function historiesWithout(
  guard: RemovedGuard,
  options: { readonly firstSeed: number; readonly histories: number },
): Promise<Verdict> {
  const copy = await mkdtemp(path.join(tmpdir(), "tidemark-without-"));
  try {
    for (const part of copied) await cp(path.join(root, part), path.join(copy, part), { recursive: true });
    await symlink(path.join(root, "node_modules"), path.join(copy, "node_modules"));
    const file = path.join(copy, guard.file);
    await writeFile(file, withoutText(guard, await readFile(file, "utf8")));
    return await run(copy, [options.firstSeed, options.histories].map(String));
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

export function withoutText({ name, file, text, without }: RemovedGuard, source: string): string {
  const found = source.split(text).length - 1;
  if (found === 1) return source.replace(text, () => without);
  throw new Error(`"${name}": its text stands ${found} times in ${file}, not once; bring removed-guards.ts up to date`);
}

function run(folder: string, given: readonly string[]): Promise<Verdict> {
  const program = path.join(folder, "test/simulation/main.ts");
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...given], { cwd: folder, maxBuffer: 16 * 1024 * 1024 }, (error, out, err) => {
      if (error === null) resolve({ outcome: "passed", told: out });
      // Anything but a history that failed is a mistake in the list.
      else if (/^history \d+ failed/m.test(err)) resolve({ outcome: "failed", told: `${err}${out}` });
      else reject(new Error(err, { cause: error }));
    });
  });
}
