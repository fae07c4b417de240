/**
 * The replay of one view, from the declaration of a new generation to the removal of an old one. `run` reads like the
 * runbook; every step may be repeated, so a replay that was cut off is taken up by running it again, by whoever does. Until
 * the swap the live generation is not touched, and a replay that cannot succeed leaves nothing behind.
 */
import { DeleteItemCommand } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { EventStoreError } from "../event-store/errors.ts";
import { comparePositions, formatPosition, type Position, startOfAll } from "../event-store/position.ts";
import { withDecisions } from "../quarantine/decisions.ts";
import { viewTarget } from "../quarantine/quarantine-record.ts";
import { CatalogConflictError, type CatalogEntry, type Generation, liveGeneration } from "../views/catalog.ts";
import { translated } from "../views/dynamodb.ts";
import { createGenerationTable, deleteGenerationTable } from "../views/generation-table.ts";
import { readGuard } from "../views/live-writer.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { buildGeneration, type BuildReport } from "./build-generation.ts";
import { closeSeam, type SeamOptions } from "./close-seam.ts";
import {
  NothingToDoError,
  ReplayEventError,
  ReplayInterruptedError,
  ReplayLostError,
  ReplayPositionError,
  ReplayUnfinishedError,
} from "./errors.ts";
import { progressKey } from "./lease.ts";
import { type ReplayContext, type ReplaySettings, settingsOf } from "./replay-context.ts";
import { transit, type TransitionName, type TransitionRecord, TransitionRefusedError } from "./transitions.ts";
import { VerificationFailedError } from "./verification.ts";

export type ReplayStep = "declare" | "back-fill" | "verify" | "compare" | "join" | "close-seam" | "swap" | "retire";

/** What a replay waits for; `until` is when it goes on at the latest, in milliseconds since the epoch. */
export interface ReplayWait {
  readonly for:
    /** That of another worker to run out: it is gone, or will renew it. */
    | "lease"
    /** Writes of a worker that ended badly to land or to be lost. */
    | "late-writes"
    /** Events to arrive in the live view, before it is called damaged. */
    | "guards"
    /** Readers to forget a generation whose table is to be removed. */
    | "readers";
  readonly until: number;
}

export interface ReplayObserver {
  /** A step begins. */
  readonly step?: (step: ReplayStep, generation: Generation) => void;
  /** `events` were read since the step began; `at` says how far that is on the way to `target`. */
  readonly progress?: (events: number, at: Position, target: Position) => void;
  /** Readers are on the new generation; all that is left to do is to remove what is not needed any more. */
  readonly swapped?: (report: ReplayReport) => void;
  /** A wait begins that may be longer than a moment. */
  readonly waiting?: (wait: ReplayWait, generation: Generation) => void;
}

export interface ReplayOptions {
  /** Events before it are left out of the rows. The position of an event, or 0/0 for the start; absent: the start, or as the unfinished replay has it. */
  readonly from?: Position;
  /** Ends the work at the next safe place with {@link ReplayInterruptedError}. */
  readonly signal?: AbortSignal;
  readonly observer?: ReplayObserver;
}

export interface ReplayReport {
  readonly view: string;
  /** The generation that is live now. */
  readonly generation: Generation;
  /** The one that was; it goes on being written, and a rollback brings it back. Absent for a view's first. */
  readonly former?: Generation;
  /** Absent when an earlier run, which was cut off, had built and verified the generation. */
  readonly built?: BuildReport;
  /** Events of the view's streams between the verified position and a tail taken after the join. */
  readonly seamEvents: number;
}

export class Replay {
  readonly view: string;
  readonly #context: ReplayContext;
  readonly #versions: readonly [Projection, ...Projection[]];
  readonly #settings: ReplaySettings;

  /** `versions` are the deployed ones of the view's projection. */
  constructor(context: ReplayContext, versions: readonly [Projection, ...Projection[]]) {
    this.#context = context;
    this.#versions = versions;
    this.#settings = settingsOf(context);
    this.view = versions[0].name;
  }

  /**
   * Rebuilds the view and makes the result live, or takes up the replay that is unfinished. Throws the errors of
   * `errors.ts`; {@link VerificationFailedError}; TransitionRefusedError; and when event store or DynamoDB are down, their
   * errors, after which another run goes on from the checkpoint.
   */
  async run(options: ReplayOptions = {}): Promise<ReplayReport> {
    const { observer } = options;
    await this.finishRetirements(observer);
    const declared = await this.#declare(options);
    try {
      let built: BuildReport | undefined;
      if (declared.role === "building") {
        const projection = await this.#decidedProjectionOf(declared);
        const scope = { context: this.#context, versions: this.#versions, projection, options };
        built = await buildGeneration(scope, declared);
      }
      this.#throwIfInterrupted(options.signal);
      const seamEvents = await this.#closeSeam(declared.id, options);
      this.#throwIfInterrupted(options.signal);
      const { generation, former } = await this.#swap(declared.id, observer);
      const report: ReplayReport = {
        view: this.view,
        generation,
        ...(former === undefined ? {} : { former }),
        ...(built === undefined ? {} : { built }),
        seamEvents,
      };
      observer?.swapped?.(report);
      await this.finishRetirements(observer);
      return report;
    } catch (error) {
      // What went wrong is what the caller has to know, also when this fails too.
      if (await this.#isBeyondRepair(declared.id, error).catch(() => false)) {
        await this.#putAway(declared).catch(() => undefined);
      }
      throw error;
    }
  }

  /** Goes on with an unfinished replay; undefined when there is none. */
  async resume(options: Omit<ReplayOptions, "from"> = {}): Promise<ReplayReport | undefined> {
    await this.finishRetirements(options.observer);
    return unfinishedOf(await this.#entry()) === undefined ? undefined : this.run(options);
  }

  /** Ends an unfinished replay and removes its table. Throws {@link NothingToDoError}, also when the swap was quicker. */
  async abort(): Promise<Generation> {
    const entry = await this.#entry();
    const unfinished = unfinishedOf(entry);
    if (unfinished === undefined) throw this.#nothingToAbort(entry);
    try {
      await this.#putAway(unfinished);
      return unfinished;
    } catch (error) {
      // It was swapped, or aborted by somebody else, since it was read: that says the same as if it had been read later.
      if (error instanceof TransitionRefusedError) throw this.#nothingToAbort(await this.#entry(), { cause: error });
      throw error;
    }
  }

  /**
   * Makes the generation live again that was live before the last swap. Throws {@link NothingToDoError}, TransitionRefusedError
   * and, when event store or DynamoDB are down, their errors, after which it can be tried again.
   */
  async rollback(): Promise<{ readonly generation: Generation; readonly former?: Generation }> {
    const entry = await this.#entry();
    const soaking = this.#soakingOf(entry);
    await this.#bringUp(soaking, liveGeneration(entry));
    return this.#makeLive(soaking.id, "rollback");
  }

  /** Removes the generation that was live before the last swap: afterwards there is no way back. Throws {@link NothingToDoError}. */
  async retire(): Promise<Generation> {
    const soaking = this.#soakingOf(await this.#entry());
    await this.#transit(soaking.id, "retire");
    await this.#remove(soaking);
    return soaking;
  }

  /** Removes the tables of generations that nobody writes any more, also those whose removal was cut off. */
  async finishRetirements(observer?: ReplayObserver): Promise<void> {
    const { generations } = await this.#entry();
    for (const generation of generations) {
      if (generation.role !== "retiring") continue;
      observer?.step?.("retire", generation);
      await this.#remove(generation, observer);
    }
  }

  /** Finds the unfinished generation or declares one, and makes its table. */
  async #declare({ from, observer }: ReplayOptions): Promise<Generation> {
    for (;;) {
      const entry = await this.#entry();
      const unfinished = unfinishedOf(entry);
      if (unfinished !== undefined && this.#cannotGoOn(unfinished)) {
        try {
          await this.#putAway(unfinished);
        } catch (error) {
          // Somebody else has put it away: look again.
          if (!(error instanceof TransitionRefusedError)) throw error;
        }
        continue;
      }
      if (unfinished === undefined && from !== undefined) await this.#checkPosition(from);
      const generation = unfinished ?? this.#newGeneration(from ?? startOfAll);
      this.#checkIsAsAsked(generation, from);
      observer?.step?.("declare", generation);
      try {
        if (unfinished === undefined) {
          const { catalog, by = "unknown" } = this.#context;
          const declared = { transition: "declare", generation: generation.id, by };
          await catalog.transition(entry, [...entry.generations, generation], declared);
        }
      } catch (error) {
        // Somebody else has declared one, or swapped: look again.
        if (error instanceof CatalogConflictError) continue;
        throw error;
      }
      if (generation.role === "building") await this.#makeTable(generation);
      return generation;
    }
  }

  /** A table that is made after an abort has removed it would be left for ever: so the catalog is looked at once more. */
  async #makeTable(generation: Generation): Promise<void> {
    const { dynamodb } = this.#context;
    await createGenerationTable(dynamodb, generation.table, this.#projectionOf(generation));
    try {
      this.#generationIn(await this.#entry(), generation.id);
    } catch (error) {
      if (error instanceof ReplayLostError) await deleteGenerationTable(dynamodb, generation.table);
      throw error;
    }
  }

  #newGeneration(from: Position): Generation {
    const { version } = newest(this.#versions);
    const now = new Date();
    // Its time for a person to tell it by, and chance: no name is ever used twice.
    const id = `${now.toISOString().replaceAll(/[-:]/g, "").slice(0, 15)}-${randomUUID().slice(0, 8)}`;
    const table = `${this.#context.tablePrefix}${this.view}-v${version}-${id}`;
    return { id, table, version, role: "building", from, declaredAt: now.toISOString() };
  }

  /** An unfinished generation that can never become live: it is put away, and the replay begins again. */
  #cannotGoOn({ blocked, version }: Generation): boolean {
    return blocked !== undefined || !this.#versions.some((projection) => projection.version === version);
  }

  #checkIsAsAsked(generation: Generation, from: Position | undefined): void {
    const { version } = newest(this.#versions);
    const begun = `a replay of ${this.view} to version ${generation.version} from ${formatPosition(generation.from)}`;
    if (generation.version !== version || (from !== undefined && comparePositions(generation.from, from) !== 0)) {
      throw new ReplayUnfinishedError(`${begun} is unfinished: abort it, or run it as it was begun`);
    }
  }

  async #checkPosition(from: Position): Promise<void> {
    if (comparePositions(from, startOfAll) === 0) return;
    const text = formatPosition(from);
    try {
      for await (const { position } of this.#context.eventStore.readAll(from, from)) {
        if (comparePositions(position, from) === 0) return;
      }
    } catch (error) {
      // What the store says of a position where no record starts.
      if (!(error instanceof EventStoreError)) throw error;
    }
    throw new ReplayPositionError(`there is no event at position ${text}: give that of the first event to count`);
  }

  /** The tail is taken after the join: what a projector acknowledged that did not know the generation lies before it. */
  async #closeSeam(id: string, { signal, observer }: ReplayOptions): Promise<number> {
    const generation = this.#generationIn(await this.#entry(), id);
    if (generation.role !== "joined" || generation.verifiedTo === undefined) return 0;
    observer?.step?.("close-seam", generation);
    const tail = await this.#context.eventStore.tail();
    const seam = await this.#seamOf(generation, (read, at) => {
      this.#throwIfInterrupted(signal);
      observer?.progress?.(read, at, tail);
    });
    try {
      const events = await closeSeam(seam, generation.sealedTo ?? generation.verifiedTo, tail);
      await this.#transit(id, "sealed", { sealedTo: tail });
      return events;
    } catch (error) {
      // There is no lease any more: another worker may have gone on from here, or aborted it and taken its table.
      if (this.#generationIn(await this.#entry(), id).role !== "live") throw error;
      return 0;
    }
  }

  /**
   * What the seam brought into the live generation, delivery may not have brought into the one before it yet: readers would see
   * those rows go back. What was delivered since is found applied.
   */
  async #bringUp(soaking: Generation, live: Generation | undefined): Promise<void> {
    if (live?.verifiedTo === undefined || live.sealedTo === undefined) return;
    // It has been live after the other one, whose seam it had then.
    if (soaking.sealedTo !== undefined && comparePositions(soaking.sealedTo, live.sealedTo) >= 0) return;
    await closeSeam(await this.#seamOf(soaking, () => undefined), live.verifiedTo, live.sealedTo);
  }

  async #seamOf(generation: Generation, onEvents: SeamOptions["onEvents"]): Promise<SeamOptions> {
    const { dynamodb, eventStore, quarantine } = this.#context;
    const { eventsAtOnce } = this.#settings;
    const projection = await this.#decidedProjectionOf(generation);
    const target = viewTarget(this.view, generation.id);
    const waitBehind = (stream: string, revision: bigint) => quarantine.waitBehind(target, stream, revision);
    return { dynamodb, eventStore, projection, generation, eventsAtOnce, waitBehind, onEvents };
  }

  async #swap(
    id: string,
    observer: ReplayObserver | undefined,
  ): Promise<{ readonly generation: Generation; readonly former?: Generation }> {
    observer?.step?.("swap", this.#generationIn(await this.#entry(), id));
    try {
      return await this.#makeLive(id, "swap");
    } catch (error) {
      // An abort was quicker: told as it is at every step before.
      if (error instanceof TransitionRefusedError) this.#generationIn(await this.#entry(), id, { cause: error });
      throw error;
    }
  }

  async #makeLive(
    id: string,
    name: "swap" | "rollback",
  ): Promise<{ readonly generation: Generation; readonly former?: Generation }> {
    const entry = await this.#entry();
    const before = liveGeneration(entry);
    const next = entry.generations.find((generation) => generation.id === id);
    if (before !== undefined && next !== undefined) await this.#checkKeepsRows(before, next, name);
    const after = await this.#transit(id, name);
    const former = after.generations.find((generation) => generation.id === before?.id && generation.id !== id);
    return { generation: this.#generationIn(after, id), ...(former === undefined ? {} : { former }) };
  }

  /** A stream that waits in the generation, and went on in the live one, would go back before its readers' eyes. */
  async #checkKeepsRows(live: Generation, next: Generation, name: "swap" | "rollback"): Promise<void> {
    const { dynamodb, quarantine } = this.#context;
    const seen = async (generation: Generation, stream: string): Promise<bigint> => {
      const reader = { dynamodb, projection: this.#projectionOf(generation), generation };
      return (await readGuard(reader, stream))?.revision ?? -1n;
    };
    for await (const { state, stream, revision } of quarantine.recordsOf(viewTarget(this.view, next.id))) {
      if (state !== "quarantined" || !readsStream(this.#projectionOf(live), stream)) continue;
      if ((await seen(live, stream)) < revision || (await seen(next, stream)) >= revision) continue;
      const what = `${name} of generation ${next.id} of ${this.view} is refused`;
      throw new TransitionRefusedError(
        `${what}: ${stream} waits in it at revision ${revision.toString()}, which the live one has: redrive it first`,
      );
    }
  }

  async #putAway(generation: Generation): Promise<void> {
    await this.#transit(generation.id, "abort");
    await this.#remove(generation);
  }

  /** Takes the table away once no reader can still be using what it knew of the catalog. */
  async #remove(generation: Generation, observer?: ReplayObserver): Promise<void> {
    const { dynamodb, catalogTable, quarantine } = this.#context;
    const waitMs = 2 * this.#settings.readerCacheMs;
    observer?.waiting?.({ for: "readers", until: Date.now() + waitMs }, generation);
    await sleep(waitMs);
    await deleteGenerationTable(dynamodb, generation.table);
    await quarantine.forget(viewTarget(this.view, generation.id));
    const Key = progressKey({ projection: this.view, generation: generation.id });
    await translated(dynamodb.send(new DeleteItemCommand({ TableName: catalogTable, Key })));
    await this.#transit(generation.id, "drop");
  }

  /** Whether running it again would end the same way. */
  async #isBeyondRepair(id: string, error: unknown): Promise<boolean> {
    const unfinished = unfinishedOf(await this.#entry());
    if (unfinished?.id !== id) return false;
    if (error instanceof VerificationFailedError || error instanceof ReplayEventError) return true;
    return unfinished.blocked !== undefined;
  }

  #throwIfInterrupted(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) throw new ReplayInterruptedError(`the replay of ${this.view} was interrupted`);
  }

  #soakingOf(entry: CatalogEntry): Generation {
    const soaking = entry.generations.find(({ role }) => role === "soaking");
    if (soaking !== undefined) return soaking;
    throw new NothingToDoError(
      `no former generation of ${this.view} is kept: there is nothing to go back to, or to retire`,
    );
  }

  #nothingToAbort(entry: CatalogEntry, options?: ErrorOptions): NothingToDoError {
    const live = liveGeneration(entry);
    const soaking = entry.generations.find(({ role }) => role === "soaking");
    const tooLate =
      live === undefined || soaking === undefined
        ? ""
        : `: an abort comes too late once the new generation is live. ${live.id} is; rollback makes ${soaking.id} live again`;
    return new NothingToDoError(`no replay of ${this.view} is unfinished${tooLate}`, options);
  }

  #generationIn(entry: CatalogEntry, id: string, options?: ErrorOptions): Generation {
    const generation = entry.generations.find((candidate) => candidate.id === id);
    if (generation !== undefined && generation.role !== "retiring") return generation;
    throw new ReplayLostError(`generation ${id} of ${this.view} was aborted or retired by somebody else`, options);
  }

  #projectionOf({ version }: Generation): Projection {
    return this.#versions.find((projection) => projection.version === version) ?? newest(this.#versions);
  }

  /** Read after the generation was declared: from then on nothing is discarded until it is built. */
  async #decidedProjectionOf(generation: Generation): Promise<Projection> {
    return withDecisions(this.#projectionOf(generation), await this.#context.quarantine.decisions(this.view));
  }

  #entry(): Promise<CatalogEntry> {
    return this.#context.catalog.read(this.view);
  }

  #transit(id: string, name: TransitionName, record?: TransitionRecord): Promise<CatalogEntry> {
    const { catalog, by } = this.#context;
    return transit({ catalog, view: this.view, versions: this.#versions, by }, id, name, record);
  }
}

function unfinishedOf({ generations }: CatalogEntry): Generation | undefined {
  return generations.find(({ role }) => role === "building" || role === "joined");
}

function newest(versions: readonly [Projection, ...Projection[]]): Projection {
  return versions.reduce((latest, candidate) => (candidate.version > latest.version ? candidate : latest));
}
