/**
 * `tidemark status`: each process of a running system, whether it is there, and whether it answers; the orders that do not go
 * on, with the reason; and how far views and processes are behind the log.
 */
import type { Command } from "commander";
import { messageOf } from "../../engine/errors/message-of.ts";
import { command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { watch } from "../cli/watch.ts";
import { describeStalled } from "../order-to-cash/command.ts";
import { type StalledProcess, stalledProcesses } from "../order-to-cash/stalled-processes.ts";
import { type DeliveryStatus, deliveryStatus } from "./delivery-status.ts";
import { deliveryTable } from "./delivery-table.ts";
import { answers } from "./ports.ts";
import { isAlive, readRunningSystem, type RunningSystem } from "./running-system.ts";

/** A process that is stopped, hangs or is not up yet is there and does not answer. */
type ProcessState = "running" | "not answering" | "ended";

interface StatusOptions extends CommonOptions {
  readonly watch?: boolean;
}

interface SystemStatus {
  readonly apiUrl: string;
  readonly dataDirectory: string;
  readonly processes: readonly (RunningSystem["processes"][number] & {
    readonly running: boolean;
    readonly state: ProcessState;
  })[];
  readonly orderToCash: StalledOrders;
  readonly delivery: DeliveryStatus;
}

type StalledOrders = { readonly stalled: readonly StalledProcess[] } | { readonly unknown: string };

export function statusCommand(): Command {
  return command("status", "Shows the processes of a running system, and how far its views are behind the log.")
    .option("--watch", "show it again every second, until Ctrl-C")
    .addHelpText(
      "after",
      "\nThe exit code is 1 unless all are running. docs/operations/lag.md says what the numbers mean.",
    )
    .action(async (options: StatusOptions) => {
      await reportingErrors(options.json, () => show(options));
    });
}

async function show({ data, json, watch: isWatched }: StatusOptions): Promise<void> {
  const textOf = json === true ? (status: SystemStatus) => JSON.stringify(status) : describe;
  const picture = async (): Promise<{ status: SystemStatus; text: string }> => {
    const status = await systemStatus(await readRunningSystem(data));
    return { status, text: textOf(status) };
  };
  if (isWatched === true) {
    await watch(async () => (await picture()).text, { separator: json === true ? "" : "\n" });
    return;
  }
  const { status, text } = await picture();
  console.log(text);
  if (!status.processes.every(({ running }) => running)) process.exitCode = exitCodes.failure;
}

async function systemStatus(system: RunningSystem): Promise<SystemStatus> {
  const { apiUrl, dataDirectory } = system;
  const [orderToCash, delivery, processes] = await Promise.all([
    stalledOrders(system),
    deliveryStatus(system),
    Promise.all(
      system.processes.map(async (process) => {
        const state = await stateOf(process);
        return { ...process, running: state === "running", state };
      }),
    ),
  ]);
  return { apiUrl, dataDirectory, processes, orderToCash, delivery };
}

function describe({ apiUrl, dataDirectory, processes, orderToCash, delivery }: SystemStatus): string {
  return [
    `${apiUrl}, data in ${dataDirectory}`,
    ...processes.map(
      ({ name, pid, port, state }) =>
        `  ${name.padEnd(12)} ${state.padEnd("not answering".length)}  pid ${pid}  port ${port}`,
    ),
    `  ${"orders".padEnd(12)} ${describeOrders(orderToCash)}`,
    ...deliveryTable(delivery).map((line) => `  ${line}`),
  ].join("\n");
}

/** Told, not thrown: where the view cannot be read, the processes above say why. */
async function stalledOrders(system: RunningSystem): Promise<StalledOrders> {
  try {
    return { stalled: await stalledProcesses(system) };
  } catch (error) {
    return { unknown: messageOf(error) };
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
