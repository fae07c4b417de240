/** The end of a view whose projection is deployed no more: all of its generations go, the live one too. */
import { DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { viewTarget } from "../quarantine/quarantine-record.ts";
import { entryName } from "../views/catalog.ts";
import { translated } from "../views/dynamodb.ts";
import { deleteGenerationTable } from "../views/generation-table.ts";
import { NothingToDoError } from "./errors.ts";
import { progressKey } from "./lease.ts";
import { type ReplayContext, settingsOf } from "./replay-context.ts";
import { forgetReport } from "./report-store.ts";
import { transit } from "./transitions.ts";

/**
 * May be repeated, after it was cut off too. Returns the ids of what is gone, views as of a position included. Throws
 * {@link NothingToDoError} for a view that the catalog does not know.
 */
export async function discontinueView(context: ReplayContext, view: string): Promise<readonly string[]> {
  const { catalog, dynamodb, catalogTable, quarantine, by } = context;
  const gone: string[] = [];
  const names = await catalog.namesBeside(view);
  for (const entry of [...names.map((name) => entryName(view, name)), view]) {
    const { generations } = await catalog.read(entry);
    const scope = { catalog, view: entry, versions: [], by };
    for (const { id } of generations) await transit(scope, id, "discontinue");
    if (generations.length > 0) await sleep(2 * settingsOf(context).readerCacheMs);
    for (const { id, table } of generations) {
      await deleteGenerationTable(dynamodb, table);
      await quarantine.forget(viewTarget(view, id));
      const Key = progressKey({ projection: view, generation: id });
      await translated(dynamodb.send(new DeleteItemCommand({ TableName: catalogTable, Key })));
      await forgetReport(context, view, id);
      await transit(scope, id, "drop");
      gone.push(id);
    }
    await catalog.forget(await catalog.read(entry));
  }
  if (gone.length > 0) return gone;
  throw new NothingToDoError(`there is no view "${view}", and nothing is left of one`);
}
