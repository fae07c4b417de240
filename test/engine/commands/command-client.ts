/**
 * A process of its own that sends commands for the test that forked it: with a client, a connection and modules that it
 * shares with nobody.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { CommandOutcome } from "../../../engine/commands/outcome.ts";
import type { AccountCommand, AccountRejection } from "./account.ts";
import { Accounts, interruptedBefore, type SendOptions } from "./commands-against-store.ts";

export interface Order extends Pick<SendOptions, "key" | "precondition"> {
  readonly id: string;
  readonly command: AccountCommand;
  /** Where the process waits until it is told to go on: before everything, or between its load and its append. */
  readonly waits?: "to-begin" | "to-append";
  /** How often it sends the command while the store is unavailable; once unless told otherwise. */
  readonly sends?: number;
}

export type Answer =
  | CommandOutcome<AccountRejection>
  | { readonly outcome: "unavailable" }
  /** Anything else that was thrown: no test expects it. */
  | { readonly outcome: "failed"; readonly error: string };

export type ToClient =
  | { readonly what: "connect"; readonly connectionString: string }
  | { readonly what: "send"; readonly order: Order }
  | { readonly what: "go-on" };

export type FromClient =
  { readonly what: "connected" } | { readonly what: "waits" } | { readonly what: "answered"; readonly answer: Answer };

let accounts: Accounts | undefined;
let goOn = (): void => undefined;

const tell = (message: FromClient): void => {
  process.send?.(message);
};

/** Resolves when the test says so. */
const told = (): Promise<void> =>
  new Promise((resolve) => {
    goOn = resolve;
    tell({ what: "waits" });
  });

async function connect(connectionString: string): Promise<void> {
  await accounts?.store.dispose();
  accounts = new Accounts(EventStore.connect(connectionString));
  // The client asks for the server's features before its first append: what a test counts is not to begin with that.
  await accounts.opened();
  tell({ what: "connected" });
}

async function answerTo({ id, command, key, precondition, waits, sends = 1 }: Order): Promise<Answer> {
  if (accounts === undefined) return { outcome: "failed", error: "not connected" };
  if (waits === "to-begin") await told();
  const options: SendOptions = {
    ...(key === undefined ? {} : { key }),
    ...(precondition === undefined ? {} : { precondition }),
    ...(waits === "to-append" ? { store: interruptedBefore(accounts.store, told) } : {}),
  };
  for (let sent = 1; ; sent += 1) {
    try {
      return await accounts.send(id, command, options);
    } catch (error) {
      if (!(error instanceof EventStoreUnavailableError)) return { outcome: "failed", error: String(error) };
      if (sent >= sends) return { outcome: "unavailable" };
      await sleep(50);
    }
  }
}

process.on("message", (message: ToClient) => {
  switch (message.what) {
    case "connect":
      void connect(message.connectionString);
      return;
    case "send":
      void answerTo(message.order).then((answer) => tell({ what: "answered", answer }));
      return;
    case "go-on":
      goOn();
  }
});
// Forked and left alone, it has nothing to do.
process.on("disconnect", () => process.exit());
