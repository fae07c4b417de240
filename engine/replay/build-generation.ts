/**
 * From empty tables to generations that projectors may join: back-fill, verification while nothing writes, the same again for
 * what came in meanwhile until little is left, comparison with the live view, join. Each under a lease of its own; the log is
 * read once for all of them, and what fails for one ends that one only.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Position } from "../event-store/position.ts";
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import { type Generation, liveGeneration } from "../views/catalog.ts";
import { isNamed } from "../views/dynamodb.ts";
import type { ItemKey } from "../views/item.ts";
import type { Projection } from "../views/projection.ts";
import { BackFill, backFillTogether } from "./back-fill.ts";
import { ReplayBusyError, ReplayInterruptedError, ReplayLostError, ReplayPausedError } from "./errors.ts";
import { Lease, type LeaseScope } from "./lease.ts";
import { compareWithLive, type LiveComparison } from "./live-comparison.ts";
import { LiveDelivery, type WatchedView } from "./live-delivery.ts";
import { Pace, type PaceOptions } from "./pace.ts";
import type { ReplayObserver, ReplayWait } from "./replay.ts";
import { type ReplayContext, type ReplaySettings, settingsOf, shareOf } from "./replay-context.ts";
import { forgetReport, keepReport } from "./report-store.ts";
import { transit, TransitionRefusedError, type TransitionScope } from "./transitions.ts";
import { Verification, VerificationFailedError, type VerificationReport } from "./verification.ts";

export interface BuildReport {
  /** Events read since this run began: a run that goes on from a checkpoint reads only those after it. */
  readonly events: number;
  /** Events of the log, of all streams, up to where it was verified. */
  readonly logEvents: number;
  /** Puts of rows and guards. */
  readonly written: number;
  readonly verifiedTo: Position;
  readonly verification: VerificationReport;
  /** Absent when there is no live generation to compare with, and of a view as of a position. */
  readonly comparison?: LiveComparison;
  /** The live generation that it was compared with. */
  readonly comparedWith?: Generation;
  /** Seconds that each step took, in all its rounds. */
  readonly seconds: { readonly backFill: number; readonly verify: number; readonly compare: number };
}

export interface BuildScope {
  readonly context: ReplayContext;
  readonly versions: readonly [Projection, ...Projection[]];
  readonly projection: Projection;
  /** What the catalog calls the view. */
  readonly entry: string;
  readonly generation: Generation;
}

export interface BuildOptions {
  readonly signal?: AbortSignal | undefined;
  readonly observer?: ReplayObserver | undefined;
  /** Where it ends: with the generation joined (or frozen, where it has an end), or before that, with its report. */
  readonly upTo: "join" | "report";
}

export type Built = { readonly report: BuildReport } | { readonly error: unknown };

/** Under steady load every round leaves less to do than the one before; what is left at last the seam takes. */
const maximumRounds = 12;

/**
 * Builds generations of one context by shared passes over the log. The outcomes are in the order of `scopes`; errors among
 * them are {@link ReplayBusyError}, {@link ReplayLostError}, {@link ReplayInterruptedError} and those of the steps.
 */
export async function buildTogether(
  scopes: readonly [BuildScope, ...BuildScope[]],
  options: BuildOptions,
): Promise<readonly Built[]> {
  const builds = scopes.map((scope) => new Build(scope, options, scopes.length));
  const all = new Builds(builds);
  try {
    await all.each((build) => build.takeOver());
    await buildAll(all, scopes[0].context, options);
  } catch (error) {
    // The log cannot be read, or the work is to stop: that ends all that are still at work.
    for (const build of builds) build.fail(error);
  } finally {
    await Promise.all(builds.map((build) => build.end()));
  }
  return builds.map((build) => build.outcome());
}

async function buildAll(all: Builds, context: ReplayContext, options: BuildOptions): Promise<void> {
  const { observer } = options;
  const { giveWayAfterMs: lookEveryMs, giveWayForMs: longestMs, restPerWork } = all.settings;
  const onBehind = (): void => observer?.givesWay?.(all.names);
  const live = new LiveDelivery(context, { views: all.views, lookEveryMs, longestMs, onBehind });
  try {
    await buildInRounds(all, context, { rate: all.rate, givesWay: live.isBehind, restPerWork }, options);
  } finally {
    await live.settle();
  }
}

async function buildInRounds(
  all: Builds,
  { eventStore }: ReplayContext,
  paced: PaceOptions,
  options: BuildOptions,
): Promise<void> {
  const { signal, observer } = options;
  const { names } = all;
  for (let round = 1; ; round += 1) {
    if (!all.some()) return;
    const target = all.until ?? (await eventStore.tail());
    let read = 0;
    const onRound =
      (pace: Pace) =>
      async (events: number, at: Position): Promise<void> => {
        throwIfInterrupted(signal, names);
        read += events;
        observer?.progress?.(read, at, target);
        await pace.read(events, signal);
        throwIfInterrupted(signal, names);
      };
    const filled = await all.backFill(target, onRound(new Pace(paced)), paced.givesWay);
    await all.each((build) => build.untilNoWriteIsOnItsWay());
    read = 0;
    // It gives way to nobody: cut off it would begin anew, and it is to come to its end.
    await all.verify(target, onRound(new Pace({ ...paced, givesWay: () => false })));
    const isLast =
      all.until !== undefined || round === maximumRounds || (round > 1 && filled <= all.settings.eventsLeftAtJoin);
    if (!isLast) continue;
    await all.each((build) => build.compare());
    await all.each((build) => build.report(target));
    if (options.upTo === "join") await all.each((build) => build.join());
    return;
  }
}

/** Those that are still being built, in step. */
class Builds {
  readonly #builds: readonly Build[];

  constructor(builds: readonly Build[]) {
    this.#builds = builds;
  }

  get names(): string {
    return this.#builds.map(({ scope: { entry } }) => entry).join(", ");
  }

  /** Whether any is left; one that failed takes no further step. */
  some(): boolean {
    return this.#left().length > 0;
  }

  /** The slowest that any of them asks for, in events a second. */
  get rate(): number | undefined {
    const rates = this.#builds.flatMap(({ generation: { rate } }) => rate ?? []);
    return rates.length === 0 ? undefined : Math.min(...rates);
  }

  /** Each once, with the deployed versions of its projection: what is as of a position stands beside a view that is delivered. */
  get views(): readonly WatchedView[] {
    const versions = new Map(this.#builds.map(({ scope }) => [scope.projection.name, scope.versions]));
    return [...versions].map(([name, deployed]) => ({ name, versions: deployed }));
  }

  /** Where views as of a position end; those that are built together have one end. */
  get until(): Position | undefined {
    return this.#builds[0]?.generation.until;
  }

  get settings(): ReplaySettings {
    const [first] = this.#builds;
    if (first === undefined) throw new Error("there is nothing to build");
    return first.settings;
  }

  async each(work: (build: Build) => Promise<void>): Promise<void> {
    await Promise.all(this.#left().map((build) => build.attempt(() => work(build))));
  }

  /** Returns how many events were read. */
  async backFill(
    target: Position,
    onRound: (events: number, at: Position) => Promise<void>,
    givesWay: PaceOptions["givesWay"],
  ): Promise<number> {
    const parts = new Map(this.#left().map((build) => [build.beginBackFill(givesWay), build]));
    const [first, ...others] = parts.keys();
    const [build] = parts.values();
    if (first === undefined || build === undefined) return 0;
    const { eventStore } = build.scope.context;
    const eventsAtOnce = Math.min(build.settings.eventsAtOnce, this.rate ?? build.settings.eventsAtOnce);
    const pass = { eventStore, settings: { ...build.settings, eventsAtOnce }, onRound };
    const startedAt = performance.now();
    try {
      const { events, failed } = await backFillTogether([first, ...others], target, pass);
      for (const { part, error } of failed) parts.get(part)?.fail(error);
      for (const one of parts.values()) one.events += events;
      return events;
    } finally {
      const seconds = (performance.now() - startedAt) / 1_000;
      for (const [part, one] of parts) one.endBackFill(part, seconds);
    }
  }

  /** By a read of its own, of all that there is, and each by its own fold: what the back-fill got wrong must not be wrong here. */
  async verify(target: Position, onRound: (events: number, at: Position) => Promise<void>): Promise<void> {
    const [first] = this.#left();
    if (first === undefined) return;
    const startedAt = performance.now();
    for (const build of this.#left()) {
      build.tell("verify");
      build.verification.beginFold();
    }
    const { eventStore } = first.scope.context;
    const size = Math.min(eventsVerifiedAtOnce, this.rate ?? eventsVerifiedAtOnce);
    for await (const round of roundsOfAll(eventStore, first.verification.at, target, size)) {
      await this.each(async (build) => {
        build.mayGoOn();
        build.verification.fold(round);
        build.logEvents += round.length;
        return Promise.resolve();
      });
      if (!this.some()) return;
      await onRound(round.length, round.at(-1)?.position ?? target);
    }
    await this.each(async (build) => {
      await build.compareWithTable(build.verification.finishAt(target));
      build.seconds.verify += (performance.now() - startedAt) / 1_000;
    });
  }

  #left(): readonly Build[] {
    return this.#builds.filter((build) => !build.failed);
  }
}

const eventsVerifiedAtOnce = 1_000;

/** One generation on its way. */
class Build {
  readonly scope: BuildScope;
  readonly settings: ReplaySettings;
  readonly verification: Verification;
  readonly seconds = { backFill: 0, verify: 0, compare: 0 };
  events = 0;
  logEvents = 0;
  readonly #options: BuildOptions;
  #lease: Lease | undefined;
  #written = 0;
  #verified: VerificationReport | undefined;
  #comparison: { readonly comparison: LiveComparison; readonly comparedWith: Generation } | undefined;
  #report: BuildReport | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `together` are so many in one pass, which share what memory there is. */
  constructor(scope: BuildScope, options: BuildOptions, together: number) {
    this.scope = scope;
    this.settings = shareOf(settingsOf(scope.context), together);
    this.#options = options;
    this.verification = new Verification(scope.context.eventStore, scope.projection, scope.generation, together);
  }

  get generation(): Generation {
    return this.scope.generation;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  async attempt(work: () => Promise<void>): Promise<void> {
    if (this.failed) return;
    try {
      await work();
    } catch (error) {
      this.fail(error);
    }
  }

  /** From here on it takes no step. What failed first is what is told. */
  fail(error: unknown): void {
    this.#failure ??= { error: this.#explained(error) };
  }

  async takeOver(): Promise<void> {
    this.#lease = await takeOver(this.scope, this.#options);
  }

  /** Throws when the work is to stop. */
  mayGoOn = (): void => {
    this.#held().assertHeld();
    if (this.#held().isToPause) throw new ReplayPausedError(`the replay of ${this.scope.entry} is paused`);
    throwIfInterrupted(this.#options.signal, this.scope.entry);
  };

  tell(step: "back-fill" | "verify" | "compare" | "join" | "freeze"): void {
    this.#options.observer?.step?.(step, this.generation);
  }

  beginBackFill(givesWay: PaceOptions["givesWay"]): BackFill {
    this.tell("back-fill");
    const { context, projection, generation } = this.scope;
    const { dynamodb } = context;
    const { settings } = this;
    return new BackFill({ dynamodb, projection, generation, lease: this.#held(), settings, givesWay });
  }

  endBackFill(part: BackFill, seconds: number): void {
    this.#written += part.written;
    this.seconds.backFill += seconds;
  }

  /** A request that was given up may land late: on rows that are being compared it would be a false alarm, or worse, none. */
  async untilNoWriteIsOnItsWay(): Promise<void> {
    const lease = this.#held();
    if (Date.now() < lease.quietAt) this.#onWaiting({ for: "late-writes", until: lease.quietAt });
    while (Date.now() < lease.quietAt) {
      this.mayGoOn();
      await sleep(Math.min(pollMs, lease.quietAt - Date.now()));
    }
  }

  /** The whole table the first time, and then what moved since. */
  async compareWithTable(moved: Iterable<readonly ItemKey[]>): Promise<void> {
    const { dynamodb } = this.scope.context;
    const { table } = this.generation;
    if (this.#verified === undefined) {
      this.#verified = await this.verification.compareAll(dynamodb, table, this.mayGoOn);
    } else await this.verification.compareMoved(dynamodb, table, moved, this.mayGoOn);
  }

  async compare(): Promise<void> {
    const { context, projection, entry, generation } = this.scope;
    const live = liveGeneration(await context.catalog.read(entry));
    if (live === undefined) return;
    this.tell("compare");
    const startedAt = performance.now();
    const { dynamodb, eventStore } = context;
    const { waitForGuardsMs } = this.settings;
    const { mayGoOn } = this;
    const onWaiting = this.#onWaiting;
    const comparison = await compareWithLive(
      { dynamodb, eventStore, projection, shadow: generation, live, waitForGuardsMs, mayGoOn, onWaiting },
      this.verification,
    );
    // Rolled back and retired meanwhile: there is another to compare with.
    if (comparison.missingTable !== undefined && !(await this.#isLive(live))) return this.compare();
    this.#comparison = { comparison, comparedWith: live };
    this.seconds.compare = (performance.now() - startedAt) / 1_000;
  }

  async #isLive({ id }: Generation): Promise<boolean> {
    const { context, entry } = this.scope;
    return liveGeneration(await context.catalog.read(entry))?.id === id;
  }

  /** Keeps the report and then says in the catalog that it is there. */
  async report(verifiedTo: Position): Promise<void> {
    if (this.#verified === undefined) throw new Error("nothing was compared: the report would say so");
    const { events, logEvents, seconds } = this;
    const verification = this.#verified;
    this.#report = {
      events,
      logEvents,
      written: this.#written,
      verifiedTo,
      verification,
      ...this.#comparison,
      seconds,
    };
    this.mayGoOn();
    const reportedAt = await keepReport(this.scope, this.#report);
    const { owner } = this.#held();
    try {
      await transit(this.#catalog(), this.generation.id, "verified", { worker: owner, verifiedTo, reportedAt });
    } catch (error) {
      // An abort was quicker, and has removed what there was: nobody else removes what was kept since.
      if (!(await isThere(this.scope)))
        await forgetReport(this.scope.context, this.scope.projection.name, this.generation.id);
      throw await refusedBecause(this.scope, error);
    }
  }

  async join(): Promise<void> {
    const transition = this.generation.until === undefined ? "join" : "freeze";
    this.tell(transition);
    this.mayGoOn();
    try {
      await transit(this.#catalog(), this.generation.id, transition, { worker: this.#held().owner });
    } catch (error) {
      throw await refusedBecause(this.scope, error);
    }
  }

  async end(): Promise<void> {
    this.verification.close();
    // If DynamoDB does not take it now, the lease runs out by itself.
    await this.#lease?.release().catch(() => undefined);
  }

  outcome(): Built {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#report === undefined) throw new Error("a build that did not fail has a report");
    return { report: this.#report };
  }

  #held(): Lease {
    if (this.#lease === undefined) throw new Error("a step was taken before the lease was");
    return this.#lease;
  }

  #catalog(): TransitionScope {
    return catalogOf(this.scope);
  }

  #onWaiting = (wait: ReplayWait): void => this.#options.observer?.waiting?.(wait, this.generation);

  #explained(error: unknown): unknown {
    // What looks wrong to a worker that was frozen past its lease may be what the next one has written since.
    if (error instanceof VerificationFailedError) {
      try {
        this.#lease?.assertHeld();
      } catch (lost) {
        return lost;
      }
    }
    const { table } = this.generation;
    if (isNamed(error, "ResourceNotFoundException")) {
      return new ReplayLostError(`table ${table} is gone: the replay was aborted`, { cause: error });
    }
    return error;
  }
}

function catalogOf({ context, versions, entry }: BuildScope): TransitionScope {
  return { catalog: context.catalog, view: entry, versions, by: context.by };
}

/** Takes the lease, waiting for that of a worker that is gone to run out, and puts our name into the catalog. */
async function takeOver(scope: BuildScope, options: BuildOptions): Promise<Lease> {
  const lease = await leaseOrWait(scope, options);
  try {
    await transit(catalogOf(scope), scope.generation.id, "claim", { worker: lease.owner });
    return lease;
  } catch (error) {
    await giveUp(scope, lease).catch(() => undefined);
    throw await refusedBecause(scope, error);
  }
}

/** Taking the lease of a generation that was removed meanwhile has made the item of its progress anew. */
async function giveUp(scope: BuildScope, lease: Lease): Promise<void> {
  await ((await isThere(scope)) ? lease.release() : lease.discard());
}

async function isThere({ context, entry, generation: { id } }: BuildScope): Promise<boolean> {
  const { generations } = await context.catalog.read(entry);
  return generations.some((generation) => generation.id === id && generation.role !== "retiring");
}

/** Whoever builds a generation alone is refused no transition, unless an operator has paused it since it was last looked at. */
async function refusedBecause({ context, entry, generation: { id } }: BuildScope, error: unknown): Promise<unknown> {
  if (!(error instanceof TransitionRefusedError)) return error;
  const { generations } = await context.catalog.read(entry);
  const building = generations.find((generation) => generation.id === id && generation.role === "building");
  if (building?.paused !== undefined) {
    return new ReplayPausedError(`the replay of ${entry} is paused (${building.paused})`, { cause: error });
  }
  return new ReplayLostError(`generation ${id} was joined, aborted or taken over by another worker`, { cause: error });
}

async function leaseOrWait(scope: BuildScope, { signal, observer }: BuildOptions): Promise<Lease> {
  const { context, projection, entry, generation } = scope;
  const { dynamodb, catalogTable, catalog } = context;
  const leaseScope: LeaseScope = {
    dynamodb,
    catalogTable,
    projection: projection.name,
    generation: generation.id,
    settings: settingsOf(context),
    isWanted: async () => {
      const { generations } = await catalog.read(entry);
      const building = generations.find(({ id, role }) => id === generation.id && role === "building");
      return building?.paused === undefined ? building !== undefined : "paused";
    },
  };
  let first: number | undefined;
  for (;;) {
    const lease = await Lease.acquire(leaseScope);
    if (lease instanceof Lease) return lease;
    if (first === undefined) {
      first = lease.heldUntil;
      observer?.waiting?.({ for: "lease", until: first }, generation);
    }
    if (lease.heldUntil > first) {
      throw new ReplayBusyError(`another worker is rebuilding ${projection.name}: wait for it, or abort the replay`);
    }
    throwIfInterrupted(signal, entry);
    await sleep(Math.min(pollMs, Math.max(10, lease.heldUntil - Date.now())));
  }
}

const pollMs = 500;

function throwIfInterrupted(signal: AbortSignal | undefined, of: string): void {
  if (signal?.aborted === true) throw new ReplayInterruptedError(`the replay of ${of} was interrupted`);
}
