/** The embedded event store as a process of its own, with its data in a temporary directory or in memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EventStoreDBClient } from "@eventstore/db-client";

export type Storage = "disk" | "memory";

/** As its users run it. */
const tidemark = fileURLToPath(new URL("../../bin/tidemark.js", import.meta.url));

export class StoreProcess {
  readonly client: EventStoreDBClient;
  /** Milliseconds from the start of the process until it answered. */
  readonly startedIn: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, connectionString: string, startedIn: number) {
    this.#child = child;
    this.startedIn = startedIn;
    this.client = EventStoreDBClient.connectionString(connectionString);
  }

  /** @param directory where the data is; undefined keeps it in memory */
  static async start(directory: string | undefined): Promise<StoreProcess> {
    const where = directory === undefined ? ["--in-memory"] : ["--data", directory];
    const begin = performance.now();
    const child = spawn(process.execPath, [tidemark, "eventstore", "--port", "0", "--json", ...where], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    for await (const line of createInterface({ input: child.stdout })) {
      const { connectionString } = JSON.parse(line) as { connectionString: string };
      return new StoreProcess(child, connectionString, performance.now() - begin);
    }
    throw new Error("the event store ended before it was ready");
  }

  /** Resident memory in MB; the reading exists on Linux only. */
  async residentMemory(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, "utf8").catch(() => "");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024;
  }

  async stop(): Promise<void> {
    await this.client.dispose();
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await ended;
  }
}

const running = new Set<ChildProcess>();
const directories = new Set<string>();

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-bench-store-"));
  directories.add(directory);
  return directory;
}

// However the run ends, no server and no directory is left.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
});
