/**
 * The replay of one view, from the declaration of a new generation to the removal of an old one. `startTogether` reads like
 * the runbook; every step may be repeated, so a replay that was cut off is taken up by starting it again, by whoever does.
 * Until the swap the live generation is not touched, and a replay that cannot succeed leaves nothing behind.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors/message-of.ts";
import { comparePositions, formatPosition, type Position } from "../event-store/position.ts";
import { getItems } from "../consistency/table-items.ts";
import { withDecisions } from "../quarantine/decisions.ts";
import { viewTarget } from "../quarantine/quarantine-record.ts";
import {
  CatalogConflictError,
  type CatalogEntry,
  entryName,
  frozenGeneration,
  type Generation,
  liveGeneration,
} from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { createGenerationTable, deleteGenerationTable } from "../views/generation-table.ts";
import { isNamed } from "../views/dynamodb.ts";
import { rowItemKey } from "../views/item.ts";
import { readGuard } from "../views/live-writer.ts";
import { isDeployed } from "../views/pinned-projection.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { type BuildOptions, type BuildReport, type BuildScope, buildTogether, type Built } from "./build-generation.ts";
import { closeSeam, type SeamOptions } from "./close-seam.ts";
import {
  NothingToDoError,
  ReplayEventError,
  ReplayInterruptedError,
  ReplayLostError,
  ReplayNameError,
  ReplayPausedError,
  ReplayUnfinishedError,
} from "./errors.ts";
import {
  checkIsAsAsked,
  checkPosition,
  endOf,
  newest,
  newGeneration,
  type ReplayedView,
  wishesOf,
} from "./new-generation.ts";
import { type Preview, type PreviewOptions, previewReplay } from "./preview.ts";
import { type ReplayContext, type ReplaySettings, settingsOf } from "./replay-context.ts";
import { removeGeneration } from "./remove-generation.ts";
import type { GenerationReport } from "./report.ts";
import { readReport } from "./report-store.ts";
import { transit, type TransitionName, type TransitionRecord, TransitionRefusedError } from "./transitions.ts";
import { VerificationFailedError } from "./verification.ts";
import { verifyAgain } from "./verify-again.ts";

export type ReplayStep =
  "declare" | "back-fill" | "verify" | "compare" | "join" | "freeze" | "close-seam" | "swap" | "retire";

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
  /** Live delivery is behind, so the replay of these views reads slower, until it is not. */
  readonly givesWay?: (views: string) => void;
  /** A wait begins that may be longer than a moment. */
  readonly waiting?: (wait: ReplayWait, generation: Generation) => void;
}

/** What a new generation is to be; an unfinished one that was begun otherwise is refused. */
export interface ReplayWishes {
  /** Events before it are left out of the rows. The position of an event, or 0/0 for the start; absent: the start, or as the unfinished replay has it. */
  readonly from?: Position;
  /** Events after it are left out, and it is frozen there: only of a view under a name of its own. The position of an event. */
  readonly until?: Position;
  /** Events a second that are read at most. */
  readonly rate?: number;
  /** Whether it is swapped in as soon as it may be, or waits for {@link Replay.swap}; absent: as it was begun, which is no. */
  readonly autoSwap?: boolean;
  /** Hours after which the generation before it is retired; absent: it is kept until somebody does, or the next swap. */
  readonly soakHours?: number;
}

export interface ReplayOptions extends ReplayWishes {
  /**
   * Unfinished generations by view: with these it goes on, and begins nothing, not even where somebody has aborted or swapped
   * one and begun another since. One that its code cannot go on with is still begun anew, as it was asked for. Throws
   * {@link NothingToDoError} as an outcome where it is gone.
   */
  readonly goesOnWith?: ReadonlyMap<string, string>;
  /** Ends the work at the next safe place with {@link ReplayInterruptedError}. */
  readonly signal?: AbortSignal;
  readonly observer?: ReplayObserver;
}

export interface ResumeOptions extends Omit<ReplayOptions, keyof ReplayWishes | "goesOnWith"> {
  /** Who asks. */
  readonly for?: "operator" | "schedule";
}

export interface ReplayReport {
  readonly view: string;
  /**
   * - `live`: readers see it.
   * - `ready`: verified and written by projectors, it waits to be swapped in.
   * - `verified`: it has its report, and projectors do not write it yet.
   * - `frozen`: a view as of a position, which readers see who ask for its name.
   */
  readonly outcome: "live" | "ready" | "verified" | "frozen";
  readonly generation: Generation;
  /** The one that was live; it goes on being written, and a rollback brings it back. Absent for a view's first. */
  readonly former?: Generation;
  /** Absent when an earlier run, which was cut off, had built and verified the generation. */
  readonly built?: BuildReport;
  /** Events of the view's streams between the verified position and a tail taken after the join. */
  readonly seamEvents: number;
}

/** What became of one of several. */
export type Started =
  | { readonly view: string; readonly report: ReplayReport }
  /** `generation` is the one that it came to nothing with, where there was one. */
  | { readonly view: string; readonly error: unknown; readonly generation?: string };

/** The view is live as reported; what soaked before could not be removed. The next replay, or the schedule, removes it. */
export class RetirementFailedError extends Error {
  readonly code = "RETIREMENT_FAILED";
  override readonly name = "RetirementFailedError";
  readonly report: ReplayReport;

  constructor(report: ReplayReport, cause: unknown) {
    const what = `${report.view} is live as reported, but what soaked before could not be removed`;
    super(`${what}: ${messageOf(cause)}; the next replay removes it`, { cause });
    this.report = report;
  }
}

export class Replay {
  /** As the catalog calls it: the view, or the view and the name of one as of a position. */
  readonly view: string;
  readonly #projectionName: string;
  readonly #context: ReplayContext;
  readonly #versions: readonly [Projection, ...Projection[]];
  readonly #settings: ReplaySettings;

  /**
   * `versions` are the deployed ones of the view's projection. `name` is that of a view as of a position, beside the live one.
   * Throws {@link ReplayNameError}.
   */
  constructor(context: ReplayContext, versions: readonly [Projection, ...Projection[]], name?: string) {
    if (name !== undefined && !namePattern.test(name)) {
      throw new ReplayNameError(`"${name}" is no name for a view as of a position: use 1 to 40 of a-z, 0-9 and "-"`);
    }
    this.#context = context;
    this.#versions = versions;
    this.#settings = settingsOf(context);
    this.#projectionName = versions[0].name;
    this.view = entryName(versions[0].name, name);
  }

  /**
   * Builds new generations of several views by shared passes over the log, or takes up replays that are unfinished, and goes
   * on with each until it is ready to be swapped in, or is swapped in where that is wished for. What goes wrong with one is
   * told as its outcome and does not hold back the others; those of the outcomes are in the order of `replays`.
   */
  static async startTogether(
    replays: readonly Replay[],
    options: ReplayOptions = {},
    upTo: "join" | "report" = "join",
  ): Promise<readonly Started[]> {
    const outcomes = new Map<Replay, Started>();
    const declared = new Map<Replay, Generation>();
    for (const replay of replays) {
      await replay.#attempt(outcomes, undefined, async () => {
        await replay.finishRetirements(options.observer);
        declared.set(replay, await replay.#declare(options));
      });
    }
    const built = await buildDeclared(declared, (replay, generation) => replay.#buildScope(generation), {
      signal: options.signal,
      observer: options.observer,
      upTo,
    });
    for (const [replay, generation] of declared) {
      await replay.#attempt(outcomes, generation, async () => {
        const outcome = built.get(replay);
        if (outcome !== undefined && "error" in outcome) throw outcome.error;
        const report = await replay.#finish(generation, outcome?.report, options, upTo);
        outcomes.set(replay, { view: replay.view, report });
      });
    }
    return replays.flatMap((replay) => outcomes.get(replay) ?? []);
  }

  /** What {@link Replay.start} would do; nothing is made. Throws the errors of the event store and of DynamoDB. */
  async preview(options: PreviewOptions = {}): Promise<Preview> {
    for (const position of [options.from, options.until]) {
      if (position !== undefined) await checkPosition(this.#context.eventStore, position);
    }
    const projection = withDecisions(
      newest(this.#versions),
      await this.#context.quarantine.decisions(this.#projectionName),
    );
    return previewReplay(this.#context, await this.#entry(), projection, options);
  }

  /** As {@link Replay.startTogether} for this view alone. Throws what it tells as an outcome. */
  async start(options: ReplayOptions = {}): Promise<ReplayReport> {
    return reportOrThrow(await Replay.startTogether([this], options));
  }

  /**
   * Rebuilds the view and makes the result live, or takes up the replay that is unfinished. Throws the errors of
   * `errors.ts`; {@link VerificationFailedError}; TransitionRefusedError; and when event store or DynamoDB are down, their
   * errors, after which another run goes on from the checkpoint.
   */
  async run(options: ReplayOptions = {}): Promise<ReplayReport> {
    return this.start({ ...options, autoSwap: true });
  }

  /**
   * Compares the generation that is not live yet with its events once more, and keeps what it found in its report: one that is
   * still being built as the replay does it, with the live rows as well; one that is written, while it is. Found to be wrong, it
   * can no longer become live. Throws {@link NothingToDoError} when there is none.
   */
  async verify(options: Omit<ReplayOptions, keyof ReplayWishes | "goesOnWith"> = {}): Promise<GenerationReport> {
    const generation = this.#notLiveYet(await this.#entry());
    this.#checkIsWritten(generation);
    if (generation.role === "building") {
      const goesOnWith = new Map([[this.view, generation.id]]);
      const [started] = await Replay.startTogether([this], { ...options, goesOnWith }, "report");
      if (started !== undefined && "error" in started) throw started.error;
    } else {
      options.observer?.step?.("verify", generation);
      const projection = await this.#decidedProjectionOf(generation);
      const throwIfInterrupted = (): void => this.#throwIfInterrupted(options.signal);
      const verified = { context: this.#context, projection, generation };
      const { wrong } = await verifyAgain(verified, { throwIfInterrupted, onEvents: options.observer?.progress });
      if (wrong !== undefined) await this.#transit(generation.id, "block", { blocked: wrong });
    }
    const report = await readReport(this.#context, this.#projectionName, generation.id);
    if (report !== undefined) return report;
    throw new ReplayLostError(`generation ${generation.id} of ${this.view} was aborted by somebody else`);
  }

  /** The report of the generation that is not live yet, or else of the live one; undefined when none was kept. */
  async report(): Promise<GenerationReport | undefined> {
    const entry = await this.#entry();
    const { id } = unfinishedOf(entry) ?? frozenGeneration(entry) ?? liveGeneration(entry) ?? {};
    return id === undefined ? undefined : readReport(this.#context, this.#projectionName, id);
  }

  /**
   * Makes the generation live that is ready. Throws {@link NothingToDoError}; TransitionRefusedError, which says what it lacks;
   * and {@link RetirementFailedError}, after which it is live.
   */
  async swap({ observer }: Pick<ReplayOptions, "observer"> = {}): Promise<ReplayReport> {
    const entry = await this.#entry();
    const unfinished = unfinishedOf(entry);
    if (unfinished === undefined) {
      throw new NothingToDoError(`no replay of ${this.view} is ready to be swapped in: start one`);
    }
    const report = await this.#swapped(unfinished, observer, { seamEvents: 0 });
    await this.#retireAfter(report, observer);
    return report;
  }

  /** Lets an unfinished replay stand still until it is resumed: whoever builds it stops at its next checkpoint, projectors pass it by. */
  async pause(): Promise<Generation> {
    const unfinished = unfinishedOf(await this.#entry());
    if (unfinished === undefined) throw new NothingToDoError(`no replay of ${this.view} is unfinished`);
    const paused = `by ${this.#context.by ?? "an operator"}`;
    await this.#transit(unfinished.id, "pause", { paused, pausedBy: "operator", behind: true });
    return this.#generationIn(await this.#entry(), unfinished.id);
  }

  /**
   * Goes on with an unfinished replay; undefined when there is none, or nothing is left to do for it but to be swapped in. What
   * an operator paused is only resumed for an operator; what stands still because its code was not deployed, whenever it is again.
   */
  async resume(options: ResumeOptions = {}): Promise<ReplayReport | undefined> {
    const started = await this.tryResume(options);
    return started === undefined ? undefined : reportOrThrow([started]);
  }

  /** As {@link Replay.resume}; what goes wrong with building is told as an outcome, which names the generation. */
  async tryResume({ for: whom = "schedule", ...options }: ResumeOptions = {}): Promise<Started | undefined> {
    await this.finishRetirements(options.observer);
    for (const generation of (await this.#entry()).generations) await this.#resumeWriting(generation, whom);
    const entry = await this.#entry();
    const soaking = entry.generations.find(({ role }) => role === "soaking");
    const isWritten =
      soaking !== undefined &&
      soaking.paused === undefined &&
      soaking.blocked === undefined &&
      isDeployed(soaking, this.#versions);
    if (soaking?.behind === true && isWritten) await this.#closeSeam(soaking.id, options);
    const unfinished = unfinishedOf(entry);
    if (unfinished === undefined || unfinished.paused !== undefined) return undefined;
    const { sealedTo, behind, blocked, autoSwap } = unfinished;
    // One that is blocked nobody brings up any more: whether it is begun anew is for its operator to say.
    const isComplete = sealedTo !== undefined && (behind !== true || blocked !== undefined);
    if (isComplete && autoSwap !== true) return undefined;
    const goesOnWith = new Map([[this.view, unfinished.id]]);
    const [started] = await Replay.startTogether([this], { ...options, goesOnWith });
    // It was aborted, or swapped, since it was read.
    return started !== undefined && "error" in started && started.error instanceof NothingToDoError
      ? undefined
      : started;
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
    await this.#checkTableIsThere(soaking, "rollback");
    // Without its code the rollback is refused, and before that nothing is written.
    if (isDeployed(soaking, this.#versions)) await this.#bringUp(soaking, liveGeneration(entry));
    return this.#makeLive(soaking.id, "rollback");
  }

  /**
   * Removes the generation that was live before the last swap, after which there is no way back; or, by its name, a view as of
   * a position. Throws {@link NothingToDoError}.
   */
  async retire(): Promise<Generation> {
    const entry = await this.#entry();
    const ended = frozenGeneration(entry) ?? this.#soakingOf(entry);
    await this.#transit(ended.id, "retire");
    await this.#remove(ended);
    return ended;
  }

  /** Removes the tables of generations that nobody writes any more, also those whose removal was cut off. */
  async finishRetirements(observer?: ReplayObserver): Promise<void> {
    for (const { id, role, soakUntil } of (await this.#entry()).generations) {
      const isOver = role === "soaking" && soakUntil !== undefined && soakUntil <= new Date().toISOString();
      if (isOver) await this.#transit(id, "retire");
    }
    for (const generation of (await this.#entry()).generations) {
      if (generation.role !== "retiring") continue;
      observer?.step?.("retire", generation);
      await this.#remove(generation, observer);
    }
  }

  /** What it throws is the outcome, and a generation that cannot succeed is put away. */
  async #attempt(
    outcomes: Map<Replay, Started>,
    generation: Generation | undefined,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      // What went wrong is what the caller has to know, also when this fails too.
      if (generation !== undefined && (await this.#isBeyondRepair(generation.id, error).catch(() => false))) {
        await this.#putAway(generation).catch(() => undefined);
      }
      outcomes.set(this, {
        view: this.view,
        error,
        ...(generation === undefined ? {} : { generation: generation.id }),
      });
    }
  }

  async #buildScope(generation: Generation): Promise<BuildScope> {
    const projection = await this.#decidedProjectionOf(generation);
    return { context: this.#context, versions: this.#versions, projection, entry: this.view, generation };
  }

  /** What is left to do for a generation that is built. */
  async #finish(
    declared: Generation,
    built: BuildReport | undefined,
    options: ReplayOptions,
    upTo: "join" | "report",
  ): Promise<ReplayReport> {
    const { signal, observer } = options;
    const facts = built === undefined ? {} : { built };
    const asItIs = async (outcome: ReplayReport["outcome"], seamEvents: number): Promise<ReplayReport> => {
      const generation = this.#generationIn(await this.#entry(), declared.id);
      return { view: this.view, outcome, generation, ...facts, seamEvents };
    };
    if (upTo === "report") return asItIs("verified", 0);
    if (declared.until !== undefined) return asItIs("frozen", 0);
    let seamEvents = 0;
    for (let tries = 1; ; tries += 1) {
      this.#throwIfInterrupted(signal);
      seamEvents += await this.#closeSeam(declared.id, options);
      if ((options.autoSwap ?? declared.autoSwap) !== true) return asItIs("ready", seamEvents);
      this.#throwIfInterrupted(signal);
      try {
        const report = await this.#swapped(declared, observer, { ...facts, seamEvents });
        await this.#retireAfter(report, observer);
        return report;
      } catch (error) {
        // A projector has passed it since its seam was closed.
        const isPassed = error instanceof TransitionRefusedError && (await this.#isBehind(declared.id));
        if (!isPassed || tries === maximumTries) throw error;
      }
    }
  }

  async #isBehind(id: string): Promise<boolean> {
    const { behind, paused } = this.#generationIn(await this.#entry(), id);
    return behind === true && paused === undefined;
  }

  /** Throws {@link RetirementFailedError}: that the view was swapped must not be lost in what went wrong after it. */
  async #retireAfter(report: ReplayReport, observer: ReplayObserver | undefined): Promise<void> {
    try {
      await this.finishRetirements(observer);
    } catch (error) {
      throw new RetirementFailedError(report, error);
    }
  }

  async #swapped(
    { id }: Generation,
    observer: ReplayObserver | undefined,
    facts: Pick<ReplayReport, "built" | "seamEvents">,
  ): Promise<ReplayReport> {
    const { generation, former } = await this.#swap(id, observer);
    const report: ReplayReport = {
      view: this.view,
      outcome: "live",
      generation,
      ...(former === undefined ? {} : { former }),
      ...facts,
    };
    observer?.swapped?.(report);
    return report;
  }

  /** Lets a paused generation be written again, if it may be. */
  async #resumeWriting(
    { id, paused, pausedBy, ...generation }: Generation,
    whom: "operator" | "schedule",
  ): Promise<void> {
    if (paused === undefined || generation.role === "retiring") return;
    if (whom === "schedule" && (pausedBy === "operator" || !isDeployed(generation, this.#versions))) return;
    await this.#transit(id, "resume");
  }

  /** Finds the unfinished generation or declares one, and makes its table. */
  async #declare({ observer, goesOnWith, ...asked }: ReplayOptions): Promise<Generation> {
    const { eventStore, tablePrefix } = this.#context;
    let goOnWith = goesOnWith?.get(this.view);
    let wishes: ReplayWishes = asked;
    for (;;) {
      const { from, until } = wishes;
      const entry = await this.#entry();
      const unfinished = unfinishedOf(entry);
      if (goOnWith !== undefined && unfinished?.id !== goOnWith) {
        throw new NothingToDoError(`generation ${goOnWith} of ${this.view} is not unfinished any more`);
      }
      if (unfinished !== undefined && this.#cannotGoOn(unfinished)) {
        // What takes its place is begun as it was.
        wishes = { ...wishesOf(unfinished), ...asked };
        try {
          await this.#putAway(unfinished);
          goOnWith = undefined;
        } catch (error) {
          // Somebody else has put it away: look again.
          if (!(error instanceof TransitionRefusedError)) throw error;
        }
        continue;
      }
      this.#checkMayGoOn(entry, unfinished);
      const isNew = unfinished === undefined;
      for (const position of isNew ? [from, until] : [])
        if (position !== undefined) await checkPosition(eventStore, position);
      const generation =
        unfinished ??
        newGeneration(tablePrefix, this.#replayed, wishes, await endOf(eventStore, this.#replayed, until));
      // What goes on by itself asks for nothing: its own version is there, also where a newer one is.
      if (goOnWith === undefined) checkIsAsAsked(this.#replayed, generation, wishes);
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

  /** An unfinished generation that can never become live: it is put away, and the replay begins again. */
  #cannotGoOn(generation: Generation): boolean {
    return generation.blocked !== undefined || !isDeployed(generation, this.#versions);
  }

  #checkMayGoOn(entry: CatalogEntry, unfinished: Generation | undefined): void {
    if (unfinished !== undefined) this.#checkIsNotPaused(unfinished);
    const frozen = frozenGeneration(entry);
    if (unfinished === undefined && frozen?.until !== undefined) {
      const end = formatPosition(frozen.until);
      throw new ReplayUnfinishedError(`${this.view} is there, as of ${end}: retire it, or take another name`);
    }
  }

  #checkIsNotPaused({ paused }: Generation): void {
    if (paused === undefined) return;
    throw new ReplayPausedError(`the replay of ${this.view} is paused (${paused}): resume it, or abort it`);
  }

  /** One that stands still, or was passed by, lacks events without being wrong. */
  #checkIsWritten(generation: Generation): void {
    this.#checkIsNotPaused(generation);
    if (generation.role !== "joined" || generation.behind !== true) return;
    throw new ReplayPausedError(`the replay of ${this.view} lacks what went past it: resume it`);
  }

  /** The tail is taken after the join: what a projector acknowledged that did not know the generation lies before it. */
  async #closeSeam(id: string, { signal, observer }: ReplayOptions): Promise<number> {
    for (let tries = 1; ; tries += 1) {
      const generation = this.#generationIn(await this.#entry(), id);
      const { role, verifiedTo, sealedTo, pauses, behind } = generation;
      const isWritten = role === "joined" || (role === "soaking" && behind === true);
      if (!isWritten || verifiedTo === undefined) return 0;
      observer?.step?.("close-seam", generation);
      const tail = await this.#context.eventStore.tail();
      let lookedAt = performance.now();
      const seam = await this.#seamOf(generation, async (read, at) => {
        this.#throwIfInterrupted(signal);
        observer?.progress?.(read, at, tail);
        if (performance.now() - lookedAt < lookEveryMs) return;
        lookedAt = performance.now();
        this.#checkIsNotPaused(this.#generationIn(await this.#entry(), id));
      });
      try {
        const events = await closeSeam(seam, sealedTo ?? verifiedTo, tail);
        await this.#transit(id, "sealed", { sealedTo: tail, ...(pauses === undefined ? {} : { pauses }) });
        return events;
      } catch (error) {
        // There is no lease any more: another worker may have gone on from here, or aborted it and taken its table.
        const now = this.#generationIn(await this.#entry(), id);
        if (role === "joined" && now.role === "live") return 0;
        if (!(error instanceof TransitionRefusedError)) throw error;
        this.#checkIsNotPaused(now);
        // It was paused and resumed, or passed, meanwhile, or somebody else has closed it further: looked at again.
        if (tries === maximumTries) throw error;
      }
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
    const seam = await this.#seamOf(soaking, () => undefined);
    try {
      await closeSeam(seam, live.verifiedTo, live.sealedTo);
    } catch (error) {
      // It was retired meanwhile, and its table with it.
      this.#generationIn(await this.#entry(), soaking.id, { cause: error });
      throw error;
    }
  }

  async #seamOf(generation: Generation, onEvents: SeamOptions["onEvents"]): Promise<SeamOptions> {
    const { dynamodb, eventStore, quarantine } = this.#context;
    const { eventsAtOnce } = this.#settings;
    const projection = await this.#decidedProjectionOf(generation);
    const target = viewTarget(this.#projectionName, generation.id);
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
    if (next !== undefined) await this.#checkTableIsThere(next, name);
    if (before !== undefined && next !== undefined) await this.#checkKeepsRows(before, next, name);
    const after = await this.#transit(id, name);
    const former = after.generations.find((generation) => generation.id === before?.id && generation.id !== id);
    return { generation: this.#generationIn(after, id), ...(former === undefined ? {} : { former }) };
  }

  /** Somebody may have removed it by hand: the catalog would not know. */
  async #checkTableIsThere({ id, table }: Generation, name: "swap" | "rollback"): Promise<void> {
    try {
      await getItems(this.#context.dynamodb, table, [rowItemKey({ partition: "nobody's", sort: "nobody's" })]);
    } catch (error) {
      if (!isNamed(error, "ResourceNotFoundException")) throw error;
      const what = `${name} of generation ${id} of ${this.view} is refused`;
      throw new TransitionRefusedError(`${what}: its table ${table} is not there`, { cause: error });
    }
  }

  /** A stream that waits in the generation, and went on in the live one, would go back before its readers' eyes. */
  async #checkKeepsRows(live: Generation, next: Generation, name: "swap" | "rollback"): Promise<void> {
    const { dynamodb, quarantine } = this.#context;
    const seen = async (generation: Generation, stream: string): Promise<bigint> => {
      const reader = { dynamodb, projection: this.#projectionOf(generation), generation };
      try {
        return (await readGuard(reader, stream))?.revision ?? -1n;
      } catch (error) {
        // Of a live table that is gone readers see nothing that could go back.
        if (generation !== live || !isNamed(error, "ResourceNotFoundException")) throw error;
        return -1n;
      }
    };
    for await (const { state, stream, revision } of quarantine.recordsOf(viewTarget(this.#projectionName, next.id))) {
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
    const waitMs = 2 * this.#settings.readerCacheMs;
    observer?.waiting?.({ for: "readers", until: Date.now() + waitMs }, generation);
    await sleep(waitMs);
    await removeGeneration(this.#context, this.#projectionName, generation);
    const entry = await this.#transit(generation.id, "drop");
    // Of the view itself the history is kept.
    if (entry.generations.length === 0 && this.view !== this.#projectionName) await this.#context.catalog.forget(entry);
  }

  /** Whether running it again would end the same way. */
  async #isBeyondRepair(id: string, error: unknown): Promise<boolean> {
    const unfinished = unfinishedOf(await this.#entry());
    if (unfinished?.id !== id) return false;
    if (error instanceof VerificationFailedError) return true;
    // Once its seam was closed projectors write it, and know better whose fault an event is.
    if (error instanceof ReplayEventError) return unfinished.sealedTo === undefined;
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

  #notLiveYet(entry: CatalogEntry): Generation {
    const generation = unfinishedOf(entry) ?? frozenGeneration(entry);
    if (generation !== undefined) return generation;
    const instead = `npx tidemark check ${this.#projectionName} compares the live rows with their events`;
    throw new NothingToDoError(`no replay of ${this.view} is unfinished, so there is nothing to verify: ${instead}`);
  }

  #projectionOf({ version }: Generation): Projection {
    return this.#versions.find((projection) => projection.version === version) ?? newest(this.#versions);
  }

  /**
   * What writes it and says what it has to hold: its own code alone, or VersionNotDeployedError. Read after the generation was
   * declared: from then on nothing is discarded until it is built.
   */
  async #decidedProjectionOf(generation: Generation): Promise<Projection> {
    const projection = deployedVersion({ projection: this.view }, generation, this.#versions);
    return withDecisions(projection, await this.#context.quarantine.decisions(this.#projectionName));
  }

  get #replayed(): ReplayedView {
    return { view: this.view, versions: this.#versions };
  }

  #entry(): Promise<CatalogEntry> {
    return this.#context.catalog.read(this.view);
  }

  #transit(id: string, name: TransitionName, record?: TransitionRecord): Promise<CatalogEntry> {
    const { catalog, by } = this.#context;
    return transit({ catalog, view: this.view, versions: this.#versions, by }, id, name, record);
  }
}

/** How soon a pause is heard while a seam is closed. */
const lookEveryMs = 1_000;

/** How often a seam is closed that live delivery goes past while it is. */
const maximumTries = 3;

/** Part of a table's name, and of a word on the command line. */
const namePattern = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

async function buildDeclared(
  declared: ReadonlyMap<Replay, Generation>,
  scopeOf: (replay: Replay, generation: Generation) => Promise<BuildScope>,
  options: BuildOptions,
): Promise<ReadonlyMap<Replay, Built>> {
  const toBuild = [...declared].filter(([, { role }]) => role === "building");
  const outcomes = new Map<Replay, Built>();
  // A pass has one end.
  const passes = Map.groupBy(toBuild, ([, { until }]) => (until === undefined ? "" : formatPosition(until)));
  for (const pass of passes.values()) {
    const [first, ...others] = await Promise.all(pass.map(([replay, generation]) => scopeOf(replay, generation)));
    if (first === undefined) continue;
    const built = await buildTogether([first, ...others], options);
    for (const [index, [replay]] of pass.entries()) {
      const outcome = built[index];
      if (outcome !== undefined) outcomes.set(replay, outcome);
    }
  }
  return outcomes;
}

function reportOrThrow([started]: readonly Started[]): ReplayReport {
  if (started === undefined) throw new Error("a replay that was started has an outcome");
  if ("error" in started) throw started.error;
  return started.report;
}

function unfinishedOf({ generations }: CatalogEntry): Generation | undefined {
  return generations.find(({ role }) => role === "building" || role === "joined");
}
