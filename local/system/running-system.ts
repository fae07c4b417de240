/** What other commands need to know of a running system: written by `start`, found by the data directory. */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { CommandError } from "../cli/command-error.ts";

const runningSystemSchema = z.object({
  /** Of the supervisor. */
  pid: z.int(),
  dataDirectory: z.string(),
  apiUrl: z.string(),
  invokeUrl: z.string(),
  eventStoreConnectionString: z.string(),
  dynamodbEndpoint: z.string(),
  tablePrefix: z.string(),
  functionPrefix: z.string(),
  region: z.string(),
  processes: z.array(z.object({ name: z.string(), pid: z.int(), port: z.int() })),
});

export type RunningSystem = z.output<typeof runningSystemSchema>;

const fileIn = (dataDirectory: string): string => join(dataDirectory, "system.json");

/**
 * The file that tells of a running system, kept by its supervisor: one write after the other, since processes may die and be
 * started again at the same moment, and what was asked for last stands in the end.
 */
export class RunningSystemFile {
  readonly #file: string;
  #written: Promise<void> = Promise.resolve();
  #isOurs = false;

  constructor(dataDirectory: string) {
    this.#file = fileIn(dataDirectory);
  }

  /** Replaces the file in one step: a reader sees the old or the new one, never half of it. */
  write(system: RunningSystem): Promise<void> {
    const writing = this.#written.then(async () => {
      await writeFile(`${this.#file}.new`, `${JSON.stringify(system, null, 2)}\n`, { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
      this.#isOurs = true;
    });
    this.#written = writing.catch(() => undefined);
    return writing;
  }

  /** After every write that was asked for. A file that another system has written is left alone. */
  async remove(): Promise<void> {
    await this.#written;
    if (this.#isOurs) await rm(this.#file, { force: true });
  }
}

/** The system that runs on this data, if one does. */
export async function findRunningSystem(dataDirectory: string): Promise<RunningSystem | undefined> {
  let text: string;
  try {
    text = await readFile(fileIn(resolve(dataDirectory)), "utf8");
  } catch {
    return undefined;
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = runningSystemSchema.safeParse(content);
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : undefined;
}

/** As {@link findRunningSystem}, but throws SYSTEM_NOT_RUNNING when there is none. */
export async function readRunningSystem(dataDirectory: string): Promise<RunningSystem> {
  const system = await findRunningSystem(dataDirectory);
  if (system !== undefined) return system;
  const where = resolve(dataDirectory);
  throw new CommandError(
    "SYSTEM_NOT_RUNNING",
    `no system runs on ${where}: run npm start, or name another with --data`,
  );
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
