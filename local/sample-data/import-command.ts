/**
 * `tidemark import northwind`: places the sample orders through the HTTP API. Every order has an idempotency key that follows
 * from its id, so the import can be stopped, killed and repeated at will: the end is the same.
 */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import {
  CommandError,
  command,
  type CommonOptions,
  exitCodeOf,
  exitCodes,
  reportingErrors,
} from "../cli/command-error.ts";
import { showProgress } from "../cli/progress.ts";
import { findRunningSystem } from "../system/running-system.ts";
import { northwindOrders } from "./northwind/northwind-orders.ts";
import { OrderDesk } from "./order-desk.ts";

interface ImportOptions extends CommonOptions {
  readonly url?: string;
  readonly concurrency: number;
}

const defaultUrl = "http://127.0.0.1:3000";

export function importCommand(): Command {
  const inFlight = new Option("--concurrency <number>", "orders in flight at once").default(8).argParser((text) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1 || number > 64) throw new InvalidArgumentError("Give 1 to 64.");
    return number;
  });
  return command("import", "Places sample orders through the HTTP API; may be repeated, with the same end state.")
    .addArgument(new Argument("<data set>", "which orders").choices(["northwind"]))
    .option("--url <url>", `the HTTP API; by default that of the system on --data, else ${defaultUrl}`)
    .addOption(inFlight)
    .action(async (_dataSet: string, options: ImportOptions) => {
      await reportingErrors(options.json, () => importNorthwind(options));
    });
}

async function importNorthwind(options: ImportOptions): Promise<void> {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ending.abort(new Stopped(signal)));
  const url = new URL("/orders", await apiUrl(options));
  const orders = await northwindOrders();
  const progress = showProgress("orders placed", orders.length);
  const desk = new OrderDesk(url, tell);
  const queue = orders.values();
  let placed = 0;
  const lane = async (): Promise<void> => {
    for (const order of queue) {
      ending.signal.throwIfAborted();
      await desk.place(order, ending.signal);
      placed += 1;
      progress.update(placed);
    }
  };
  // What ends one lane ends all; it is told when the last of them is still, so that it is the last line.
  await Promise.all(
    Array.from({ length: options.concurrency }, () => lane().catch((error: unknown) => ending.abort(error))),
  );
  progress.stop();
  if (ending.signal.aborted) throw failureOf(ending.signal.reason, placed, orders.length);
  const lines = orders.reduce((sum, order) => sum + order.lines.length, 0);
  if (options.json === true) console.log(JSON.stringify({ orders: orders.length, lines }));
  else
    console.log(
      `${orders.length} orders with ${lines} lines are placed; see ${new URL("/views/sales-by-month", url).href}`,
    );
}

/** The user's own wish, as the reason why the lanes end. */
class Stopped {
  readonly by: NodeJS.Signals;

  constructor(by: NodeJS.Signals) {
    this.by = by;
  }
}

function failureOf(reason: unknown, placed: number, all: number): unknown {
  if (!(reason instanceof Stopped)) return reason;
  const message = `stopped by ${reason.by} with ${placed} of ${all} orders placed: run it again, the end state is the same`;
  return new CommandError("INTERRUPTED", message, exitCodeOf(reason.by));
}

/** On a terminal it takes the place of the progress bar, which is drawn again below it. */
function tell(line: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}\n` : `${line}\n`);
}

async function apiUrl({ url, data }: ImportOptions): Promise<string> {
  if (url === undefined) return (await findRunningSystem(data))?.apiUrl ?? defaultUrl;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new CommandError("URL_INVALID", `"${url}" is not a URL: give one like ${defaultUrl}`, exitCodes.usage);
}
