/** `tidemark order-to-cash`: the processes that do not go on, and how to make one go on. */
import { Command } from "commander";
import { z } from "zod";
import { fromJson } from "../../engine/json/from-json.ts";
import { CommandError, command, type CommonOptions, reportingErrors } from "../cli/command-error.ts";
import { readRunningSystem } from "../system/running-system.ts";
import { type StalledProcess, stalledProcesses } from "./stalled-processes.ts";

export function orderToCashCommand(): Command {
  const list = command("stalled", "Lists the processes that are halted, unanswered or late, with the reason.").action(
    async (options: CommonOptions) => {
      await reportingErrors(options.json, () => listStalled(options));
    },
  );
  const retry = command("retry", "Sends again what a halted process was refused, and lets it go on.")
    .argument("<order>", "id of the order")
    .action(async (order: string, options: CommonOptions) => {
      await reportingErrors(options.json, () => retryProcess(order, options));
    });
  // Without the common options, which it would take away from its subcommands.
  return new Command("order-to-cash")
    .description("Shows and mends the processes that bring orders from placement to payment.")
    .addCommand(list.exitOverride())
    .addCommand(retry.exitOverride());
}

async function listStalled({ data, json }: CommonOptions): Promise<void> {
  const stalled = await stalledProcesses(await readRunningSystem(data));
  if (json === true) {
    console.log(JSON.stringify({ stalled }));
    return;
  }
  console.log(stalled.length === 0 ? "every process goes on" : stalled.map(describeStalled).join("\n"));
}

/** One line of it. */
export function describeStalled({ orderId, state, since, reason }: StalledProcess): string {
  return `order ${orderId}  ${state} since ${since}  ${reason}`;
}

const problemSchema = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ message: z.string() })).default([]),
});

async function retryProcess(order: string, { data, json }: CommonOptions): Promise<void> {
  const { apiUrl } = await readRunningSystem(data);
  const url = new URL(`/order-to-cash/${encodeURIComponent(order)}/retry`, apiUrl);
  const response = await fetch(url, { method: "POST", signal: AbortSignal.timeout(30_000) });
  const text = await response.text();
  if (!response.ok) {
    const problem = problemSchema.safeParse(fromJson(text)).data;
    const {
      code = "RETRY_FAILED",
      detail = `${url.href} answered with status ${response.status}`,
      errors = [],
    } = problem ?? {};
    // The only field there is to be wrong is the order's id.
    throw new CommandError(code, `${order}: ${errors.map(({ message }) => message).join("; ") || detail}`);
  }
  console.log(
    json === true ? text : `order ${order}: sent again; npx tidemark status tells if it is refused once more`,
  );
}
