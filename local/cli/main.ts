/** The command line `tidemark`. Each command's module is loaded when it is asked for, so that `--help` is at once there. */
import { Command, CommanderError } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { CommandError, exitCodes, reportError } from "./command-error.ts";

const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  start: {
    summary: "run the whole system on this machine",
    load: async () => (await import("../system/start-command.ts")).startCommand(),
  },
  eventstore: {
    summary: "run the embedded event store alone",
    load: async () => (await import("../eventstoredb/command.ts")).eventStoreCommand(),
  },
  import: {
    summary: "take sample orders from placement to payment through the HTTP API",
    load: async () => (await import("../sample-data/import-command.ts")).importCommand(),
  },
  replay: {
    summary: "rebuild a view from the event log, verify it and swap it in",
    load: async () => (await import("../replay/command.ts")).replayCommand(),
  },
  check: {
    summary: "compare the views with the events",
    load: async () => (await import("../consistency/command.ts")).checkCommand(),
  },
  rows: {
    summary: "show the rows of a view, as readers see them",
    load: async () => (await import("../views/rows-command.ts")).rowsCommand(),
  },
  explain: {
    summary: "list the events that made a row, each with what it changed",
    load: async () => (await import("../consistency/explain-command.ts")).explainCommand(),
  },
  quarantine: {
    summary: "show events that were given up, try them again or take them out",
    load: async () => (await import("../quarantine/command.ts")).quarantineCommand(),
  },
  "order-to-cash": {
    summary: "show the orders that do not go on, and retry one",
    load: async () => (await import("../order-to-cash/command.ts")).orderToCashCommand(),
  },
  status: {
    summary: "show the processes of a running system, how far its views are behind, and orders that do not go on",
    load: async () => (await import("../system/status-command.ts")).statusCommand(),
  },
};

const exitCodeRule = `
Each command has --help. Exit codes:
  0    done
  1    failed, found wrong, or found nothing by the name that was given, such as a view's
  2    wrong usage: a command, an option or its form that cannot be
  130  ended by Ctrl-C, or 143 by SIGTERM; a system that is stopped so is done (0), a replay goes on when repeated (1)`;

const [asked = "", ...words] = process.argv.slice(2);

// Whoever reads what a command prints may have read enough, as `head` does. What runs on goes on without a reader.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (asked !== "start" && asked !== "eventstore") process.exit();
});

try {
  const found = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
  if (found === undefined && asked !== "" && !asked.startsWith("-")) throw unknownCommand(asked);
  if (found === undefined) overview().parse(process.argv);
  else {
    const command = (await found.load()).name(`tidemark ${asked}`);
    await command.exitOverride().parseAsync(words, { from: "user" });
  }
} catch (error) {
  // Commander has printed what was wrong; all its failures are of usage, and help is none.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  else reportError(error, words.includes("--json"));
}

function unknownCommand(name: string): CommandError {
  const known = Object.keys(commands).join(", ");
  return new CommandError("UNKNOWN_COMMAND", `there is no command "${name}": use one of ${known}`, exitCodes.usage);
}

function overview(): Command {
  const program = new Command("tidemark")
    .description("Event sourcing on EventStoreDB, AWS Lambda and DynamoDB")
    .version(manifest.version, "-V, --version", "print the version")
    .exitOverride()
    .action(() => program.help());
  for (const [name, { summary }] of Object.entries(commands)) program.command(name).description(summary);
  program.addHelpText("after", exitCodeRule);
  return program;
}
