/**
 * One pass of the back-fill: reads `$all` from the checkpoint to a tail, folds it in memory and writes each changed row once.
 * Several generations may share the pass.
 *
 * No other writer exists yet, so the writes carry no condition; the lease keeps it so. Guards are rows like any other. An
 * event before the generation's offset changes no row but moves its stream's guard, as it does in live delivery: that is
 * why the pass reads whole streams whatever the offset is. The streams of other categories the server leaves out.
 */
import { setImmediate as turn } from "node:timers/promises";
import { comparePositions, isAfter, type Position, startOfAll } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import { type ItemKey, rowItemKey } from "../views/item.ts";
import { prefixesOf, type Projection, readsStream } from "../views/projection.ts";
import type { RowChange } from "../views/row-write.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { changesOf } from "../views/stream-write.ts";
import { itemText } from "../consistency/table-items.ts";
import { eventError, ReplayInterruptedError, ReplayPausedError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import type { ReplayContext, ReplaySettings } from "./replay-context.ts";
import { WriteBackCache } from "./write-back-cache.ts";

export interface BackFillOptions extends Pick<ReplayContext, "dynamodb"> {
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table" | "from">;
  readonly lease: Lease;
  readonly settings: ReplaySettings;
  /** Whether live delivery is to have the room. */
  readonly givesWay?: (() => boolean) | undefined;
}

export interface PassOptions extends Pick<ReplayContext, "eventStore"> {
  readonly settings: ReplaySettings;
  /** Awaited between two rounds of events, with those of the last one. Throws when the work is to stop: at a checkpoint. */
  readonly onRound: (events: number, at: Position) => Promise<void> | void;
}

/** What one event does to one item. */
interface Touch {
  readonly key: ItemKey;
  readonly changes: RowChange[];
  readonly carriesGuard: boolean;
  /** Whether the table may hold something of it that counts. */
  readonly mustBeRead: boolean;
}

/** After so many answers are heard, and the next rows sent: a round takes longer to fold than DynamoDB to write a batch. */
const eventsAtAStretch = 16;

/** The part of one generation in a pass. */
export class BackFill {
  /** Events of the projection's streams that were folded in this pass. */
  relevant = 0;
  readonly #options: BackFillOptions;
  readonly #tableIsEmpty: boolean;
  readonly #cache: WriteBackCache;
  #foldedTo: Position | undefined;

  constructor(options: BackFillOptions) {
    const { dynamodb, generation, lease, settings, givesWay } = options;
    this.#options = options;
    this.#tableIsEmpty = lease.isFirst && lease.checkpoint === undefined;
    const tableIsEmpty = this.#tableIsEmpty;
    this.#cache = new WriteBackCache({ dynamodb, table: generation.table, lease, settings, tableIsEmpty, givesWay });
  }

  get projection(): Projection {
    return this.#options.projection;
  }

  /** Every event up to it is in written rows. */
  get checkpoint(): Position | undefined {
    return this.#options.lease.checkpoint;
  }

  /** Puts of rows and guards. */
  get written(): number {
    return this.#cache.written;
  }

  /** Throws {@link ReplayEventError} for an event that the projection cannot take. */
  async fold(round: readonly StoredEvent[]): Promise<void> {
    const { projection, lease } = this.#options;
    lease.assertHeld();
    if (lease.isToPause) {
      if (this.#foldedTo !== undefined) await this.save(this.#foldedTo);
      throw new ReplayPausedError(`the replay of ${projection.name} is paused`);
    }
    const { checkpoint } = this;
    // Of another generation in the pass more may be missing; a guard that was written must not go back.
    const isNew = ({ position }: StoredEvent): boolean => checkpoint === undefined || isAfter(position, checkpoint);
    const touched: { readonly event: StoredEvent; readonly touches: readonly Touch[] }[] = [];
    for (const event of round) {
      if (!isNew(event) || !readsStream(projection, event.stream) || isTombstone(event)) continue;
      touched.push({ event, touches: touchesOf(this.#options, event, this.#tableIsEmpty) });
      if (touched.length % eventsAtAStretch === 0) await turn();
    }
    await this.#cache.load(keysToRead(touched));
    for (const [index, { event, touches }] of touched.entries()) {
      if ((index + 1) % eventsAtAStretch === 0) await turn();
      for (const { key, changes, carriesGuard } of touches) {
        const item = this.#cache.item(key);
        if (foldedBy(item, event, changes, carriesGuard)) this.#cache.changed(item);
      }
    }
    await this.#cache.makeRoom();
    this.relevant += touched.length;
    this.#foldedTo = round.at(-1)?.position ?? this.#foldedTo;
  }

  /** Writes what is folded; from then on a worker that takes over begins behind `position`. */
  async save(position: Position): Promise<void> {
    await this.#cache.flush();
    const { checkpoint } = this;
    if (checkpoint === undefined || isAfter(position, checkpoint)) await this.#options.lease.saveCheckpoint(position);
  }

  /** Resolves when no write is under way any more: a worker never returns with one pending. */
  settle(): Promise<void> {
    return this.#cache.settle();
  }
}

/** Why a generation left a pass that goes on for the others. */
export interface Failed<Part> {
  readonly part: Part;
  readonly error: unknown;
}

/**
 * Brings every part from its checkpoint to `target`, included, by one read of the log. One that fails leaves the pass, and the
 * others go on; when the work is to stop, what is folded is kept by a checkpoint. Throws the errors of the event store, and
 * what `onRound` throws.
 */
export async function backFillTogether<Part extends BackFill>(
  parts: readonly [Part, ...Part[]],
  target: Position,
  { eventStore, settings, onRound }: PassOptions,
): Promise<{ readonly events: number; readonly failed: readonly Failed<Part>[] }> {
  const failed: Failed<Part>[] = [];
  let going: readonly Part[] = parts;
  const each = async (work: (part: Part) => Promise<void>): Promise<void> => {
    const attempts = going.map(async (part) => {
      try {
        await work(part);
      } catch (error) {
        failed.push({ part, error });
      }
    });
    await Promise.all(attempts);
    going = going.filter((part) => !failed.some((gone) => gone.part === part));
  };
  let events = 0;
  let atCheckpoint = { events, ms: performance.now() };
  let last = earliestCheckpoint(parts);
  const [{ projection }, ...others] = parts;
  const prefixes = prefixesOf([projection, ...others.map((part) => part.projection)]);
  const { eventsAtOnce: size, eventsPerCheckpoint, checkpointEveryMs } = settings;
  const isDue = (): boolean =>
    events - atCheckpoint.events >= eventsPerCheckpoint || performance.now() - atCheckpoint.ms >= checkpointEveryMs;
  try {
    for await (const round of eventStore.roundsOf(prefixes, { after: last, until: target, size })) {
      await each((part) => part.fold(round));
      if (going.length === 0) break;
      events += round.length;
      last = round.at(-1)?.position ?? last;
      try {
        await onRound(round.length, last ?? startOfAll);
      } catch (error) {
        if (error instanceof ReplayInterruptedError && last !== undefined) {
          const at = last;
          await each((part) => part.save(at));
        }
        throw error;
      }
      if (last !== undefined && isDue()) {
        const at = last;
        await each((part) => part.save(at));
        atCheckpoint = { events, ms: performance.now() };
      }
      // Lets the lease be renewed, and answers be heard, when all that is read is in memory already.
      await turn();
    }
    await each((part) => part.save(target));
  } finally {
    await Promise.all(parts.map((part) => part.settle()));
  }
  return { events, failed };
}

function earliestCheckpoint(parts: readonly BackFill[]): Position | undefined {
  const checkpoints = parts.map(({ checkpoint }) => checkpoint);
  return checkpoints.reduce((earliest, checkpoint) =>
    earliest === undefined || (checkpoint !== undefined && isAfter(checkpoint, earliest)) ? earliest : checkpoint,
  );
}

function foldedBy(
  item: ReturnType<WriteBackCache["item"]>,
  event: StoredEvent,
  changes: readonly RowChange[],
  carriesGuard: boolean,
): boolean {
  try {
    return item.fold(event, changes, carriesGuard);
  } catch (error) {
    throw eventError(event, error);
  }
}

function touchesOf({ projection, generation }: BackFillOptions, event: StoredEvent, tableWasEmpty: boolean): Touch[] {
  let changes: ReturnType<typeof changesOf> = [];
  let guardKey: ItemKey;
  try {
    guardKey = guardKeyOf(projection, event.stream);
    if (comparePositions(event.position, generation.from) >= 0) changes = changesOf(projection, event);
  } catch (error) {
    throw eventError(event, error);
  }
  if (projection.rows === "one-per-stream") {
    const mustBeRead = !(tableWasEmpty && event.revision === 0n);
    return [{ key: guardKey, changes: changes.map(({ change }) => change), carriesGuard: true, mustBeRead }];
  }
  const touches = new Map<string, Touch>();
  for (const { key: row, change } of changes) {
    const key = rowItemKey(row);
    const text = itemText(key);
    const touch = touches.get(text);
    if (touch !== undefined) touch.changes.push(change);
    else touches.set(text, { key, changes: [change], carriesGuard: false, mustBeRead: true });
  }
  // A guard that is an item of its own need not be read: the stream's next event says all that it holds.
  const guard: Touch = { key: guardKey, changes: [], carriesGuard: true, mustBeRead: false };
  return [...touches.values(), guard];
}

function* keysToRead(touched: readonly { readonly touches: readonly Touch[] }[]): Generator<ItemKey, void> {
  for (const { touches } of touched) for (const { key, mustBeRead } of touches) if (mustBeRead) yield key;
}
