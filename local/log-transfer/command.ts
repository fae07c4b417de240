/**
 * `tidemark eventstore export` and `tidemark eventstore import`: bring the log of a server to a file and back to another
 * server, through the client. Both may be stopped, killed and repeated.
 */
import { Command } from "commander";
import type { EventStoreDBClient } from "@eventstore/db-client";
import { disposeClient } from "../../engine/event-store/dispose-client.ts";
import { CommandError, exitCodeOf, reportError } from "../cli/command-error.ts";
import { type Progress, showProgress } from "../cli/progress.ts";

interface TransferOptions {
  readonly server: string;
  readonly file: string;
  readonly json: boolean;
}

const transferCommand = (name: string, description: string, fileIs: string): Command =>
  new Command(name)
    .description(description)
    .requiredOption("--server <connection string>", "the server, such as esdb://127.0.0.1:2113?tls=false")
    .requiredOption("--file <path>", fileIs)
    .option("--json", "print JSON, errors too", false)
    // A command within a command does not inherit it.
    .exitOverride();

export const exportCommand = (): Command =>
  transferCommand(
    "export",
    "Writes the events of users' streams, and their metadata, to a file; repeated, it goes on where the file ends.",
    "NDJSON, made if it does not exist",
  ).action(({ server, file, json }: TransferOptions) =>
    transferring(server, json, async (client, signal) => {
      const { exportLog } = await import("./export-log.ts");
      const shown = progressOf("exported log");
      const progress = (reached: bigint, end: bigint): void => shown.update(Number(reached), Number(end));
      const { written, position } = await exportLog(client, file, { signal, progress }).finally(shown.stop);
      return {
        line: `${written} events written to ${file}, which holds the log up to position ${position ?? "none"}`,
        result: { written, position: position?.toString() ?? null, file },
      };
    }),
  );

export const importCommand = (): Command =>
  transferCommand(
    "import",
    "Appends the events of an exported file to a server, with their ids and revisions; repeated, it does nothing twice.",
    "what an export has written",
  ).action(({ server, file, json }: TransferOptions) =>
    transferring(server, json, async (client, signal) => {
      const { importLog } = await import("./import-log.ts");
      const shown = progressOf("imported bytes");
      const { events } = await importLog(client, file, { signal, progress: shown.update }).finally(shown.stop);
      return { line: `the server holds the ${events} events of ${file}`, result: { events, file } };
    }),
  );

/** Shown from its first step on: a transfer that never begins has an error to show and nothing else. */
const progressOf = (what: string) => {
  let shown: Progress | undefined;
  return {
    update: (done: number, total: number): void => {
      shown ??= showProgress(what, total);
      shown.update(done, total);
    },
    stop: (): void => shown?.stop(),
  };
};

interface Transferred {
  readonly line: string;
  readonly result: Readonly<Record<string, unknown>>;
}

/** Runs with a client that is put away at the end, and ends early at a signal; what was done until then counts. */
const transferring = async (
  server: string,
  json: boolean,
  work: (client: EventStoreDBClient, signal: AbortSignal) => Promise<Transferred>,
): Promise<void> => {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => ending.abort(signal));
  let client: EventStoreDBClient | undefined;
  try {
    client = (await import("@eventstore/db-client")).EventStoreDBClient.connectionString(server);
    const { line, result } = await work(client, ending.signal);
    console.log(json ? JSON.stringify(result) : line);
  } catch (error) {
    reportError(ending.signal.aborted ? stoppedBy(ending.signal.reason as NodeJS.Signals) : inWords(error), json);
  } finally {
    if (client !== undefined) await disposeClient(client);
  }
};

/** What users can do something about is told in their words. */
const inWords = (error: unknown): unknown => {
  const type: unknown = error instanceof Error && "type" in error ? error.type : undefined;
  if (type === "unavailable") {
    return new CommandError(
      "SERVER_UNREACHABLE",
      "no server answers there: start it, or check host, port and tls in the connection string",
      undefined,
      error,
    );
  }
  if (type !== "access-denied") return error;
  return new CommandError(
    "ACCESS_DENIED",
    "the server refuses that user: reading $all takes an administrator, so put admin:PASSWORD@ after esdb://",
    undefined,
    error,
  );
};

const stoppedBy = (signal: NodeJS.Signals): CommandError =>
  new CommandError("STOPPED", `stopped by ${signal}: repeat the command to go on`, exitCodeOf(signal));
