/**
 * `npm run bench`: how fast the engine is, as ratios to the raw clients doing the same work on the same servers. A ratio
 * carries over to another machine better than a rate does; rates are printed beside it. What has no raw counterpart is
 * printed as a table.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { availableParallelism, cpus } from "node:os";
import { EventStore } from "../engine/event-store/event-store.ts";
import { exitCodes, reportError } from "../local/cli/command-error.ts";
import { availableEngine } from "../local/dynamodb/dynamodb-server.ts";
import { compareBackFill, type FilledLog } from "./back-fill.ts";
import { compareCommands } from "./command.ts";
import { contentionTable } from "./contention.ts";
import { deliveryCosts } from "./delivery-costs.ts";
import { compareDelivery, lanesTable } from "./delivery.ts";
import { fillOrderLog } from "./order-log.ts";
import { compareProcess } from "./process.ts";
import { costTable, orderToCashCosts } from "./process-costs.ts";
import { compareReadYourWrites } from "./read-your-writes.ts";
import { compareLiveDelivery } from "./replay-live.ts";
import { comparePasses, seedPasses } from "./replay-passes.ts";
import { compareSwaps } from "./replay-swap.ts";
import { compareVerification } from "./replay-verify.ts";
import { Servers } from "./servers.ts";
import { type Comparison, format } from "./side-by-side.ts";
import { compareSnapshots } from "./snapshots.ts";
import { formatTable, type Table } from "./table.ts";
import { compareVisible } from "./visible.ts";

const subjects = [
  "command",
  "contention",
  "snapshots",
  "process",
  "delivery",
  "lanes",
  "visible",
  "read-your-writes",
  "write-units",
  "back-fill",
  "replay-passes",
  "replay-verify",
  "replay-live",
  "replay-swap",
] as const;
type SubjectName = (typeof subjects)[number];

interface Options {
  readonly rounds?: number;
  readonly only?: SubjectName;
  readonly quick?: boolean;
  readonly json?: boolean;
}

interface Sizes {
  readonly rounds: number;
  /** Orders placed and cancelled in one run. */
  readonly commands: number;
  /** Commands on long and short aggregates, and orders that a process takes on, in one run. */
  readonly snapshots: number;
  readonly processes: number;
  /** How long each number of clients contends. */
  readonly contentionSeconds: number;
  /** Orders in the log that delivery, back-fill and verification read. */
  readonly orders: number;
  /** How long orders are appended at a steady rate, and views queried while they are swapped. */
  readonly steadySeconds: number;
  /** Orders that are placed and queried, one after the other. */
  readonly queries: number;
}

const fullSizes: Sizes = {
  rounds: 5,
  commands: 1_500,
  snapshots: 200,
  processes: 200,
  contentionSeconds: 4,
  orders: 10_000,
  steadySeconds: 8,
  queries: 100,
};
const quickSizes: Sizes = {
  rounds: 1,
  commands: 20,
  snapshots: 5,
  processes: 5,
  contentionSeconds: 0.2,
  orders: 160,
  steadySeconds: 0.2,
  queries: 5,
};

const program = new Command("bench")
  .description("Measures the engine against the raw clients doing the same work, side by side in one run.")
  .addOption(new Option("--only <name>", "measure only this").choices(subjects))
  .addOption(
    new Option("--rounds <number>", `rounds that count, ${fullSizes.rounds} unless given`).argParser((text) => {
      const rounds = Number(text);
      if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new InvalidArgumentError("Give 1 to 100.");
      return rounds;
    }),
  )
  .option("--quick", "one round of little work: shows that it runs, not how fast")
  .option("--json", "print JSON, errors too")
  .exitOverride()
  .action(async (options: Options) => {
    const { asked, signal } = endAsked();
    try {
      const results = await Promise.race([measure(options), asked]);
      if (results !== undefined) print(results, options);
    } catch (error) {
      reportError(error, options.json === true);
    }
    await Promise.all([...running].map((servers) => servers.stop()));
    // Connections that were cut off in the middle of a round may hold the process up.
    process.exit(signal() ?? process.exitCode);
  });

/** Servers to be stopped before the process ends. */
const running = new Set<Servers>();

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
}

interface Results {
  readonly comparisons: Comparison[];
  readonly tables: Table[];
}

async function measure(options: Options): Promise<Results> {
  const { rounds, commands, snapshots, processes, contentionSeconds, orders, steadySeconds, queries } = {
    ...(options.quick === true ? quickSizes : fullSizes),
    ...(options.rounds === undefined ? {} : { rounds: options.rounds }),
  };
  const isWanted = (name: SubjectName): boolean => options.only === undefined || options.only === name;
  const comparisons: Comparison[] = [];
  const tables: Table[] = [];
  const collect = async (measured: AsyncIterable<Comparison>): Promise<void> => {
    for await (const comparison of measured) {
      say(`${comparison.name}: ${comparison.ratio.toFixed(2)}x of raw`);
      comparisons.push(comparison);
    }
  };
  if (isWanted("command")) {
    await withServers((servers) => collect(compareCommands(servers, commands, rounds)));
  }
  if (isWanted("contention")) {
    await withServers(async (servers) => {
      tables.push(await contentionTable(servers, [1, 2, 5, 10, 20, 50], contentionSeconds));
    });
  }
  if (isWanted("snapshots")) await withServers((servers) => collect(compareSnapshots(servers, snapshots, rounds)));
  if (isWanted("process")) {
    await withServers(async (servers) => {
      await collect(compareProcess(servers, processes, rounds));
      const store = EventStore.connect(servers.connectionString);
      tables.push(costTable(await orderToCashCosts(store)));
      await store.dispose();
    });
  }
  if (isWanted("delivery") || isWanted("lanes") || isWanted("back-fill")) {
    await withServers(async (servers) => {
      // The runtime bundles meanwhile.
      const runtime = isWanted("delivery") || isWanted("lanes") ? servers.startFunctions() : undefined;
      const log = await filledLog(servers, orders);
      await runtime;
      if (isWanted("delivery")) await collect(compareDelivery(servers, log, rounds));
      if (isWanted("lanes")) tables.push(await lanesTable(servers, log, [1, 2, 4, 8], rounds));
      if (isWanted("back-fill")) await collect(compareBackFill(servers, log, rounds));
    });
  }
  if (isWanted("replay-passes")) {
    say("filling the log with the events of Northwind");
    let log: FilledLog | undefined;
    await withServers(
      async (servers) => {
        if (log !== undefined) await collect(comparePasses(servers, log, rounds));
      },
      // Thirty events an order, in all contexts.
      async (directory) => (log = await seedPasses(directory, orders / 4)),
    );
  }
  if (isWanted("replay-verify")) {
    await withServers(async (servers) => {
      await collect(compareVerification(servers, await filledLog(servers, orders), rounds));
    });
  }
  if (isWanted("replay-live")) {
    await withServers(async (servers) => {
      const runtime = servers.startFunctions();
      // Until a back-fill has noticed that delivery is behind it gives way to nobody: the drain is to last for longer.
      const log = await filledLog(servers, 4 * orders);
      await runtime;
      await collect(compareLiveDelivery(servers, log, rounds));
    });
  }
  if (isWanted("replay-swap")) {
    await withServers(async (servers) => {
      await filledLog(servers, Math.min(orders, 1_000));
      await collect(compareSwaps(servers, steadySeconds, rounds));
    });
  }
  if (isWanted("visible") || isWanted("read-your-writes")) {
    await withServers(async (servers) => {
      await Promise.all([servers.startFunctions(), servers.startEmptyFunction()]);
      if (isWanted("visible")) await collect(compareVisible(servers, steadySeconds, rounds));
      if (isWanted("read-your-writes")) await collect(compareReadYourWrites(servers, queries, rounds));
    });
  }
  if (isWanted("write-units")) {
    await withServers(async (servers) => {
      tables.push(...(await deliveryCosts(servers, options.quick === true ? [1, 10] : undefined)));
    });
  }
  return { comparisons, tables };
}

/** Runs `work` with servers of its own: what one subject leaves in them must not slow the next. */
async function withServers(
  work: (servers: Servers) => Promise<void>,
  fill?: Parameters<Servers["start"]>[0],
): Promise<void> {
  say("starting servers");
  const servers = await Servers.prepared();
  running.add(servers);
  await servers.start(fill);
  await servers.during(work(servers));
  await servers.stop();
  running.delete(servers);
}

async function filledLog(servers: Servers, orders: number): ReturnType<typeof fillOrderLog> {
  const store = EventStore.connect(servers.connectionString);
  try {
    say(`filling the log with ${orders} orders`);
    return await fillOrderLog(store, orders);
  } finally {
    await store.dispose();
  }
}

/** Resolves when the process is asked to end; `signal` is then the exit code that says so. */
function endAsked(): { readonly asked: Promise<undefined>; readonly signal: () => number | undefined } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let code: number | undefined;
  for (const [name, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(name, () => {
      code ??= exitCode;
      resolve(undefined);
    });
  }
  return { asked: promise, signal: () => code };
}

function print({ comparisons, tables }: Results, { json }: Options): void {
  const machine = {
    processors: availableParallelism(),
    model: cpus()[0]?.model ?? "unknown",
    node: process.version,
    dynamodb: availableEngine(),
  };
  if (json === true) {
    console.log(JSON.stringify({ machine, comparisons, tables }, null, 2));
    return;
  }
  const { processors, model, node, dynamodb } = machine;
  console.log(`${processors} x ${model}, Node.js ${node}, embedded event store, ${dynamodb}\n`);
  console.log([...comparisons.map(format), ...tables.map(formatTable)].join("\n"));
}

/** For people who wait; stdout is for results. */
function say(line: string): void {
  console.error(line);
}
