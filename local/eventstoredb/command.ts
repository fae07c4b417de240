/**
 * The event store as a command: `node local/eventstoredb/main.ts`, and `tidemark eventstore`. Prints one line when it
 * answers, runs until it is told to stop, ends with 0; what keeps it from starting ends it with 1 and one line that
 * says what to do.
 */
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { Command, InvalidArgumentError, Option } from "commander";
import { exportCommand, importCommand } from "../log-transfer/command.ts";
import { stopSignal } from "../cli/stop-signal.ts";
import { DataDirectoryError } from "./data-directory-errors.ts";
import { startEventStore, type EventStoreServer, type Follower } from "./event-store-server.ts";
import { defaultLimits, maximumMessageSize } from "./limits.ts";
import { HostUnusableError } from "./host-unusable-error.ts";
import { PortInUseError } from "./port-in-use-error.ts";
import { SecurityError } from "./security/security-error.ts";
import { addSecurityFlags, securityOf, type SecurityFlags } from "./security/security-flags.ts";

interface CommandOptions extends SecurityFlags {
  readonly port: number;
  readonly data: string;
  readonly inMemory: boolean;
  readonly host: string;
  readonly insecure: boolean;
  readonly maxAppendSize: number;
  /** Milliseconds that a follower is late. */
  readonly follower?: number;
  readonly json: boolean;
}

/** EventStoreDB's own port. */
const defaultPort = 2113;
const defaultDirectory = ".tidemark/event-store";
const loopback = new Set(["127.0.0.1", "localhost", "::1"]);

const parsePort = (text: string): number => {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
};

const parseSize = (text: string): number => {
  const size = Number(text);
  if (!/^\d+$/.test(text) || size === 0 || size > maximumMessageSize)
    throw new InvalidArgumentError(`A size is a number of bytes from 1 to ${maximumMessageSize}.`);
  return size;
};

const parseLag = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("A lag is a whole number of milliseconds.");
  return Number(text);
};

const describe = (
  server: EventStoreServer,
  follower: Follower | undefined,
  { json, secure }: CommandOptions,
): string => {
  const { connectionString, port, dataDirectory, caFile } = server;
  if (json) {
    return JSON.stringify({
      ready: true,
      connectionString,
      port,
      dataDirectory: dataDirectory ?? null,
      ...(secure ? { caFile: caFile ?? null } : {}),
      ...(follower === undefined
        ? {}
        : { follower: { connectionString: follower.connectionString, port: follower.port } }),
      pid: process.pid,
    });
  }
  const user = secure ? ", for a user: put admin:PASSWORD@ after esdb://" : "";
  const beside = follower === undefined ? "" : `, a follower at ${follower.connectionString}`;
  return `Event store ready at ${connectionString}${user}, data in ${dataDirectory ?? "memory"}${beside}`;
};

const report = (error: unknown, json: boolean): void => {
  const known =
    error instanceof DataDirectoryError ||
    error instanceof PortInUseError ||
    error instanceof HostUnusableError ||
    error instanceof SecurityError ||
    error instanceof ExposureError;
  const code = known ? error.code : "START_FAILED";
  const message = error instanceof Error ? error.message : String(error);
  console.error(json ? JSON.stringify({ error: { code, message } }) : `error: ${message}`);
};

class ExposureError extends Error {
  override readonly name = "ExposureError";
  readonly code = "INSECURE_EXPOSURE";
}

const run = async (options: CommandOptions): Promise<void> => {
  // grpc-js prints a line of its own when it cannot bind; ours says what to do about it.
  setLogVerbosity(logVerbosity.NONE);
  let server: EventStoreServer | undefined;
  let follower: Follower | undefined;
  try {
    const security = securityOf(options, process.env);
    if (!loopback.has(options.host) && !options.insecure && security === undefined) {
      throw new ExposureError(
        `The server has no encryption and no users: on ${options.host} anybody could read and write. ` +
          `Leave --host out, add --secure, or say --insecure if that is what you want.`,
      );
    }
    const { port, host, maxAppendSize: maximumAppendSize } = options;
    const where = options.inMemory ? { inMemory: true } : { dataDirectory: options.data };
    server = await startEventStore({
      ...where,
      port,
      host,
      maximumAppendSize,
      ...(security === undefined ? {} : { security }),
    });
    if (options.follower !== undefined)
      follower = await server.startFollower({ host, lagMilliseconds: options.follower });
  } catch (error) {
    await server?.stop();
    report(error, options.json);
    process.exitCode = 1;
    return;
  }
  // Before the ready line: who reads it may send a signal before the next statement here.
  const stopped = stopSignal();
  console.log(describe(server, follower, options));
  await stopped;
  await server.stop();
};

export const eventStoreCommand = (): Command =>
  addSecurityFlags(
    new Command("eventstore")
      .description("Runs an event store that EventStoreDB clients can use: durable, on this machine, one process.")
      .addOption(
        new Option("--port <number>", "port to listen on; 0 takes a free one")
          .argParser(parsePort)
          .default(defaultPort),
      )
      .addOption(
        new Option("--data <directory>", "where the events are kept; made if it does not exist").default(
          defaultDirectory,
        ),
      )
      .addOption(
        new Option("--in-memory", "keep the events in memory: they are gone when it stops")
          .default(false)
          .conflicts("data"),
      )
      .option("--host <address>", "address to listen on", "127.0.0.1")
      .option("--insecure", "allow an address that other machines can reach, without encryption and users", false),
  )
    .addOption(
      new Option("--max-append-size <bytes>", "bytes of event data in one append; more is refused")
        .env("EVENTSTORE_MAX_APPEND_SIZE")
        .argParser(parseSize)
        .default(defaultLimits.maximumAppendSize),
    )
    .addOption(
      new Option(
        "--follower <milliseconds>",
        "also run a follower, on a free port, that shows everything so much later: to try clients with a cluster",
      ).argParser(parseLag),
    )
    .option("--json", "print the ready line and errors as JSON", false)
    .action(async (options: CommandOptions) => {
      await run(options);
    })
    // Options of the same name, such as --json, belong to the command that they follow.
    .enablePositionalOptions()
    .addCommand(exportCommand())
    .addCommand(importCommand());
