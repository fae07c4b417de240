import type { CatalogEntry, Generation } from "./catalog.ts";
import { isMadeBy } from "./pinned-projection.ts";
import type { Projection } from "./projection.ts";

/** The code that writes a generation is not in this deployment: nobody here may go on with what it began. */
export class VersionNotDeployedError extends Error {
  readonly code = "VERSION_NOT_DEPLOYED";
  override readonly name = "VersionNotDeployedError";
}

/** The projection that writes the generation. Throws {@link VersionNotDeployedError}. */
export function deployedVersion(
  { projection: view }: Pick<CatalogEntry, "projection">,
  generation: Pick<Generation, "id" | "version" | "fingerprint"> & Partial<Pick<Generation, "role">>,
  versions: readonly Projection[],
): Projection {
  const deployed = versions.find((candidate) => isMadeBy(generation, candidate));
  if (deployed !== undefined) return deployed;
  // No replay brings on what is frozen: it stays as that code made it.
  const then = generation.role === "frozen" ? `or retire ${view}` : "then replay the view";
  throw new VersionNotDeployedError(
    `generation ${generation.id} of ${view} is written by ${whyNotDeployed(generation, versions)}: deploy that code again beside the new one, ${then}`,
  );
}

/** What is missing here, to be said behind "by" or before a verb. */
export function whyNotDeployed(
  { version, fingerprint = "none" }: Pick<Generation, "version" | "fingerprint">,
  versions: readonly Projection[],
): string {
  const other = versions.find((candidate) => candidate.version === version)?.fingerprints?.[0];
  return other === undefined
    ? `version ${version}, which is not deployed`
    : `version ${version} as it was at fingerprint ${fingerprint}, and what is deployed as version ${version} is changed code (${other})`;
}
