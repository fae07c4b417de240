/** The end of a view whose projection is deployed no more: all of its generations go, the live one too. */
import { setTimeout as sleep } from "node:timers/promises";
import { forgetPlace } from "../consistency/quick-check.ts";
import { forgetDecisions } from "../quarantine/decisions.ts";
import { entryName } from "../views/catalog.ts";
import { NothingToDoError } from "./errors.ts";
import { removeGeneration } from "./remove-generation.ts";
import { type ReplayContext, settingsOf } from "./replay-context.ts";
import { transit } from "./transitions.ts";

/**
 * May be repeated, after it was cut off too. Returns the ids of what is gone, views as of a position included. Throws
 * {@link NothingToDoError} for a view that the catalog does not know.
 */
export async function discontinueView(context: ReplayContext, view: string): Promise<readonly string[]> {
  const { catalog, by } = context;
  const gone: string[] = [];
  const names = await catalog.namesBeside(view);
  for (const entry of [...names.map((name) => entryName(view, name)), view]) {
    const { generations } = await catalog.read(entry);
    const scope = { catalog, view: entry, versions: [], by };
    for (const { id } of generations) await transit(scope, id, "discontinue");
    if (generations.length > 0) await sleep(2 * settingsOf(context).readerCacheMs);
    for (const generation of generations) await removeGeneration(context, view, generation);
    // While the last one is there, whoever repeats this comes here again.
    if (entry === view && generations.length > 0) await forgetView(context, view);
    for (const { id } of generations) {
      await transit(scope, id, "drop");
      gone.push(id);
    }
    await catalog.forget(await catalog.read(entry));
  }
  if (gone.length > 0) return gone;
  throw new NothingToDoError(`there is no view "${view}", and nothing is left of one`);
}

async function forgetView({ dynamodb, catalogTable, quarantine }: ReplayContext, view: string): Promise<void> {
  await forgetDecisions(dynamodb, quarantine.table, view);
  await forgetPlace({ dynamodb, catalogTable }, view);
}
