import { setTimeout as sleep } from "node:timers/promises";
import { entryName, type GenerationRole, liveGeneration } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import type { Projection } from "../views/projection.ts";
import { ReplayBusyError, ReplayInterruptedError, ReplayLostError } from "./errors.ts";
import { Replay, type ReplayOptions } from "./replay.ts";
import type { ReplayContext } from "./replay-context.ts";

/** Deployed versions of one view's projection. */
type Versions = readonly [Projection, ...Projection[]];

export interface PreparedView {
  readonly view: string;
  /** `unfinished`: the signal came first; asked again, it goes on from the checkpoint. */
  readonly outcome: "prepared" | "present" | "unfinished";
}

const pollMs = 3_000;

/**
 * Sees to it that views can be read and written by this deployment: builds the first generations of those of which none is
 * live, by the same steps as any other and in shared passes over the log. Several may do so at once. Throws
 * VersionNotDeployedError when a generation that is in use was made by code that this deployment lacks, and the errors of
 * replays: the first one's, when the others are done.
 */
export async function prepareViews(
  context: ReplayContext,
  views: readonly Versions[],
  options: Pick<ReplayOptions, "signal" | "observer"> = {},
): Promise<readonly PreparedView[]> {
  const outcomes = new Map<string, "prepared" | "present">();
  for (;;) {
    const missing: Versions[] = [];
    for (const versions of views) {
      const [{ name }] = versions;
      if (outcomes.has(name)) continue;
      if (await isPresent(context, versions)) outcomes.set(name, "present");
      else missing.push(versions);
    }
    if (missing.length === 0 || options.signal?.aborted === true) break;
    const replays = missing.map((versions) => new Replay(context, versions));
    for (const outcome of await Replay.startTogether(replays, { ...options, autoSwap: true })) {
      if ("report" in outcome) outcomes.set(outcome.view, "prepared");
      else if (!isPassing(outcome.error)) throw outcome.error;
    }
    // Another worker prepares what is missing: what it has made is looked for until it is there.
    if (outcomes.size < views.length) await sleep(pollMs);
  }
  return views.map(([{ name: view }]) => ({ view, outcome: outcomes.get(view) ?? "unfinished" }));
}

async function isPresent({ catalog }: ReplayContext, versions: Versions): Promise<boolean> {
  const [{ name }] = versions;
  const entry = await catalog.read(name);
  const beside = await catalog.namesBeside(name);
  const frozen = await Promise.all(beside.map((as) => catalog.read(entryName(name, as))));
  for (const each of [entry, ...frozen]) {
    // A projector may have met it first and have paused it for that: it is in use all the same.
    const inUse = each.generations.filter(({ role, blocked }) => usedRoles.has(role) && blocked === undefined);
    for (const generation of inUse) deployedVersion(each, generation, versions);
  }
  return liveGeneration(entry) !== undefined;
}

/** Those that are written or read: one that is still being built is begun anew by other code. */
const usedRoles: ReadonlySet<GenerationRole> = new Set(["joined", "live", "soaking", "frozen"]);

const isPassing = (error: unknown): boolean =>
  error instanceof ReplayBusyError || error instanceof ReplayLostError || error instanceof ReplayInterruptedError;
