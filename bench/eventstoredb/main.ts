/**
 * `npm run bench:eventstore`: how fast the embedded event store is, on disk and in memory, and beside a real server where
 * one is given; and what its operations cost as the log grows.
 */
import { availableParallelism, cpus } from "node:os";
import { EventStoreDBClient } from "@eventstore/db-client";
import { Command, CommanderError, Option } from "commander";
import { exitCodeOf, exitCodes, reportError } from "../../local/cli/command-error.ts";
import { type Growth, type GrowthSizes, measureGrowth } from "./growth.ts";
import { type Figure, measure, type Sizes } from "./measures.ts";
import { reference } from "./reference.ts";
import { type Storage, StoreProcess, temporaryDirectory } from "./store-process.ts";

interface Options {
  readonly server?: string;
  readonly only?: "speed" | "growth";
  readonly quick?: boolean;
  readonly json?: boolean;
}

const fullSizes: Sizes & GrowthSizes = {
  appends: 10_000,
  events: 100_000,
  delivered: 50_000,
  live: 500,
  streams: 100_000,
  revisions: 1_000_000,
  operations: 1_000,
  rounds: 5,
};
const quickSizes: Sizes & GrowthSizes = {
  appends: 100,
  events: 2_000,
  delivered: 1_000,
  live: 20,
  streams: 200,
  revisions: 2_000,
  operations: 50,
  rounds: 1,
};

type Column = Storage | "server";
interface Row extends Omit<Figure, "value"> {
  readonly values: Partial<Record<Column, number>>;
}

const program = new Command("bench:eventstore")
  .description("Measures the embedded event store through the client: on disk, in memory, and as its log grows.")
  .option("--server <connection string>", "measure this EventStoreDB too; streams of the benchmark's own stay in it")
  .addOption(new Option("--only <part>", "measure only this").choices(["speed", "growth"]))
  .option("--quick", "little work: shows that it runs, not how fast")
  .option("--json", "print JSON, errors too")
  .exitOverride()
  .action(async (options: Options) => {
    try {
      const sizes = options.quick === true ? quickSizes : fullSizes;
      const rows = options.only === "growth" ? [] : await speeds(sizes, options.server);
      const growth = options.only === "speed" ? undefined : await measureGrowth(sizes, say);
      print(rows, growth, options);
    } catch (error) {
      reportError(error, options.json === true);
    }
  });

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(exitCodeOf(signal)));
try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
}

/** One column after the other: two servers at once would take each other's processor. */
async function speeds(sizes: Sizes, server: string | undefined): Promise<Row[]> {
  const rows = new Map<string, Row>();
  const add = (column: Column, figure: Figure): void => {
    say(`${column}: ${figure.name}: ${inFigures(figure.value)}`);
    const values = { ...rows.get(figure.name)?.values, [column]: figure.value };
    rows.set(figure.name, { name: figure.name, unit: figure.unit, values });
  };
  for (const storage of ["disk", "memory"] as const) {
    const store = await StoreProcess.start(storage === "disk" ? await temporaryDirectory() : undefined);
    for await (const figure of measure(store.client, sizes)) add(storage, figure);
    const memory: Figure = {
      name: "resident memory after all of this",
      unit: "MB",
      value: await store.residentMemory(),
    };
    add(storage, memory);
    await store.stop();
  }
  if (server !== undefined) {
    const client = EventStoreDBClient.connectionString(server);
    for await (const figure of measure(client, sizes)) add("server", figure);
    await client.dispose();
  }
  return [...rows.values()];
}

function print(rows: readonly Row[], growth: Growth | undefined, { json, server }: Options): void {
  const machine = { processors: availableParallelism(), model: cpus()[0]?.model ?? "unknown", node: process.version };
  if (json === true) {
    console.log(JSON.stringify({ machine, speeds: rows, growth: growth ?? null }, null, 2));
    return;
  }
  console.log(`${machine.processors} x ${machine.model}, Node.js ${machine.node}, events of 305 bytes`);
  if (rows.length > 0) console.log(`\n${speedTable(rows, server !== undefined)}`);
  if (growth !== undefined) console.log(`\n${growthTable(growth)}`);
}

function speedTable(rows: readonly Row[], besideServer: boolean): string {
  const table = rows.map(({ name, unit, values }) => {
    const { disk = Number.NaN, memory = Number.NaN, server = Number.NaN } = values;
    const lessIsBetter = unit === "ms" || unit === "MB";
    const ratio = lessIsBetter ? server / disk : disk / server;
    const { disk: theirDisk = "-", memory: theirMemory = "-" } = reference[name] ?? {};
    return [
      `${name} (${lessIsBetter ? unit : `${unit}/s`})`,
      inFigures(disk),
      inFigures(memory),
      ...(besideServer ? [inFigures(server), `${ratio.toFixed(2)}x`] : []),
      theirDisk,
      theirMemory,
    ];
  });
  const server = besideServer ? ["the server", "disk over it"] : [];
  const heads = ["", "on disk", "in memory", ...server, "EventStoreDB 24.6*, on disk", "in memory*"];
  return `${formatTable([heads, ...table])}\n\n* on another machine of the same size: only --server compares on one`;
}

function growthTable({ operations, weights }: Growth): string {
  return formatTable([
    ["", "small log", "large log", "large over small", "lowest and highest round"],
    ...operations.map(({ name, unit, ours, raw, ratio, lowest, highest }) => [
      `${name} (${unit}/s)`,
      inFigures(raw),
      inFigures(ours),
      `${ratio.toFixed(2)}x`,
      `${lowest.toFixed(2)}-${highest.toFixed(2)}`,
    ]),
    ...weights.map(({ name, unit, small, large }) => [
      `${name} (${unit})`,
      inFigures(small),
      inFigures(large),
      `${(large / small).toFixed(2)}x`,
      "-",
    ]),
  ]);
}

function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  "),
    )
    .join("\n");
}

function inFigures(value: number): string {
  return value < 100 ? value.toFixed(2) : Math.round(value).toLocaleString("en");
}

/** For people who wait; stdout is for results. */
function say(line: string): void {
  console.error(line);
}
