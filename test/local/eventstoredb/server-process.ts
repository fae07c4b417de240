/** The event store as a process of its own, as `main.ts` runs it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export const mainFile = join(import.meta.dirname, "../../../local/eventstoredb/main.ts");

export interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ServerProcess {
  readonly connectionString: string;
  readonly port: number;
  readonly pid: number;
  readonly readyLine: string;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Exit>;
}

const launch = (parameters: readonly string[], within: readonly string[] = []) => {
  const [command = process.execPath, ...rest] = [...within, process.execPath, mainFile, ...parameters];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = once(child, "close").then((): Exit => ({ code: child.exitCode, stdout, stderr }));
  return { child, ended, stdout: () => stdout };
};

/** Runs the command until it ends by itself. */
export const runToEnd = (parameters: readonly string[], within: readonly string[] = []): Promise<Exit> =>
  launch(parameters, within).ended;

/** A start that may be cut off at any moment. */
export const startToKill = (
  parameters: readonly string[],
): { readonly ready: Promise<void>; kill(): Promise<Exit> } => {
  const { child, ended } = launch(parameters);
  return {
    ready: Promise.race([once(child.stdout, "data"), ended]).then(() => undefined),
    kill: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
};

/**
 * Resolves when the ready line has been printed.
 * @param within a command that becomes the one after it, such as `nsenter`
 */
export const startProcess = async (
  parameters: readonly string[],
  within: readonly string[] = [],
): Promise<ServerProcess> => {
  const { child, ended, stdout } = launch(parameters, within);
  await Promise.race([
    once(child.stdout, "data"),
    ended.then(({ code, stderr }) => {
      throw new Error(`The server ended with ${code} before it was ready: ${stderr}`);
    }),
  ]);
  const [connectionString = "", port = ""] = /esdb:\/\/[^:]+:(\d+)\?tls=false/.exec(stdout()) ?? [];
  return {
    connectionString,
    port: Number(port),
    pid: child.pid ?? -1,
    readyLine: stdout(),
    kill: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
};
