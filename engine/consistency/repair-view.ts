/** Repairs what a check has found in a view, and checks again: a repair that proves itself right would prove nothing. */
import type { Projection } from "../views/projection.ts";
import type { CheckContext } from "./check.ts";
import type { ViewOutcome } from "./check-views.ts";
import type { CheckOptions, CheckReport } from "./generation-check.ts";
import { type Repair, repairLive, type RepairScope } from "./repair.ts";

/** What the second check found, and what was repaired before it; failed also where the repair itself could not be made. */
export type RepairedView = ViewOutcome & { readonly repairs: readonly Repair[] };

export interface RepairWatch extends Pick<RepairScope, "onWrite"> {
  /** Told of each difference when it was dealt with. */
  readonly onRepair?: (repaired: Repair, done: number) => void;
}

/** All differences of `report` must be listed in it. `checkAgain` looks at what was looked at before. */
export async function repairView(
  context: CheckContext,
  versions: readonly [Projection, ...Projection[]],
  report: CheckReport,
  checkAgain: (options: Pick<CheckOptions, "only">) => Promise<ViewOutcome>,
  { onWrite, onRepair }: RepairWatch = {},
): Promise<RepairedView> {
  const repairs: Repair[] = [];
  try {
    for await (const repaired of repairLive(context, versions, report, onWrite === undefined ? {} : { onWrite })) {
      repairs.push(repaired);
      onRepair?.(repaired, repairs.length);
    }
  } catch (error) {
    return { view: report.view, outcome: "failed", error, repairs };
  }
  return { ...(await checkAgain(sameRows(report))), repairs };
}

function sameRows({ only }: CheckReport): Pick<CheckOptions, "only"> {
  if (only === undefined) return {};
  return { only: "row" in only ? { row: only.row, mayBeGone: true } : only };
}
