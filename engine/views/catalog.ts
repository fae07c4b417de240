/**
 * Which generation of each view is live, and which are written: one item per projection. Every transition is one write on
 * condition of the epoch, so of two that race one wins and the other sees what it lost to.
 */
import { type DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
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
 * - `retiring`: nobody reads or writes it; its table is being removed.
 */
export type GenerationRole = "building" | "joined" | "live" | "soaking" | "retiring";

export interface Generation {
  readonly id: string;
  readonly table: string;
  /** Version of the projection that writes it. */
  readonly version: number;
  readonly role: GenerationRole;
  /** Events before it are not in the rows, though they move the guards. */
  readonly from: Position;
  /** ISO 8601. */
  readonly declaredAt: string;
  /** Who builds it: changes with each worker that takes the replay over. */
  readonly worker?: string;
  /** Compared with the fold of the log, and equal, up to this position. */
  readonly verifiedTo?: Position;
  /** Every stream is applied up to this position, which was the leader's tail after the join. */
  readonly sealedTo?: Position;
  /** A write to it failed while the live one went on: it can no longer become live. */
  readonly blocked?: string;
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
  role: z.enum(["building", "joined", "live", "soaking", "retiring"]),
  from: positionSchema,
  declaredAt: z.string(),
  worker: z.string().exactOptional(),
  verifiedTo: positionSchema.exactOptional(),
  sealedTo: positionSchema.exactOptional(),
  blocked: z.string().exactOptional(),
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

/**
 * The generations that projectors write, in the order in which they write them: the live one last, so that a reader who
 * is moved to another generation by a swap or a rollback never sees a row go back.
 */
export function writtenGenerations(entry: CatalogEntry): readonly Generation[] {
  const others = entry.generations.filter(
    ({ role, blocked }) => (role === "joined" || role === "soaking") && blocked === undefined,
  );
  return [...others, ...entry.generations.filter(({ role }) => role === "live")];
}

export function catalogKey(projection: string): { pk: { S: string }; sk: { S: string } } {
  return { pk: { S: projection }, sk: { S: "catalog" } };
}

function marshallEntry(entry: CatalogEntry): Item {
  const text = (position: Position | undefined): string | undefined =>
    position === undefined ? undefined : formatPosition(position);
  const generations = entry.generations.map((generation) => ({
    ...generation,
    from: text(generation.from),
    verifiedTo: text(generation.verifiedTo),
    sealedTo: text(generation.sealedTo),
  }));
  return marshall({ ...entry, generations }, { removeUndefinedValues: true });
}
