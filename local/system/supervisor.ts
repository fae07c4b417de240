/**
 * Keeps processes running: starts them, waits until they answer, starts one again at once when it dies, and stops all of
 * them together. A process that dies three times before it was ready will not get better by trying: then all stop.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDataDirectory } from "../data-directory.ts";
import { OrphanReaper } from "./orphan-reaper.ts";

export interface ProcessDefinition {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
  /** Where it runs; absent: where we do. */
  readonly directory?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it keeps its data: named when it cannot be kept running, because that may be why. */
  readonly data?: string;
  /** Whether it answers; asked again and again until it does. */
  readonly isReady: () => Promise<boolean>;
}

export interface SupervisorEvents {
  /** A line for people: a process ended, was started again. */
  readonly notice: (line: string) => void;
  /** Process ids have changed. */
  readonly changed: () => void;
  /** One cannot be kept running; everything is to be stopped. */
  readonly failed: (why: string) => void;
}

const deathsBeforeGivingUp = 3;
const outputKept = 2_000;
/** All children have to be gone five seconds after a signal; the rest is forced. */
const graceMs = 4_000;

class SupervisedProcess {
  readonly definition: ProcessDefinition;
  child: ChildProcess | undefined;
  output = "";
  ready = false;
  deathsBeforeReady = 0;

  constructor(definition: ProcessDefinition) {
    this.definition = definition;
  }
}

export class Supervisor {
  readonly #events: SupervisorEvents;
  readonly #logDirectory: string;
  readonly #processes: SupervisedProcess[] = [];
  readonly #reaper: OrphanReaper;
  #stopping = false;

  constructor(logDirectory: string, events: SupervisorEvents) {
    this.#logDirectory = logDirectory;
    this.#events = events;
    this.#reaper = OrphanReaper.start();
  }

  get processes(): readonly { readonly name: string; readonly pid: number; readonly port: number }[] {
    return this.#processes.flatMap(({ definition: { name, port }, child }) =>
      child?.pid === undefined ? [] : [{ name, pid: child.pid, port }],
    );
  }

  /** Starts a process and waits until it answers; false if everything is being stopped before it does. */
  async start(definition: ProcessDefinition): Promise<boolean> {
    const supervised = new SupervisedProcess(definition);
    this.#processes.push(supervised);
    this.#spawn(supervised);
    while (!this.#stopping && !supervised.ready) await sleep(20);
    return supervised.ready && !this.#stopping;
  }

  /** SIGTERM to all, last started first; what is left after the grace is killed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const forceAt = performance.now() + graceMs;
    for (const { child } of [...this.#processes].reverse()) if (isRunning(child)) signal(child, "SIGTERM");
    while (this.#processes.some(({ child }) => isRunning(child)) && performance.now() < forceAt) await sleep(20);
    for (const { child } of this.#processes) if (child !== undefined) signal(child, "SIGKILL");
    this.#reaper.stop();
  }

  #spawn(supervised: SupervisedProcess): void {
    const { name, command, directory, environment } = supervised.definition;
    const [program = "", ...words] = command;
    supervised.ready = false;
    supervised.output = "";
    // A process group of its own: a Ctrl-C reaches only us, and a process goes with all that it has started.
    const child = spawn(program, words, {
      detached: true,
      ...(directory === undefined ? {} : { cwd: directory }),
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    supervised.child = child;
    if (child.pid !== undefined) this.#reaper.watch(child.pid);
    const log = this.#openLog(name);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        log.write(chunk);
        supervised.output = (supervised.output + chunk.toString()).slice(-outputKept);
      });
    }
    child.once("error", (error) => (supervised.output += error.message));
    // What it has started goes with it: a grandchild that holds its output would keep it from counting as closed.
    child.once("exit", () => signal(child, "SIGKILL"));
    child.once("close", (code, by) => {
      log.end();
      if (child.pid !== undefined) this.#reaper.forget(child.pid);
      this.#ended(supervised, by === null ? `exit code ${code ?? "unknown"}` : by);
    });
    this.#events.changed();
    void this.#untilReady(supervised, child);
  }

  /** A log that cannot be written is a nuisance and no reason to stop anything. */
  #openLog(name: string): WriteStream {
    const file = join(this.#logDirectory, `${name}.log`);
    let isTold = false;
    const tell = (error: unknown): void => {
      if (!isTold)
        this.#events.notice(`${file} cannot be written: ${error instanceof Error ? error.message : "unknown"}`);
      isTold = true;
    };
    try {
      makeDataDirectory(this.#logDirectory);
    } catch (error) {
      tell(error);
    }
    return createWriteStream(file, { flags: "a", mode: 0o600 }).on("error", tell);
  }

  async #untilReady(supervised: SupervisedProcess, child: ChildProcess): Promise<void> {
    while (supervised.child === child && isRunning(child) && !this.#stopping) {
      if (await supervised.definition.isReady().catch(() => false)) {
        supervised.ready = true;
        supervised.deathsBeforeReady = 0;
        return;
      }
      await sleep(25);
    }
  }

  #ended(supervised: SupervisedProcess, how: string): void {
    if (this.#stopping) return;
    const { name, data } = supervised.definition;
    const said = supervised.output.trim();
    const lastWords = said === "" ? "it said nothing" : `it last said:\n${said.split("\n").slice(-10).join("\n")}`;
    if (!supervised.ready) supervised.deathsBeforeReady += 1;
    if (supervised.deathsBeforeReady >= deathsBeforeGivingUp) {
      const where = data === undefined ? "" : `, data in ${data}`;
      this.#events.failed(
        `${name} ended ${deathsBeforeGivingUp} times before it was ready (${how}${where}); ${lastWords}`,
      );
      return;
    }
    this.#spawn(supervised);
    this.#events.notice(
      `${name} ended (${how}) and was started again as pid ${supervised.child?.pid ?? 0}; ${lastWords}`,
    );
  }
}

function isRunning(child: ChildProcess | undefined): child is ChildProcess {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** To the whole process group. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // The group is gone already.
  }
}
