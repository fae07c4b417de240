/**
 * Who drives the replay of a generation, and how far it has come: one item beside the catalog, `replay#<generation>`.
 *
 * Back-fill writes carry no condition, so a worker may send one only while its lease runs; another takes over no sooner
 * than the lease has run out. What a worker that ended badly had sent may still land for a while after that: `quietAt`
 * says when it no longer can, and verification waits for it.
 */
import { DeleteItemCommand, type DynamoDBClient, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { formatPosition, parsePosition, type Position } from "../event-store/position.ts";
import { isNamed, translated } from "../views/dynamodb.ts";
import { ReplayLostError } from "./errors.ts";
import type { ReplaySettings } from "./replay-context.ts";

const progressSchema = z.object({
  owner: z.string().optional(),
  /** Milliseconds since the epoch, by the clock of the owner. */
  leaseUntil: z.number().default(0),
  quietAt: z.number().default(0),
  /** Every event up to it is in written rows. */
  checkpoint: z.string().transform(parsePosition).optional(),
});

type Progress = z.output<typeof progressSchema>;

export interface LeaseScope {
  readonly dynamodb: DynamoDBClient;
  readonly catalogTable: string;
  readonly projection: string;
  readonly generation: string;
  readonly settings: ReplaySettings;
  /** Asked at each renewal: whether the generation is still to be built, and now. */
  readonly isWanted: () => Promise<boolean | "paused">;
}

type ProgressScope = Pick<LeaseScope, "dynamodb" | "catalogTable" | "projection" | "generation">;

export function progressKey({ projection, generation }: Pick<LeaseScope, "projection" | "generation">): {
  pk: { S: string };
  sk: { S: string };
} {
  return { pk: { S: projection }, sk: { S: `replay#${generation}` } };
}

/** Undefined when nobody has ever worked on it. */
export async function readProgress(scope: ProgressScope): Promise<Progress | undefined> {
  const get = new GetItemCommand({ TableName: scope.catalogTable, Key: progressKey(scope), ConsistentRead: true });
  const { Item } = await translated(scope.dynamodb.send(get));
  return Item === undefined ? undefined : progressSchema.parse(unmarshall(Item));
}

/** Until when a worker may be writing; 0 when none holds a lease. Counts in how far its clock may be off. */
export function leaseEnd(progress: Progress | undefined, { clockSkewMs }: ReplaySettings): number {
  return progress?.owner === undefined ? 0 : progress.leaseUntil + clockSkewMs;
}

export class Lease {
  /** Whether no worker before this one can have written a row. */
  readonly isFirst: boolean;
  readonly #scope: LeaseScope;
  readonly #owner: string;
  readonly #lost = new AbortController();
  #until: number;
  #quietAt: number;
  #checkpoint: Position | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #isToPause = false;

  private constructor(scope: LeaseScope, owner: string, until: number, quietAt: number, before: Progress | undefined) {
    this.#scope = scope;
    this.#owner = owner;
    this.#until = until;
    this.#quietAt = quietAt;
    this.isFirst = before === undefined;
    this.#checkpoint = before?.checkpoint;
    this.#schedule();
  }

  /** The lease, or until when another worker may hold it. */
  static async acquire(scope: LeaseScope): Promise<Lease | { readonly heldUntil: number }> {
    const before = await readProgress(scope);
    const { leaseMs, lateWriteMs } = scope.settings;
    const now = Date.now();
    const heldUntil = leaseEnd(before, scope.settings);
    if (heldUntil > now) return { heldUntil };

    const owner = randomUUID();
    const until = now + leaseMs;
    const quietAt = Math.max(before?.quietAt ?? 0, before?.owner === undefined ? 0 : before.leaseUntil + lateWriteMs);
    const taken = await update(
      scope,
      { owner, leaseUntil: until, quietAt },
      before === undefined
        ? { condition: "attribute_not_exists(pk)" }
        : before.owner === undefined
          ? { condition: "attribute_exists(pk) AND attribute_not_exists(#owner)" }
          : {
              condition: "#owner = :seenOwner AND #leaseUntil = :seenUntil",
              values: { ":seenOwner": before.owner, ":seenUntil": before.leaseUntil },
            },
    );
    if (taken) return new Lease(scope, owner, until, quietAt, before);
    // Refused may be the client's second request, after the first had its effect and its answer was lost.
    const after = await readProgress(scope);
    if (after?.owner === owner) return new Lease(scope, owner, until, quietAt, before);
    return { heldUntil: leaseEnd(after, scope.settings) };
  }

  /** Its holder's name, another one at every taking. */
  get owner(): string {
    return this.#owner;
  }

  /** Aborted at the moment from which on no write may be sent; also ends requests that are under way. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  get checkpoint(): Position | undefined {
    return this.#checkpoint;
  }

  /** When the last write of any worker, this one included, has landed or never will. */
  get quietAt(): number {
    return this.#quietAt;
  }

  /** Whether its holder is to stop at the next safe place and give the lease back. */
  get isToPause(): boolean {
    return this.#isToPause;
  }

  /** Throws {@link ReplayLostError} when the lease has run out: also in a process that was frozen past its timers. */
  assertHeld(): void {
    if (Date.now() >= this.#until) this.#lose("its lease ran out before it could be renewed");
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason as ReplayLostError;
  }

  /** A request was given up or repeated: a copy of it may still be on its way. */
  noteUncertainWrite(): void {
    this.#quietAt = Math.max(this.#quietAt, Date.now() + this.#scope.settings.lateWriteMs);
  }

  /** Only after every row that an event up to `position` changed is written. */
  async saveCheckpoint(position: Position): Promise<void> {
    this.assertHeld();
    if (!(await this.#updateOwn({ checkpoint: formatPosition(position) }))) this.#lose("another worker took it over");
    this.assertHeld();
    this.#checkpoint = position;
  }

  /** Only when no write is under way. The next worker need not wait for the lease to run out. */
  async release(): Promise<void> {
    clearTimeout(this.#renewal);
    clearTimeout(this.#end);
    await this.#renewing;
    if (!this.#lost.signal.aborted) await this.#updateOwn({ quietAt: this.#quietAt }, ["owner"]);
  }

  /** Gives it up together with all that is known of the progress: the generation is gone. */
  async discard(): Promise<void> {
    this.#lose("the generation is gone");
    await this.#renewing;
    const command = new DeleteItemCommand({
      TableName: this.#scope.catalogTable,
      Key: progressKey(this.#scope),
      ConditionExpression: "#owner = :me",
      ExpressionAttributeNames: { "#owner": "owner" },
      ExpressionAttributeValues: { ":me": { S: this.#owner } },
    });
    try {
      await translated(this.#scope.dynamodb.send(command));
    } catch (error) {
      if (!isNamed(error, "ConditionalCheckFailedException")) throw error;
    }
  }

  #schedule(): void {
    const { leaseMs } = this.#scope.settings;
    clearTimeout(this.#renewal);
    clearTimeout(this.#end);
    this.#renewal = setTimeout(() => {
      this.#renewing = this.#renew();
    }, leaseMs / 3);
    this.#end = setTimeout(() => this.#lose("its lease ran out before it could be renewed"), this.#until - Date.now());
  }

  async #renew(): Promise<void> {
    // A process that was frozen must not claim what it has lost: the next worker would take it for one that is alive.
    if (Date.now() >= this.#until) {
      this.#lose("its lease ran out before it could be renewed");
      return;
    }
    // Counted from before the request: the store may have taken it at any time since.
    const until = Date.now() + this.#scope.settings.leaseMs;
    try {
      const isWanted = await this.#scope.isWanted();
      this.#isToPause = isWanted === "paused";
      if (isWanted === false) this.#lose("the generation was aborted");
      else if (await this.#updateOwn({ leaseUntil: until })) this.#until = until;
      else this.#lose("another worker took it over");
    } catch {
      // Not renewed this time; as long as the lease runs there is another.
    }
    if (!this.#lost.signal.aborted) this.#schedule();
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted) return;
    clearTimeout(this.#renewal);
    clearTimeout(this.#end);
    const { projection, generation } = this.#scope;
    this.#lost.abort(new ReplayLostError(`the replay of ${projection} into generation ${generation} stops: ${why}`));
  }

  async #updateOwn(set: Readonly<Record<string, unknown>>, remove: readonly string[] = []): Promise<boolean> {
    return update(this.#scope, set, { condition: "#owner = :me", values: { ":me": this.#owner }, remove });
  }
}

interface UpdateOptions {
  readonly condition: string;
  readonly values?: Readonly<Record<string, unknown>>;
  readonly remove?: readonly string[];
}

/** False when the condition does not hold. */
async function update(
  scope: ProgressScope,
  set: Readonly<Record<string, unknown>>,
  { condition, values = {}, remove = [] }: UpdateOptions,
): Promise<boolean> {
  const names = Object.keys(set);
  const removed = remove.length === 0 ? "" : ` REMOVE ${remove.map((name) => `#${name}`).join(", ")}`;
  const used = [...new Set([...names, ...remove, ...[...condition.matchAll(/#(\w+)/g)].map(([, name = ""]) => name)])];
  try {
    await translated(
      scope.dynamodb.send(
        new UpdateItemCommand({
          TableName: scope.catalogTable,
          Key: progressKey(scope),
          UpdateExpression: `SET ${names.map((name) => `#${name} = :${name}`).join(", ")}${removed}`,
          ConditionExpression: condition,
          ExpressionAttributeNames: Object.fromEntries(used.map((name) => [`#${name}`, name])),
          ExpressionAttributeValues: marshall({
            ...Object.fromEntries(names.map((name) => [`:${name}`, set[name]])),
            ...values,
          }),
        }),
      ),
    );
    return true;
  } catch (error) {
    if (isNamed(error, "ConditionalCheckFailedException")) return false;
    throw error;
  }
}
