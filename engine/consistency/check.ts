/** Compares a view's live generation with the events, whichever that is by the time it is done. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { EventStore } from "../event-store/event-store.ts";
import { type Decision, withDecisions } from "../quarantine/decisions.ts";
import type { Quarantine } from "../quarantine/quarantine.ts";
import { type Catalog, type Generation, liveGeneration, writtenGenerations } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { isNamed, ViewsUnavailableError } from "../views/dynamodb.ts";
import type { Projection } from "../views/projection.ts";
import { type CheckOptions, type CheckReport, GenerationCheck, GenerationRetiredError } from "./generation-check.ts";

export interface CheckContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly catalog: Catalog;
  readonly quarantine: Quarantine;
}

/** The catalog names a table as live that is not there. */
export class LiveTableMissingError extends Error {
  readonly code = "LIVE_TABLE_MISSING";
  override readonly name = "LiveTableMissingError";
}

/** Whether every row and guard was compared and found to be what the events say. */
export function isClean({ differenceCount, undecidedCount }: CheckReport): boolean {
  return differenceCount === 0 && undecidedCount === 0;
}

const maximumRounds = 3;

/** Checks the live generation of a view; `versions` are the deployed ones of its projection. */
export async function checkView(
  context: CheckContext,
  view: string,
  versions: readonly Projection[],
  options: CheckOptions = {},
): Promise<CheckReport> {
  for (let round = 1; ; round += 1) {
    const live = await liveOf(context, view, versions);
    const { generation } = live;
    const projection = withDecisions(live.projection, live.decisions);
    // A generation that was swapped out and retired while it was read is written no more: what it lacks says nothing.
    const isRetired = async (): Promise<boolean> =>
      !writtenGenerations(await context.catalog.read(view)).some(({ id }) => id === generation.id);
    try {
      const report = await GenerationCheck.run(context, projection, generation, { ...options, isRetired });
      if (isClean(report) || !(await isRetired())) return report;
      if (round === maximumRounds)
        throw new GenerationRetiredError(`${view} was swapped in each of ${round} checks: check again`);
    } catch (error) {
      if (error instanceof GenerationRetiredError && round < maximumRounds) continue;
      if (!isNamed(error, "ResourceNotFoundException")) throw error;
      if (round < maximumRounds && (await isRetired())) continue;
      const what = `table ${generation.table}, the live generation of ${view}, is not there`;
      throw new LiveTableMissingError(`${what}: restore it, or replay the view`, { cause: error });
    }
  }
}

/** What readers see of a view, the projection that made it, and what was decided about its events. Throws ViewsUnavailableError. */
export async function liveOf(
  { catalog, quarantine }: Pick<CheckContext, "catalog" | "quarantine">,
  view: string,
  versions: readonly Projection[],
): Promise<{
  readonly generation: Generation;
  readonly projection: Projection;
  readonly decisions: readonly Decision[];
}> {
  const entry = await catalog.read(view);
  const generation = liveGeneration(entry);
  if (generation === undefined) {
    throw new ViewsUnavailableError(`view ${view} has no live generation yet: invoke the function prepare`);
  }
  const projection = deployedVersion(entry, generation, versions);
  return { generation, projection, decisions: await quarantine.decisions(view) };
}
