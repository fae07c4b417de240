/**
 * Pins a generation to the code that makes it. Rows that one half of a history wrote by other code than the other half are
 * right by neither, so a generation bears the fingerprint of its projection, and code that is not known to give the same rows
 * does not go on with it.
 */
import type { Generation } from "./catalog.ts";
import type { Projection } from "./projection.ts";

/** Whether any of these versions may go on with what was begun. */
export function isDeployed(
  generation: Pick<Generation, "version" | "fingerprint">,
  versions: readonly Pick<Projection, "version" | "fingerprints">[],
): boolean {
  return versions.some((projection) => isMadeBy(generation, projection));
}

/** Whether this code may go on with what other code began. A generation, or code, that nothing pins is taken at its version. */
export function isMadeBy(
  { version, fingerprint }: Pick<Generation, "version" | "fingerprint">,
  projection: Pick<Projection, "version" | "fingerprints">,
): boolean {
  if (projection.version !== version) return false;
  const { fingerprints } = projection;
  return fingerprint === undefined || fingerprints === undefined || fingerprints.includes(fingerprint);
}
