/** `tidemark check --quick`: whether what moved has arrived, and what never did is applied by the projectors of the running system. */
import { quickCheck, type QuickCheckReport, type StreamBehind } from "../../engine/consistency/quick-check.ts";
import { askToCatchUp, connectLambda } from "../../engine/delivery/function-invocation.ts";
import type { StreamRevision } from "../../engine/delivery/function-payload.ts";
import { formatPosition } from "../../engine/event-store/position.ts";
import { versionsOf } from "../../projections/registry.ts";
import { type CommonOptions, exitCodes } from "../cli/command-error.ts";
import { readRunningSystem } from "../system/running-system.ts";
import { withStores } from "../system/system-stores.ts";

/** Longest wait for a projector to apply one stream. */
const healMs = 30_000;

export async function checkQuickly(views: readonly string[], { json, data }: CommonOptions): Promise<void> {
  const asked = views.map((view) => ({ view, versions: versionsOf(view) }));
  const system = await readRunningSystem(data);
  const lambda = connectLambda({ region: system.region, endpoint: system.invokeUrl });
  const { signal } = new AbortController();
  try {
    const reports = await withStores(system, async (stores) => {
      const checked: QuickCheckReport[] = [];
      for (const { view, versions } of asked) {
        const functionName = `${system.functionPrefix}project-${view}`;
        const heal = (upTo: StreamRevision) => askToCatchUp(lambda, { functionName, timeoutMs: healMs, signal }, upTo);
        checked.push(await quickCheck(stores, versions, { heal }));
      }
      return checked;
    });
    const isComplete = reports.every(({ behind }) => behind.length === 0);
    if (json === true) console.log(JSON.stringify({ complete: isComplete, views: reports.map(asJson) }));
    else for (const report of reports) print(report);
    if (!isComplete) process.exitCode = exitCodes.failure;
  } finally {
    lambda.destroy();
  }
}

function print({ view, checkedTo, events, streams, healed, waiting, behind }: QuickCheckReport): void {
  const verdict = behind.length === 0 ? "has what moved" : `LACKS events of ${behind.length} streams`;
  console.log(
    `${view}: ${verdict} (${streams} streams, ${events} events of all views, up to ${formatPosition(checkedTo)})`,
  );
  for (const each of healed) console.log(`  ${describe(each)}: had not arrived, applied now`);
  for (const each of waiting) console.log(`  ${describe(each)}: waits behind an event that was given up`);
  for (const each of behind) console.log(`  ${describe(each)}: not applied`);
}

function describe({ stream, expected, actual }: StreamBehind): string {
  return `${stream} at revision ${actual.toString()} of ${expected.toString()}`;
}

function asJson({ checkedTo, healed, waiting, behind, ...report }: QuickCheckReport): object {
  const streams = (all: readonly StreamBehind[]) =>
    all.map(({ stream, expected, actual }) => ({ stream, expected: expected.toString(), actual: actual.toString() }));
  return {
    ...report,
    checkedTo: formatPosition(checkedTo),
    healed: streams(healed),
    waiting: streams(waiting),
    behind: streams(behind),
  };
}
