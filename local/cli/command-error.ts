/** How commands fail and speak: one line that says what to do, or JSON; and an exit code that scripts can rely on. */
import { Command, InvalidArgumentError, Option } from "commander";
import { constants } from "node:os";
import { messageOf } from "../../engine/errors/message-of.ts";

export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const;

/** What a shell says of a process that a signal has ended: 130 for SIGINT, 143 for SIGTERM. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** A failure that the user can do something about. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = exitCodes.failure, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.exitCode = exitCode;
  }
}

export interface CommonOptions {
  readonly json?: boolean;
  readonly data: string;
}

/** Where a system keeps its data unless told otherwise; commands find a running system by it. */
export const defaultDataDirectory = ".tidemark";

/** A command with the options that all of them share. */
export function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--data <directory>", "data directory of the running system", defaultDataDirectory)
    .option("--json", "print JSON, errors too");
}

/** Runs the action of a command; what it throws becomes one line and the exit code. */
export async function reportingErrors(json: boolean | undefined, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    reportError(error, json === true);
  }
}

/** An error as JSON documents tell it. */
export function errorDocument(error: unknown): { readonly code: string; readonly message: string } {
  const message = messageOf(error);
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "FAILED";
  return { code, message };
}

export function reportError(error: unknown, json: boolean): void {
  const document = errorDocument(error);
  console.error(json ? JSON.stringify({ error: document }) : `error: ${document.message}`);
  process.exitCode = error instanceof CommandError ? error.exitCode : exitCodes.failure;
}

/** A port option; without a default it is absent unless given. */
export function portOption(flag: string, description: string, port?: number): Option {
  const option = new Option(`--${flag} <port>`, description).argParser((text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < 1 || number > 65_535) {
      throw new InvalidArgumentError("A port is a number from 1 to 65535.");
    }
    return number;
  });
  return port === undefined ? option : option.default(port);
}
