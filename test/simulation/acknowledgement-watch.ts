/**
 * What a projector may say it has done: an event that it does not report as failed is in every generation that the catalog named
 * when the projector last looked. Later events would make up for one that is not, so only a look at each answer shows it.
 */
import { type BatchResponse, itemIdentifier } from "../../engine/delivery/event-record.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { guardOfItem } from "../../engine/views/item.ts";
import { idOfStream, type Projection } from "../../engine/views/projection.ts";
import { generationsIn, isWritten } from "./catalog-item.ts";
import type { DynamoDBService } from "./dynamodb-service.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

export function unkeptAnswers(
  { tables, catalogTold }: DynamoDBService,
  projection: Projection,
  process: SimulatedProcess,
  events: readonly StoredEvent[],
  { batchItemFailures }: BatchResponse,
): string[] {
  const failed = new Set(batchItemFailures.map(({ itemIdentifier: item }) => item));
  const done = events.filter((event) => !failed.has(itemIdentifier(event)));
  const found: string[] = [];
  for (const { table, role } of generationsIn(catalogTold.get(process)).filter(isWritten)) {
    // Retired since: nobody looks at it any more.
    if (!tables.tableNames.includes(table)) continue;
    for (const event of done) {
      const { stream, revision } = event;
      const key = projection.rows === "shared" ? `_guard#${stream}` : idOfStream(projection, stream);
      const guard = guardOfItem(tables.itemsWith(table, key)[0]);
      if (guard !== undefined && guard.revision >= revision) continue;
      const at = guard === undefined ? "missing" : `at ${guard.revision}`;
      found.push(
        `${process.name} said ${itemIdentifier(event)} was done, but its guard in ${table} (${role}) is ${at}`,
      );
    }
  }
  return found;
}
