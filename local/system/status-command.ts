/**
 * `tidemark status`: each process of a running system, whether it is there, and whether it answers; and the orders that do not
 * go on, with the reason.
 */
import type { Command } from "commander";
import { describeStalled } from "../order-to-cash/command.ts";
import { type StalledProcess, stalledProcesses } from "../order-to-cash/stalled-processes.ts";
import { command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { answers } from "./ports.ts";
import { isAlive, readRunningSystem, type RunningSystem } from "./running-system.ts";

/** A process that is stopped, hangs or is not up yet is there and does not answer. */
type ProcessState = "running" | "not answering" | "ended";

export function statusCommand(): Command {
  return command("status", "Shows the processes of a running system.")
    .addHelpText("after", "\nThe exit code is 1 unless all are running.")
    .action(async ({ data, json }: CommonOptions) => {
      await reportingErrors(json, () => status(data, json === true));
    });
}

async function status(data: string, json: boolean): Promise<void> {
  const system = await readRunningSystem(data);
  const { apiUrl, dataDirectory, processes } = system;
  const stalled = await stalledOrders(system);
  const seen = await Promise.all(
    processes.map(async (process) => {
      const state = await stateOf(process);
      return { ...process, running: state === "running", state };
    }),
  );
  if (!seen.every(({ running }) => running)) process.exitCode = exitCodes.failure;
  if (json) {
    console.log(JSON.stringify({ apiUrl, dataDirectory, processes: seen, orderToCash: stalled }));
    return;
  }
  console.log(`${apiUrl}, data in ${dataDirectory}`);
  for (const { name, pid, port, state } of seen) {
    console.log(`  ${name.padEnd(12)} ${state.padEnd("not answering".length)}  pid ${pid}  port ${port}`);
  }
  console.log(`  ${"orders".padEnd(12)} ${describeOrders(stalled)}`);
}

type StalledOrders = { readonly stalled: readonly StalledProcess[] } | { readonly unknown: string };

/** Told, not thrown: where the view cannot be read, the processes above say why. */
async function stalledOrders(system: RunningSystem): Promise<StalledOrders> {
  try {
    return { stalled: await stalledProcesses(system) };
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

function describeOrders(orders: StalledOrders): string {
  if ("unknown" in orders) return `not known: ${orders.unknown}`;
  if (orders.stalled.length === 0) return "every one goes on";
  return ["some do not go on", ...orders.stalled.map((process) => `    ${describeStalled(process)}`)].join("\n");
}

async function stateOf({ pid, port }: RunningSystem["processes"][number]): Promise<ProcessState> {
  if (!isAlive(pid)) return "ended";
  return (await answers(port)) ? "running" : "not answering";
}
