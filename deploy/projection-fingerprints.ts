/**
 * Fingerprints of the projections. A generation bears that of the code that made it, and other code does not go on
 * with its rows: so a projection that was changed in place is found here, before it is
 * deployed. One covers the projection with all it imports from `projections/` and `domain/`: handlers, event types, schemas
 * and upcasters. The engine is left out, which keeps what it has written, and so are versions of packages.
 *
 * They stand in a file that is committed, by view and version, each a list: the first is that of the code as it is, those
 * behind it are of code that gave the same rows, as somebody has said by `--same-rows`.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { CommandError, exitCodes } from "../local/cli/command-error.ts";
import { bundledCode, fingerprintOf } from "./bundled-code.ts";

const project = fileURLToPath(new URL("..", import.meta.url));

export const projectionFingerprintsFile = "projections/fingerprints.json";

const fingerprintsSchema = z.record(z.string(), z.record(z.string(), z.array(z.string()).min(1)));

/** By view, then by version. */
type Fingerprints = z.output<typeof fingerprintsSchema>;

const projectionSchema = z.looseObject({
  name: z.string(),
  version: z.int(),
  rows: z.enum(["one-per-stream", "shared"]),
  changes: z.function(),
});

interface Found {
  readonly view: string;
  readonly version: string;
  readonly fingerprint: string;
}

/**
 * Throws unless the file says what it should. Two remedies, because only a person knows which is right: a changed projection
 * is a new version, unless it gives the same rows.
 */
export async function requirePinnedProjections(directory = project): Promise<void> {
  const pinned = await committed(directory);
  const found = await projectionsIn(directory);
  const changed = changedOf(found, pinned);
  if (changed.length > 0) throw changedError(changed);
  if (textOf(merged(found, pinned, new Set())) === textOf(pinned)) return;
  throw new CommandError(
    "FINGERPRINTS_STALE",
    `${projectionFingerprintsFile} is out of date: run npm run fingerprints`,
  );
}

/**
 * Adds what is new, and leaves out versions that are gone. Throws for a projection that was changed in place, unless its
 * view is among `sameRows`: then generations of the code before may be gone on with. Throws for a view there that did not change.
 */
export async function writeProjectionFingerprints(
  directory = project,
  sameRows: readonly string[] = [],
): Promise<void> {
  const pinned = await committed(directory);
  const found = await projectionsIn(directory);
  const changed = changedOf(found, pinned);
  for (const view of sameRows) {
    if (changed.some((projection) => projection.view === view)) continue;
    const message = `--same-rows ${view}: no version of a view of that name has changed; leave it out`;
    throw new CommandError("NOTHING_CHANGED", message, exitCodes.usage);
  }
  const unsaid = changed.filter(({ view }) => !sameRows.includes(view));
  if (unsaid.length > 0) throw changedError(unsaid);
  await writeFile(join(directory, projectionFingerprintsFile), textOf(merged(found, pinned, new Set(sameRows))));
}

function changedOf(found: readonly Found[], pinned: Fingerprints): readonly Found[] {
  return found.filter(({ view, version, fingerprint }) => {
    const [current] = pinned[view]?.[version] ?? [fingerprint];
    return current !== fingerprint;
  });
}

function changedError(changed: readonly Found[]): CommandError {
  const what = changed.map(({ view, version }) => `${view} version ${version}`).join(", ");
  const views = changed.map(({ view }) => `--same-rows ${view}`).join(" ");
  return new CommandError(
    "PROJECTION_CHANGED",
    `${what}: changed since it was pinned, and views that stand are made by what it was. Keep the old code as that version and make the change a new version beside it (docs/replay.md); or, if the same events still give the same rows, say so: npm run fingerprints -- ${views}`,
  );
}

function merged(found: readonly Found[], pinned: Fingerprints, sameRows: ReadonlySet<string>): Fingerprints {
  const fingerprints: Record<string, Record<string, string[]>> = {};
  for (const { view, version, fingerprint } of found) {
    const before = pinned[view]?.[version] ?? [];
    const kept = before[0] === fingerprint ? before.slice(1) : sameRows.has(view) ? before : [];
    (fingerprints[view] ??= {})[version] = [fingerprint, ...kept.filter((other) => other !== fingerprint)];
  }
  return fingerprints;
}

function textOf(fingerprints: Fingerprints): string {
  return `${JSON.stringify(fingerprints, null, 2)}\n`;
}

async function committed(directory: string): Promise<Fingerprints> {
  const text = await readFile(join(directory, projectionFingerprintsFile), "utf8").catch(() => "{}");
  const parsed = fingerprintsSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new CommandError(
    "FINGERPRINTS_INVALID",
    `${projectionFingerprintsFile} cannot be read: take back its last change`,
  );
}

/** Every projection that a file of `projections/` exports, in the order of names and versions. */
async function projectionsIn(directory: string): Promise<readonly Found[]> {
  const files = (await readdir(join(directory, "projections"))).filter(
    (file) => file.endsWith(".ts") && file !== "registry.ts",
  );
  const found: Found[] = [];
  for (const file of files) {
    const path = join("projections", file);
    for (const [name, { view, version }] of await exportedBy(join(directory, path))) {
      const { code } = await bundledCode(
        directory,
        { [name]: path },
        { without: /^(\.\.\/)+engine\//, mayBeRenamed: true },
      );
      found.push({ view, version: version.toString(), fingerprint: fingerprintOf(code) });
    }
  }
  return found.sort((a, b) => a.view.localeCompare(b.view) || Number(a.version) - Number(b.version));
}

async function exportedBy(path: string): Promise<[string, { readonly view: string; readonly version: number }][]> {
  const exports: unknown = await import(pathToFileURL(path).href);
  return Object.entries(z.record(z.string(), z.unknown()).parse(exports)).flatMap(([name, value]) => {
    const projection = projectionSchema.safeParse(value);
    return projection.success ? [[name, { view: projection.data.name, version: projection.data.version }]] : [];
  });
}
