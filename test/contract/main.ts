/**
 * `npm run contract -- --server esdb://...`: runs the contract suite against a server, so that its user sees for himself
 * that it behaves as the embedded event store does. Without --server it runs against the embedded one.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { EventStoreDBClient, START } from "@eventstore/db-client";
import { Command, CommanderError } from "commander";
import { CommandError, exitCodeOf, exitCodes, reportError } from "../../local/cli/command-error.ts";
import { serverVariable } from "./server-variable.ts";

interface Options {
  readonly server?: string;
  readonly only?: string;
}

const program = new Command("contract")
  .description(
    "Runs the contract suite against an EventStoreDB or KurrentDB. It writes streams and persistent subscriptions of its " +
      "own, under random names, and leaves them there: name a server that you can throw away.",
  )
  .option(
    "--server <connection string>",
    "the server, as esdb://user:password@host:2113?tls=true; else the embedded one",
  )
  .option("--only <text>", "run only the tests whose name contains this")
  .exitOverride()
  .action(async ({ server, only }: Options) => {
    if (server !== undefined) await refuseUnreachable(server);
    process.exitCode = await run(server, only);
  });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  else reportError(error, false);
}

/** Before hundreds of tests fail for the same reason. */
async function refuseUnreachable(server: string): Promise<void> {
  let client: EventStoreDBClient | undefined;
  try {
    client = EventStoreDBClient.connectionString(server);
    await client.readAll({ fromPosition: START, maxCount: 1 })[Symbol.asyncIterator]().next();
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replace(/\.+$/, "");
    throw new CommandError(
      "SERVER_UNREACHABLE",
      `the server cannot be read: ${reason}. Give a connection string such as esdb://127.0.0.1:2113?tls=false of a ` +
        `server that runs, with a user who may read $all if it has users.`,
      exitCodes.failure,
      error,
    );
  } finally {
    await client?.dispose();
  }
}

function run(server: string | undefined, only: string | undefined): Promise<number> {
  const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
  // One server for all: a test that restarts its subscriptions must not do so to others.
  const inTurn = server === undefined ? [] : ["--no-file-parallelism"];
  const pattern = only === undefined ? [] : ["--testNamePattern", only.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")];
  const suite = spawn(
    process.execPath,
    [vitest, "run", "--config", "vitest.contract.config.ts", ...inTurn, ...pattern],
    {
      cwd: new URL("../..", import.meta.url),
      stdio: "inherit",
      env: { ...process.env, ...(server === undefined ? {} : { [serverVariable]: server }) },
    },
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => suite.kill(signal));
  return new Promise((resolve, reject) => {
    suite.on("error", reject);
    suite.on("exit", (code, signal) => resolve(signal === null ? (code ?? exitCodes.failure) : exitCodeOf(signal)));
  });
}
