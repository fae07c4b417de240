/**
 * `tidemark import northwind`: places the sample orders through the HTTP API. Every order has an idempotency key that follows
 * from its id, so the import can be killed and repeated at will: the end is the same.
 */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { showProgress } from "../cli/progress.ts";
import { findRunningSystem } from "../system/running-system.ts";
import { northwindOrders, type OrderRequest } from "./northwind/northwind-orders.ts";

interface ImportOptions extends CommonOptions {
  readonly url?: string;
  readonly concurrency: number;
}

const defaultUrl = "http://127.0.0.1:3000";
const retriedFor = 60_000;

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
  const url = new URL("/orders", await apiUrl(options));
  const orders = await northwindOrders();
  const progress = showProgress("orders placed", orders.length);
  const queue = orders.values();
  let placed = 0;
  const lane = async (): Promise<void> => {
    for (const order of queue) {
      await place(url, order);
      placed += 1;
      progress.update(placed);
    }
  };
  try {
    await Promise.all(Array.from({ length: options.concurrency }, lane));
  } finally {
    progress.stop();
  }
  const lines = orders.reduce((sum, order) => sum + order.lines.length, 0);
  if (options.json === true) console.log(JSON.stringify({ orders: orders.length, lines }));
  else
    console.log(
      `${orders.length} orders with ${lines} lines are placed; see ${new URL("/views/sales-by-month", url).href}`,
    );
}

async function apiUrl({ url, data }: ImportOptions): Promise<string> {
  if (url === undefined) return (await findRunningSystem(data))?.apiUrl ?? defaultUrl;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new CommandError("URL_INVALID", `"${url}" is not a URL: give one like ${defaultUrl}`, exitCodes.usage);
}

/** Until it is placed: what mends by waiting is tried again, with growing pauses, for a minute. */
async function place(url: URL, order: OrderRequest): Promise<void> {
  const giveUpAt = performance.now() + retriedFor;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await post(url, order);
    if (answer.status === 201) return;
    if (!answer.retryable) {
      throw new CommandError("ORDER_REFUSED", `${order.orderId} was refused with ${answer.status}: ${answer.text}`);
    }
    if (performance.now() > giveUpAt) {
      throw new CommandError(
        "API_UNAVAILABLE",
        `${url.href} does not take orders (${answer.text}): is npm start running?`,
      );
    }
    await sleep(Math.random() * Math.min(2_000, 50 * 2 ** attempt));
  }
}

async function post(url: URL, order: OrderRequest): Promise<{ status: number; retryable: boolean; text: string }> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": `import-${order.orderId}` },
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(30_000),
    });
    const { status } = response;
    const retryable = status === 409 || status === 429 || status >= 500;
    return { status, retryable, text: status === 201 ? "" : (await response.text()).slice(0, 500) };
  } catch (error) {
    return { status: 0, retryable: true, text: error instanceof Error ? error.message : String(error) };
  }
}
