/**
 * Sees to it that no process outlives its supervisor, even one that was killed without a chance to clean up: a small process
 * of its own reads the supervisor's pipe, and when the pipe ends it kills the process groups that it was told of.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./orphan-reaper-process.ts", import.meta.url));

export class OrphanReaper {
  readonly #pipe: Writable;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, pipe: Writable) {
    this.#process = child;
    this.#pipe = pipe;
    // If somebody kills the reaper, the system goes on; only this safety net is gone.
    pipe.on("error", () => undefined);
  }

  static start(): OrphanReaper {
    const child = spawn(process.execPath, [program], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    child.unref();
    return new OrphanReaper(child, child.stdin);
  }

  watch(processGroup: number): void {
    this.#pipe.write(`+${processGroup}\n`);
  }

  forget(processGroup: number): void {
    this.#pipe.write(`-${processGroup}\n`);
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}
