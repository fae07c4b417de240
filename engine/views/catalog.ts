/**
 * Which generation of each view is live, and which are written: one item per projection. Every transition is one write on
 * condition of the epoch, so of two that race one wins and the other sees what it lost to.
 */
import {
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import type { Item } from "./item.ts";
import { z } from "zod";
import { formatPosition, parsePosition, type Position } from "../event-store/position.ts";
import { isNamed, translated } from "./dynamodb.ts";

/**
 * What a generation is to readers and writers:
 * - `building`: only its replay writes it.
 * - `joined`: projectors write it beside the live one.
 * - `live`: readers see it, projectors write it. At most one.
 * - `soaking`: was live before a swap; still written, so that a rollback is exact.
 * - `frozen`: a view as of a position, under a name of its own; readers who ask for that name see it, nobody writes it.
 * - `retiring`: nobody reads or writes it; its table is being removed.
 */
export const generationRoles = ["building", "joined", "live", "soaking", "frozen", "retiring"] as const;

export type GenerationRole = (typeof generationRoles)[number];

export interface Generation {
  readonly id: string;
  readonly table: string;
  /** Version of the projection that writes it. */
  readonly version: number;
  /** Of the code of that version when it was declared; see {@link Projection.fingerprints}. Absent where nothing pinned it. */
  readonly fingerprint?: string;
  readonly role: GenerationRole;
  /** Events before it are not in the rows, though they move the guards. */
  readonly from: Position;
  /** Events after it are not in the rows, and it never joins: the end of a view as of then. */
  readonly until?: Position;
  /** Events a second that its replay reads at most. */
  readonly rate?: number;
  /** Whether whoever builds it goes on to swap it in. */
  readonly autoSwap?: boolean;
  /** How long, in hours, the one before it is kept once this one is live; absent: until somebody retires it. */
  readonly soakHours?: number;
  /** ISO 8601. */
  readonly declaredAt: string;
  /** Who builds it: changes with each worker that takes the replay over. */
  readonly worker?: string;
  /** Compared with the fold of the log, and equal, up to this position. */
  readonly verifiedTo?: Position;
  /** Every stream is applied up to this position, which was the leader's tail after the join. */
  readonly sealedTo?: Position;
  /** When the report of the verification and the comparison with the live rows was kept, in ISO 8601. */
  readonly reportedAt?: string;
  /** A write to it failed while the live one went on: it can no longer become live. */
  readonly blocked?: string;
  /** Why nobody writes it for now: it is resumed, or aborted. */
  readonly paused?: string;
  /** Who lets it go on: the operator who paused it, or any deployment that has its code again. */
  readonly pausedBy?: "operator" | "code";
  /** Live delivery has, or may have, gone past it with events that it lacks: its seam has to be closed again. */
  readonly behind?: boolean;
  /** How often it was paused, or passed: what was looked at before the last time does not say that its seam is closed. */
  readonly pauses?: number;
  /** When it is retired by itself, in ISO 8601. */
  readonly soakUntil?: string;
}

/** One transition, for people who ask later who did what. */
export interface TransitionNote {
  /** The catalog's after it. */
  readonly epoch: number;
  /** ISO 8601. */
  readonly at: string;
  readonly transition: string;
  readonly generation: string;
  /** A person at a machine, or a function. */
  readonly by: string;
}

export interface CatalogEntry {
  readonly projection: string;
  /** Counts transitions; 0 before the first. */
  readonly epoch: number;
  readonly generations: readonly Generation[];
  /** The last transitions, the oldest first. */
  readonly history?: readonly TransitionNote[];
}

export class CatalogConflictError extends Error {
  readonly code = "CATALOG_CONFLICT";
  override readonly name = "CatalogConflictError";
}

const positionSchema = z.string().transform(parsePosition);

const generationSchema = z.object({
  id: z.string(),
  table: z.string(),
  version: z.int(),
  fingerprint: z.string().exactOptional(),
  role: z.enum(generationRoles),
  from: positionSchema,
  until: positionSchema.exactOptional(),
  rate: z.number().exactOptional(),
  autoSwap: z.boolean().exactOptional(),
  soakHours: z.number().exactOptional(),
  declaredAt: z.string(),
  worker: z.string().exactOptional(),
  verifiedTo: positionSchema.exactOptional(),
  sealedTo: positionSchema.exactOptional(),
  reportedAt: z.string().exactOptional(),
  blocked: z.string().exactOptional(),
  paused: z.string().exactOptional(),
  pausedBy: z.enum(["operator", "code"]).exactOptional(),
  behind: z.boolean().exactOptional(),
  pauses: z.int().exactOptional(),
  soakUntil: z.string().exactOptional(),
});

const noteSchema = z.object({
  epoch: z.int(),
  at: z.string(),
  transition: z.string(),
  generation: z.string(),
  by: z.string(),
});

const entrySchema = z.object({
  projection: z.string(),
  epoch: z.int(),
  generations: z.array(generationSchema),
  history: z.array(noteSchema).exactOptional(),
});

/** Transitions that are remembered: those of several replays. */
const longestHistory = 60;

export class Catalog {
  readonly #dynamodb: DynamoDBClient;
  readonly #table: string;

  constructor(dynamodb: DynamoDBClient, table: string) {
    this.#dynamodb = dynamodb;
    this.#table = table;
  }

  /** The entry as of now (a consistent read); one of epoch 0 without generations if the projection has none yet. */
  async read(projection: string): Promise<CatalogEntry> {
    const { Item } = await translated(
      this.#dynamodb.send(
        new GetItemCommand({ TableName: this.#table, Key: catalogKey(projection), ConsistentRead: true }),
      ),
    );
    return Item === undefined ? { projection, epoch: 0, generations: [] } : entrySchema.parse(unmarshall(Item));
  }

  /** Names of the views as of a position that stand beside a view, in their order. */
  async namesBeside(view: string): Promise<readonly string[]> {
    const { Items = [] } = await translated(
      this.#dynamodb.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "pk = :view AND begins_with(sk, :named)",
          ExpressionAttributeValues: { ":view": { S: view }, ":named": { S: namedEntries } },
          ConsistentRead: true,
        }),
      ),
    );
    return Items.map(({ sk }) => sk?.S?.slice(namedEntries.length) ?? "");
  }

  /** Removes the entry, which must have no generation, if it is still at `seen`'s epoch. */
  async forget({ projection, epoch }: CatalogEntry): Promise<void> {
    try {
      await translated(
        this.#dynamodb.send(
          new DeleteItemCommand({
            TableName: this.#table,
            Key: catalogKey(projection),
            ConditionExpression: "epoch = :seen",
            ExpressionAttributeValues: { ":seen": { N: epoch.toString() } },
          }),
        ),
      );
    } catch (error) {
      if (!isNamed(error, "ConditionalCheckFailedException")) throw error;
    }
  }

  /**
   * Replaces the generations if the entry is still at `seen`'s epoch. Throws {@link CatalogConflictError} if another
   * transition came first: read again and decide anew.
   */
  async transition(
    seen: CatalogEntry,
    generations: readonly Generation[],
    done?: Pick<TransitionNote, "transition" | "generation" | "by">,
  ): Promise<CatalogEntry> {
    const epoch = seen.epoch + 1;
    const note = done === undefined ? [] : [{ epoch, at: new Date().toISOString(), ...done }];
    const history = [...(seen.history ?? []), ...note].slice(-longestHistory);
    const next: CatalogEntry = {
      projection: seen.projection,
      epoch,
      generations,
      ...(history.length === 0 ? {} : { history }),
    };
    try {
      await translated(
        this.#dynamodb.send(
          new PutItemCommand({
            TableName: this.#table,
            Item: { ...catalogKey(seen.projection), ...marshallEntry(next) },
            ConditionExpression: seen.epoch === 0 ? "attribute_not_exists(epoch)" : "epoch = :seen",
            ...(seen.epoch === 0 ? {} : { ExpressionAttributeValues: { ":seen": { N: seen.epoch.toString() } } }),
          }),
        ),
      );
    } catch (error) {
      if (!isNamed(error, "ConditionalCheckFailedException")) throw error;
      const message = `${seen.projection} is no longer at epoch ${seen.epoch}: another transition came first`;
      throw new CatalogConflictError(message, { cause: error });
    }
    return next;
  }
}

export function liveGeneration(entry: CatalogEntry): Generation | undefined {
  return entry.generations.find(({ role }) => role === "live");
}

/** A view as of a position: the only generation of an entry with a name of its own, once it is built. */
export function frozenGeneration(entry: CatalogEntry): Generation | undefined {
  return entry.generations.find(({ role }) => role === "frozen");
}

/**
 * The generations that projectors write, in the order in which they write them: the live one last, so that a reader who
 * is moved to another generation by a swap or a rollback never sees a row go back.
 */
export function writtenGenerations(entry: CatalogEntry): readonly Generation[] {
  const others = entry.generations.filter(
    ({ role, blocked, paused }) =>
      (role === "joined" || role === "soaking") && blocked === undefined && paused === undefined,
  );
  return [...others, ...entry.generations.filter(({ role }) => role === "live")];
}

export function catalogKey(projection: string): { pk: { S: string }; sk: { S: string } } {
  const { view, name } = partsOfEntryName(projection);
  return { pk: { S: view }, sk: { S: name === undefined ? "catalog" : `${namedEntries}${name}` } };
}

const namedEntries = "catalog@";

/** What the catalog calls a view as of a position, which stands beside the live one under a name of its own. */
export function entryName(view: string, name?: string): string {
  return name === undefined ? view : `${view}@${name}`;
}

/** The view of an entry, and the name that it stands under where it is one as of a position. */
export function partsOfEntryName(entry: string): { readonly view: string; readonly name?: string } {
  const [view = "", name] = entry.split("@");
  return name === undefined ? { view } : { view, name };
}

function marshallEntry(entry: CatalogEntry): Item {
  const text = (position: Position | undefined): string | undefined =>
    position === undefined ? undefined : formatPosition(position);
  const generations = entry.generations.map((generation) => ({
    ...generation,
    from: text(generation.from),
    until: text(generation.until),
    verifiedTo: text(generation.verifiedTo),
    sealedTo: text(generation.sealedTo),
  }));
  return marshall({ ...entry, generations }, { removeUndefinedValues: true });
}
