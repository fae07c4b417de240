/** A real event store and accounts in it, for tests that say what happens to commands. */
import { randomUUID } from "node:crypto";
import { account, type AccountCommand, type AccountRejection } from "./account.ts";
import { type CommandRequest, handleCommand } from "../../../engine/commands/handle-command.ts";
import { commandDigest } from "../../../engine/commands/idempotency.ts";
import type { CommandOutcome } from "../../../engine/commands/outcome.ts";
import type { Precondition } from "../../../engine/commands/precondition.ts";
import type { RetryPolicy } from "../../../engine/commands/retry-policy.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

export interface SendOptions {
  readonly key?: string;
  readonly precondition?: Precondition;
  readonly policy?: RetryPolicy;
  readonly store?: EventStore;
}

export class Accounts {
  readonly store: EventStore;

  constructor(store: EventStore) {
    this.store = store;
  }

  /** An open account: one event, revision 0. */
  async opened(): Promise<string> {
    const id = randomUUID();
    await this.send(id, { type: "Open", owner: "Ada" });
    return id;
  }

  /** Hands the command over as an HTTP function would: the digest is that of the command as JSON. */
  send(id: string, command: AccountCommand, options: SendOptions = {}): Promise<CommandOutcome<AccountRejection>> {
    const { key, precondition, policy, store = this.store } = options;
    const request: CommandRequest<AccountCommand> = {
      id,
      command,
      origin: { correlationId: "correlation" },
      ...(key === undefined
        ? {}
        : { idempotency: { key, digest: commandDigest(command.type, JSON.stringify(command)) } }),
      ...(precondition === undefined ? {} : { precondition }),
    };
    return handleCommand(store, account, request, policy);
  }

  async events(id: string): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    for await (const event of this.store.readStream(`account-${id}`)) found.push(event);
    return found;
  }

  /** What is in the stream, as `type` and `data`. */
  async history(id: string): Promise<{ type: string; data: unknown }[]> {
    return (await this.events(id)).map(({ type, data }) => ({ type, data }));
  }
}

export const deposited = (amount: number): { type: string; data: unknown } => ({ type: "Deposited", data: { amount } });
export const openedByAda = { type: "Opened", data: { owner: "Ada" } };

/** An event store that does something once, right before the first append: what a race does by chance, every time. */
export function interruptedBefore(store: EventStore, interruption: () => Promise<unknown>): EventStore {
  let pending: (() => Promise<unknown>) | undefined = interruption;
  class Interrupted extends EventStore {
    override async append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
      const now = pending;
      pending = undefined;
      await now?.();
      return super.append(...append);
    }
  }
  return new Interrupted(store.client);
}
