/** What some exports of the project consist of, in a form that says nothing of the machine, the folder, comments or layout. */
import { build } from "esbuild";
import { createHash } from "node:crypto";

export interface BundledCode {
  readonly code: string;
  /** Packages that it imports, as it imports them, in order. */
  readonly packages: readonly string[];
}

export interface BundleOptions {
  /** Files that the bundle leaves out, by their path as it is imported. */
  readonly without?: RegExp;
  /** Whether an export may be named anew, as that of a projection is when a sibling of a higher version takes its name. */
  readonly mayBeRenamed?: boolean;
}

/** `parts` says which name is exported by which file of `directory`. Throws esbuild's errors. */
export async function bundledCode(
  directory: string,
  parts: Readonly<Record<string, string>>,
  { without, mayBeRenamed = false }: BundleOptions = {},
): Promise<BundledCode> {
  const entry = Object.entries(parts).map(([name, file], index) =>
    mayBeRenamed ? `export { ${name} as part${index} } from "./${file}";` : `export { ${name} } from "./${file}";`,
  );
  const { outputFiles, metafile } = await build({
    stdin: { contents: entry.join("\n"), resolveDir: directory, sourcefile: "entry.ts" },
    absWorkingDir: directory,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "neutral",
    target: "esnext",
    treeShaking: true,
    minifyWhitespace: true,
    minifyIdentifiers: mayBeRenamed,
    charset: "utf8",
    legalComments: "none",
    tsconfigRaw: {},
    write: false,
    metafile: true,
    logLevel: "silent",
    plugins:
      without === undefined
        ? []
        : [
            {
              name: "without",
              setup: (bundling) => {
                bundling.onResolve({ filter: without }, () => ({
                  path: "left-out",
                  external: true,
                  sideEffects: false,
                }));
              },
            },
          ],
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path));
  const packages = [...new Set(imports)].sort();
  return { code: outputFiles.map(({ text }) => text).join(""), packages };
}

/** Short enough to be read, long enough that two never agree by chance. */
export function fingerprintOf(...texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text, "utf8");
  return hash.digest("hex").slice(0, 32);
}
