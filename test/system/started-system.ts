/** A whole system, started with `npm start`'s own command in a process group of its own, as a user would. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { freePorts } from "../../local/system/ports.ts";

const repository = join(import.meta.dirname, "../..");
export const tidemark = join(repository, "bin/tidemark.js");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of the repository that runs, and how it ends. */
interface Running {
  readonly pid: number;
  /** Resolves when it says the first word on stderr, or ends without one. */
  readonly speaks: Promise<unknown>;
  readonly ended: Promise<Ended>;
  /** `kill -9`. */
  readonly kill: () => void;
}

function begin(
  command: readonly string[],
  cwd = repository,
  environment: Readonly<Record<string, string>> = {},
): Running {
  const env = { ...process.env, ...environment };
  const child = spawn(command[0] ?? "", command.slice(1), { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = collect(child);
  return {
    pid: child.pid ?? 0,
    speaks: new Promise((resolve) => {
      child.stderr.once("data", resolve);
      child.once("close", resolve);
    }),
    ended: ended(child).then((code) => ({ code, ...output })),
    kill: () => child.kill("SIGKILL"),
  };
}

/** Runs a command of the repository to its end. */
export function run(command: readonly string[], cwd = repository): Promise<Ended> {
  return begin(command, cwd).ended;
}

export function runTidemark(...words: readonly string[]): Promise<Ended> {
  return run([process.execPath, tidemark, ...words]);
}

export const portFlags = [
  "--port",
  "--eventstore-port",
  "--dynamodb-port",
  "--invoke-port",
  "--subscriber-port",
] as const;

const statusSchema = z.object({
  processes: z.array(z.object({ name: z.string(), pid: z.int(), port: z.int(), state: z.string() })),
});

export class StartedSystem {
  readonly dataDirectory: string;
  readonly ports: readonly number[];
  #process: ChildProcess | undefined;
  #output = { stdout: "", stderr: "" };

  private constructor(dataDirectory: string, ports: readonly number[]) {
    this.dataDirectory = dataDirectory;
    this.ports = ports;
  }

  /** A system that is not started yet, on free ports and an empty directory. */
  static async prepared(): Promise<StartedSystem> {
    return new StartedSystem(await mkdtemp(join(tmpdir(), "tidemark-system-")), await freePorts(5));
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports[0] ?? 0}`;
  }

  get eventStoreConnectionString(): string {
    return `esdb://127.0.0.1:${this.ports[portFlags.indexOf("--eventstore-port")] ?? 0}?tls=false`;
  }

  get output(): string {
    return this.#output.stdout + this.#output.stderr;
  }

  /**
   * Starts it and waits for the block that says that everything answers. `launcher` is what a user types before the flags;
   * flags that are left out leave the choice to the command. `seconds` are how long it may take, `cwd` is the project's folder.
   */
  async start(
    launcher: readonly string[] = [process.execPath, tidemark, "start"],
    flags: readonly string[] = portFlags,
    seconds = 110,
    cwd = repository,
  ): Promise<void> {
    const [program = "", ...first] = launcher;
    const ports = portFlags.flatMap((flag, index) => (flags.includes(flag) ? [flag, String(this.ports[index])] : []));
    const child = spawn(program, [...first, ...ports, "--data", this.dataDirectory], {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    this.#output = collect(child);
    await until(
      "the system answers",
      async () => {
        if (child.exitCode !== null) throw new Error(`the system ended with ${child.exitCode}:\n${this.output}`);
        return this.#output.stdout.includes(this.url) && (await this.status()).length === 4;
      },
      seconds,
    );
  }

  /** SIGTERM, and the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#process;
    if (child === undefined) return null;
    child.kill("SIGTERM");
    const code = await ended(child);
    this.#process = undefined;
    return code;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataDirectory, { recursive: true, force: true });
  }

  /** None when no system runs; of one that runs all, also those that do not. */
  async status(): Promise<z.output<typeof statusSchema>["processes"]> {
    const { stdout } = await this.tidemark("status", "--json");
    return stdout !== "" ? statusSchema.parse(JSON.parse(stdout)).processes : [];
  }

  async pidOf(name: string): Promise<number> {
    const found = (await this.status()).find((process) => process.name === name);
    if (found === undefined) throw new Error(`no process ${name}`);
    return found.pid;
  }

  /** `kill -9` of one of its processes. */
  async kill(name: string): Promise<void> {
    process.kill(await this.pidOf(name), "SIGKILL");
  }

  tidemark(...words: readonly string[]): Promise<Ended> {
    return this.beginTidemark(...words).ended;
  }

  beginTidemark(...words: readonly string[]): Running {
    return this.beginWith({}, ...words);
  }

  /** With these variables beside the test's own. */
  beginWith(environment: Readonly<Record<string, string>>, ...words: readonly string[]): Running {
    return begin([process.execPath, tidemark, ...words, "--data", this.dataDirectory], repository, environment);
  }

  async get(path: string): Promise<{ status: number; headers: Headers; body: unknown }> {
    const response = await fetch(this.url + path);
    return { status: response.status, headers: response.headers, body: await response.json() };
  }

  async post(
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; headers: Headers; body: unknown }> {
    const response = await fetch(this.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  }
}

/** Waits until `condition` holds; fails after `seconds` with what was waited for. */
export async function until(what: string, condition: () => Promise<boolean>, seconds = 60): Promise<void> {
  const deadline = performance.now() + seconds * 1_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain until ${what}`);
    await sleep(100);
  }
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  return output;
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
}
