/** Accounts with snapshots, and long streams of them, for tests that say what a snapshot changes: nothing but the reads. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { commandDigest } from "../../../engine/commands/idempotency.ts";
import { load } from "../../../engine/commands/load.ts";
import type { Loaded } from "../../../engine/commands/fold.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { NewEvent, StoredEvent } from "../../../engine/event-store/stored-event.ts";
import type { SnapshotPolicy } from "../../../engine/snapshots/snapshot-policy.ts";
import { type SnapshotOutcome, snapshotWriters } from "../../../engine/snapshots/write-snapshot.ts";
import { type Account, account, type AccountCommand } from "../commands/account.ts";

const stateSchema = z.strictObject({
  owner: z.string().exactOptional(),
  balance: z.int().min(0),
  seen: z.int().min(0),
});

export const policy: SnapshotPolicy<Account> = {
  fingerprint: "f1",
  format: { write: (state) => state, read: (json) => stateSchema.parse(json) },
  everyEvents: 100,
  slowLoadMs: 60_000,
};

export const accountWithSnapshots = { ...account, snapshots: policy };

export const deposit = (...amounts: number[]): AccountCommand => ({ type: "Deposit", amounts });

/** The digest that {@link AccountCommand}s get in these tests. */
export const digestOf = (command: AccountCommand): string => commandDigest(command.type, JSON.stringify(command));

/** Events of an account: opened, then one unit deposited by each of a chain of commands with the keys `k1`, `k2`, ... */
export function accountEvents(from: number, count: number): NewEvent[] {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index;
    const [type, data] = number === 0 ? ["Opened", { owner: "Ada" }] : ["Deposited", { amount: 1 }];
    const keyed = number === 0 ? {} : { idempotencyKey: `k${number}`, idempotencyDigest: digestOf(deposit(1)) };
    return { id: randomUUID(), type, data, metadata: { schemaVersion: number === 0 ? 1 : 2, ...keyed } };
  });
}

/** A new account whose stream has so many events. */
export async function accountOf(store: EventStore, count: number): Promise<{ id: string; stream: string }> {
  const id = randomUUID();
  await store.append(`account-${id}`, "no_stream", accountEvents(0, count));
  return { id, stream: `account-${id}` };
}

export async function grow(store: EventStore, stream: string, from: number, count: number): Promise<void> {
  await store.append(stream, BigInt(from - 1), accountEvents(from, count));
}

/** Takes a snapshot now, as the function does. */
export function takeSnapshot(store: EventStore, stream: string, of = accountWithSnapshots): Promise<SnapshotOutcome> {
  const [writer] = snapshotWriters(of);
  if (writer === undefined) throw new Error("The aggregate has no snapshots.");
  return writer.write(store, stream);
}

/** A new account whose stream has `count` events, with a snapshot of the first `snapshotAt`. */
export async function accountWithSnapshotAt(
  store: EventStore,
  snapshotAt: number,
  count: number,
): Promise<{ id: string; stream: string }> {
  const made = await accountOf(store, snapshotAt);
  await takeSnapshot(store, made.stream);
  if (count > snapshotAt) await grow(store, made.stream, snapshotAt, count - snapshotAt);
  return made;
}

/** The same store for a process that has read nothing yet. */
export function forgetful(store: EventStore): EventStore {
  return new EventStore(store.client);
}

/** What decisions rest on, of an account: the reading may differ, this may not. */
export function answers(
  { state, revision, first, keys }: Loaded<Account>,
  asked: readonly string[] = [],
): { state: Account; revision: bigint | "no_stream"; first: bigint | undefined; keys: (bigint | undefined)[] } {
  return { state, revision, first, keys: asked.map((key) => keys.find(key)?.revision) };
}

/** As an aggregate without snapshots has it: folded from the first event. */
export async function folded(store: EventStore, stream: string, asked: readonly string[] = []) {
  return answers(await load(store, account, stream), asked);
}

/** A store that notes what is read of it: the stream, and how many events came. */
export class CountedStore extends EventStore {
  readonly reads: string[] = [];

  override async *readStream(...read: Parameters<EventStore["readStream"]>): AsyncGenerator<StoredEvent, void> {
    const at = this.reads.push("") - 1;
    let count = 0;
    const note = (): void => {
      this.reads[at] = `${nameOf(read[0])} from ${(read[1] ?? 0n).toString()}: ${count}`;
    };
    note();
    for await (const event of super.readStream(...read)) {
      count += 1;
      note();
      yield event;
    }
  }

  override async lastEvents(...read: Parameters<EventStore["lastEvents"]>): Promise<StoredEvent[]> {
    const at = this.reads.push("") - 1;
    const events = await super.lastEvents(...read);
    this.reads[at] = `${nameOf(read[0])} last: ${events.length}`;
    return events;
  }

  /** What was read since this was asked last. */
  taken(): string[] {
    return this.reads.splice(0);
  }
}

function nameOf(stream: string): string {
  return stream.startsWith("snapshot-") ? "snapshot" : "stream";
}
