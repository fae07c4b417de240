/** Resident memory of process groups, as Linux tells it. */
import { readdir, readFile } from "node:fs/promises";

/** What a function may have, in megabytes. */
export const functionMegabytes = 512;
/** The heap that Lambda gives a function of so much memory; with gigabytes before it, Node.js leaves garbage lying. */
export const heapOnLambda = ["--max-semi-space-size=25", "--max-old-space-size=460"];

/** Megabytes by name: of the processes given their names, of others in the groups that they lead that and the program's. */
export async function memoryOf(processes: ReadonlyMap<number, string>): Promise<Map<string, number>> {
  const memory = new Map<string, number>();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)) {
    const found = await megabytesOf(pid);
    if (found === undefined) continue;
    const leader = processes.get(found.group);
    const name = processes.get(pid) ?? (leader === undefined ? undefined : `${leader}: ${found.program}`);
    if (name === undefined) continue;
    memory.set(name, (memory.get(name) ?? 0) + found.megabytes);
  }
  return memory;
}

/** Undefined of a process that has ended meanwhile. */
async function megabytesOf(pid: number): Promise<{ group: number; program: string; megabytes: number } | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/status`, "utf8"),
    ]);
    // The program's name is in parentheses and may hold any of them: after the last come state, parent and group.
    const [, program = "", group = ""] = /^\d+ \((.*)\) \S+ \d+ (\d+)/s.exec(stat) ?? [];
    const [, kilobytes = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return { group: Number(group), program, megabytes: Number(kilobytes) / 1_024 };
  } catch {
    return undefined;
  }
}

/** The most megabytes that each of these processes has held so far, looked at again and again until it is stopped. */
export class PeakMemory {
  readonly peaks = new Map<string, number>();
  readonly #watched = new Map<number, string>();
  readonly #timer = setInterval(() => void this.look(), 100);

  watch(pid: number, name: string): void {
    this.#watched.set(pid, name);
  }

  async look(): Promise<void> {
    for (const [pid, name] of this.#watched) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
      if (kilobytes === undefined) this.#watched.delete(pid);
      else this.peaks.set(name, Math.max(this.peaks.get(name) ?? 0, Math.round(Number(kilobytes) / 1_024)));
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
