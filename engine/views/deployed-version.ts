import type { CatalogEntry, Generation } from "./catalog.ts";
import type { Projection } from "./projection.ts";

/** The code that writes a generation is not in this deployment: nobody here may go on with what it began. */
export class VersionNotDeployedError extends Error {
  readonly code = "VERSION_NOT_DEPLOYED";
  override readonly name = "VersionNotDeployedError";
}

/** The projection that writes the generation. Throws {@link VersionNotDeployedError}. */
export function deployedVersion(
  { projection: view }: Pick<CatalogEntry, "projection">,
  { id, version }: Pick<Generation, "id" | "version">,
  versions: readonly Projection[],
): Projection {
  const deployed = versions.find((candidate) => candidate.version === version);
  if (deployed !== undefined) return deployed;
  throw new VersionNotDeployedError(
    `generation ${id} of ${view} is written by version ${version}, which is not deployed: deploy it again beside the new one, then replay the view`,
  );
}
