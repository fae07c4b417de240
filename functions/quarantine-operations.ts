import { QuarantineOperations } from "../engine/quarantine/operations.ts";
import { processBatch } from "../engine/processes/process-batch.ts";
import type { ReplayContext } from "../engine/replay/replay-context.ts";
import type { Logger } from "../engine/http/logger.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { orderToCashManager } from "./order-to-cash-process.ts";
import { orderToCashProcess } from "./process-names.ts";

/** Quarantine of this deployment: its views by their names, its processes by those of their functions. */
export function quarantineOperations(context: ReplayContext, log: Logger): QuarantineOperations {
  const { eventStore } = context;
  return new QuarantineOperations(context, {
    views: new Map(viewNames.map((view) => [view, versionsOf(view)])),
    processes: new Map([
      [orderToCashProcess, (events) => processBatch({ eventStore, log }, orderToCashManager(eventStore), events)],
    ]),
  });
}
