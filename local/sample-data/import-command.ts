/**
 * `tidemark import northwind`: takes the sample sales through the HTTP API, from the customer's registration to the last
 * payment. Every request has an idempotency key that follows from its order, so the import can be stopped, killed and
 * repeated at will: the end is the same.
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
import { type Progress, showProgress } from "../cli/progress.ts";
import { findRunningSystem } from "../system/running-system.ts";
import { northwind } from "./northwind/northwind.ts";
import { PatientApi } from "./patient-api.ts";
import { importCustomer, stages } from "./sale-import.ts";
import { type SaleTotals, saleTotals } from "./sale-totals.ts";

interface ImportOptions extends CommonOptions {
  readonly url?: string;
  readonly concurrency: number;
  readonly orders?: number;
}

const defaultUrl = "http://127.0.0.1:3000";

export function importCommand(): Command {
  const inFlight = new Option("--concurrency <number>", "orders in flight at once").default(16).argParser((text) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1 || number > 64) throw new InvalidArgumentError("Give 1 to 64.");
    return number;
  });
  const first = new Option("--orders <number>", "only so many, the earliest first").argParser((text) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("Give a number from 1.");
    return number;
  });
  return command(
    "import",
    "Takes sample orders from placement to payment through the HTTP API; may be repeated, with the same end state.",
  )
    .addArgument(new Argument("<data set>", "which orders").choices(["northwind"]))
    .option("--url <url>", `the HTTP API; by default that of the system on --data, else ${defaultUrl}`)
    .addOption(inFlight)
    .addOption(first)
    .action(async (_dataSet: string, options: ImportOptions) => {
      await reportingErrors(options.json, () => importNorthwind(options));
    });
}

async function importNorthwind(options: ImportOptions): Promise<void> {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ending.abort(new Stopped(signal)));
  const url = new URL(await apiUrl(options));
  const { customers, sales: all } = await northwind();
  const data = { customers, sales: all.slice(0, options.orders) };
  const api = new PatientApi(url, tell);
  const { concurrency } = options;
  const { sales } = data;
  const registering = showProgress("customers registered", customers.length);
  await inLanes(customers, concurrency, registering, ending, (each) => importCustomer(api, each, ending.signal));
  for (const { name, concerns, carryOut } of stages) {
    const concerned = sales.filter(concerns);
    const progress = showProgress(name, concerned.length);
    await inLanes(concerned, concurrency, progress, ending, (sale) => carryOut(api, sale, ending.signal));
  }
  const totals = await saleTotals(api, data, ending.signal).catch((error: unknown) => {
    throw failureOf(error, sales.length, sales.length);
  });
  console.log(options.json === true ? JSON.stringify(totals) : describe(totals, url));
}

/** What ends one lane ends all; it is told when the last of them is still, so that it is the last line. */
async function inLanes<Thing>(
  things: readonly Thing[],
  concurrency: number,
  progress: Progress,
  ending: AbortController,
  work: (thing: Thing) => Promise<void>,
): Promise<void> {
  const queue = things.values();
  let done = 0;
  const lane = async (): Promise<void> => {
    for (const thing of queue) {
      ending.signal.throwIfAborted();
      await work(thing);
      done += 1;
      progress.update(done);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, () => lane().catch((error: unknown) => ending.abort(error))));
  progress.stop();
  if (ending.signal.aborted) throw failureOf(ending.signal.reason, done, things.length);
}

function describe({ customers, orders, lines, byState, ...sums }: SaleTotals, url: URL): string {
  const states = Object.entries(byState).map(([state, count]) => `${count} ${state}`);
  const usd = (cents: number): string => (cents / 100).toLocaleString("en", { minimumFractionDigits: 2 });
  return [
    `${orders} orders of ${customers} customers, ${lines} lines: ${states.join(", ")}`,
    `revenue ${usd(sums.revenue)}, freight ${usd(sums.freight)}, receivables ${usd(sums.receivables)}, credit reserved ${usd(sums.creditReserved)} USD`,
    `see ${new URL("/views/sales-by-month", url).href}`,
  ].join("\n");
}

/** The user's own wish, as the reason why the lanes end. */
class Stopped {
  readonly by: NodeJS.Signals;

  constructor(by: NodeJS.Signals) {
    this.by = by;
  }
}

function failureOf(reason: unknown, done: number, all: number): unknown {
  if (!(reason instanceof Stopped)) return reason;
  const message = `stopped by ${reason.by} with ${done} of ${all} done: run it again, the end state is the same`;
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
