import { setTimeout as sleep } from "node:timers/promises";
import { liveGeneration, writtenGenerations } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import type { Projection } from "../views/projection.ts";
import { ReplayBusyError, ReplayLostError } from "./errors.ts";
import { Replay } from "./replay.ts";
import type { ReplayContext } from "./replay-context.ts";

const pollMs = 500;

/**
 * Sees to it that a view can be read and written by this deployment: builds its first generation when none is live, by the
 * same steps as any other. Several may do so at once. Throws VersionNotDeployedError when a generation that is in use was
 * made by code that this deployment lacks.
 */
export async function prepareView(
  context: ReplayContext,
  versions: readonly [Projection, ...Projection[]],
): Promise<"prepared" | "present"> {
  for (;;) {
    const entry = await context.catalog.read(versions[0].name);
    for (const generation of writtenGenerations(entry)) deployedVersion(entry, generation, versions);
    if (liveGeneration(entry) !== undefined) return "present";
    try {
      await new Replay(context, versions).run();
      return "prepared";
    } catch (error) {
      // Another worker prepares it: what it has made is looked for until it is there.
      if (!(error instanceof ReplayBusyError || error instanceof ReplayLostError)) throw error;
      await sleep(pollMs);
    }
  }
}
