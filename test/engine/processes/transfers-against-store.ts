/** Transfers between purses on a real event store, for tests that say what becomes of a process. */
import { randomUUID } from "node:crypto";
import type { AggregateRejection } from "../../../engine/commands/aggregate.ts";
import { handleCommand } from "../../../engine/commands/handle-command.ts";
import type { CommandOutcome } from "../../../engine/commands/outcome.ts";
import type { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { createLogger, type Logger } from "../../../engine/http/logger.ts";
import { advance, type Told } from "../../../engine/processes/advance.ts";
import { purse, type PurseCommand } from "./purse.ts";
import { approveBy, type TransferManager, transferManager } from "./transfer-manager.ts";
import type { TransferInput } from "./transfer.ts";

/** What a transfer is told in most tests; each word is its key and its cause too. */
export type Word = "ask" | "approve" | "deadline" | "retry";

/** A transfer about to be asked for. */
export interface TransferCase {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly coins: readonly number[];
}

/** What a test has in place of the ordinary. */
export interface Replaced {
  readonly store?: EventStore;
  readonly log?: Logger;
  readonly manager?: (ordinary: TransferManager) => TransferManager;
}

export interface Fact {
  readonly type: string;
  readonly data: unknown;
}

export class Transfers {
  readonly store: EventStore;

  constructor(store: EventStore) {
    this.store = store;
  }

  /** With 5 in the purse from which the coins come; the other one is empty, or not there if it is to be `missing`. */
  async prepared({ coins = [2, 1], missing = false } = {}): Promise<TransferCase> {
    const id = randomUUID();
    const prepared = { id, from: `${id}.from`, to: `${id}.to`, coins };
    await this.buy(prepared.from, [5]);
    if (!missing) await this.buy(prepared.to);
    return prepared;
  }

  async buy(id: string, coins: readonly number[] = []): Promise<void> {
    await this.change(id, { type: "Buy", coins });
  }

  /** By somebody who has nothing to do with the transfer. */
  async change(id: string, command: PurseCommand): Promise<void> {
    const request = { id, command, origin: { correlationId: "somebody else" } };
    const { outcome } = await handleCommand(this.store, purse, request);
    if (outcome !== "accepted") throw new Error(`${command.type} at ${id} was not accepted: ${outcome}`);
  }

  /** Tells the transfer, with everything that follows. */
  tell(transfer: TransferCase, word: Word, replaced: Replaced = {}): Promise<CommandOutcome<AggregateRejection>> {
    return this.tellAs(transfer, toldBy(transfer, word), replaced);
  }

  tellAs(
    { id }: TransferCase,
    told: Omit<Told<TransferInput>, "id">,
    { store = this.store, log = silent, manager = (ordinary) => ordinary }: Replaced = {},
  ): Promise<CommandOutcome<AggregateRejection>> {
    return advance({ eventStore: store, log }, manager(transferManager(store)), { id, ...told });
  }

  async events(stream: string): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const event of this.store.readStream(stream)) events.push(event);
    return events;
  }

  async facts(stream: string): Promise<Fact[]> {
    return (await this.events(stream)).map(({ type, data }) => ({ type, data }));
  }

  /** All three streams, with `x` for the id of the transfer: so those of two transfers can be compared. */
  async streams({ id, from, to }: TransferCase): Promise<Streams> {
    const named = async (stream: string): Promise<Fact[]> => {
      const facts = JSON.stringify(await this.facts(stream));
      // It is what it was, with another id in it.
      return JSON.parse(facts.replaceAll(id, "x")) as Fact[];
    };
    return {
      process: await named(`transfer-${id}`),
      from: await named(`purse-${from}`),
      to: await named(`purse-${to}`),
    };
  }
}

export interface Streams {
  readonly process: readonly Fact[];
  readonly from: readonly Fact[];
  readonly to: readonly Fact[];
}

const silent = createLogger("transfers", { level: "silent" });

/** Where a word comes from. */
const traceparents: Readonly<Record<Word, string>> = {
  ask: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  approve: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01",
  deadline: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203333-01",
  retry: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203334-01",
};

export function toldBy({ from, to, coins }: TransferCase, word: Word): Omit<Told<TransferInput>, "id"> {
  const correlationId = `request to ${word}`;
  const inputs: Readonly<Record<Word, TransferInput>> = {
    ask: { type: "Ask", asked: { from, to, coins: [...coins], approveBy, correlationId }, cause: word },
    approve: { type: "Approve", by: "Ada", cause: word },
    deadline: { type: "PassDeadline", dueAt: approveBy, cause: word },
    retry: { type: "Retry", cause: word },
  };
  const origin = { correlationId, causationId: word, traceparent: traceparents[word] };
  return { input: inputs[word], key: word, origin };
}

/** A log of which a test reads the lines at `error`. */
export function errorsLoggedTo(lines: Record<string, unknown>[]): Logger {
  return createLogger("transfers", {
    level: "error",
    // A line of the log is a JSON object.
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
}
