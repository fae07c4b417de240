import { DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { viewTarget } from "../quarantine/quarantine-record.ts";
import { translated } from "../views/dynamodb.ts";
import { deleteGenerationTable } from "../views/generation-table.ts";
import type { Generation } from "../views/catalog.ts";
import { progressKey } from "./lease.ts";
import type { ReplayContext } from "./replay-context.ts";
import { forgetReport } from "./report-store.ts";

/**
 * Removes everything of a retiring generation but its place in the catalog, which is the last to go: what is cut off before is
 * done again. Only once no reader can still be using what it knew of the catalog. `projection` is the view's plain name.
 */
export async function removeGeneration(
  context: Pick<ReplayContext, "dynamodb" | "catalogTable" | "quarantine">,
  projection: string,
  { id, table }: Pick<Generation, "id" | "table">,
): Promise<void> {
  const { dynamodb, catalogTable, quarantine } = context;
  await deleteGenerationTable(dynamodb, table);
  await quarantine.forget(viewTarget(projection, id));
  const Key = progressKey({ projection, generation: id });
  await translated(dynamodb.send(new DeleteItemCommand({ TableName: catalogTable, Key })));
  await forgetReport(context, projection, id);
}
