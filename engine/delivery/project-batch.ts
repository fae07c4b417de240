/**
 * What a projector function does with a batch: brings the batch's streams up to date in every generation of the view that is
 * written now, and reports as failed those events whose effect is not in all of them.
 *
 * The catalog is read before the batch and again after it. Had it changed in between, an acknowledgement would rest on an
 * old picture: a generation that joined meanwhile would never get these events. Then the batch is applied once more.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors/message-of.ts";
import { EventStoreUnavailableError } from "../event-store/errors.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import { type AttemptOutcome, failedInView, type GiveUpContext } from "../quarantine/give-up.ts";
import { errorText, type FailedAttempt, viewTarget } from "../quarantine/quarantine-record.ts";
import { transit, TransitionRefusedError, type TransitionScope } from "../replay/transitions.ts";
import {
  type Catalog,
  CatalogConflictError,
  type CatalogEntry,
  type Generation,
  writtenGenerations,
} from "../views/catalog.ts";
import { deployedVersion, VersionNotDeployedError, whyNotDeployed } from "../views/deployed-version.ts";
import { isDeployed } from "../views/pinned-projection.ts";
import { isNamed, isTransient, ViewsUnavailableError } from "../views/dynamodb.ts";
import {
  type ApplyReport,
  applyEvents,
  type GuardOutcome,
  isInfrastructureFailure,
  judgeEvents,
  type LiveWriter,
  readGuard,
  type StreamFailure,
} from "../views/live-writer.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { delayAfter } from "./backoff.ts";
import { type BatchResponse, itemIdentifier } from "./event-record.ts";

export interface ProjectorContext extends GiveUpContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly catalog: Catalog;
  /** False leaves what fails to delivery to count: readers who wait may ask for the same event many times a second. */
  readonly countsFailures?: boolean;
}

/** No generation of the view is there to write: the deployment is not complete. */
export class ViewNotPreparedError extends Error {
  readonly code = "VIEW_NOT_PREPARED";
  override readonly name = "ViewNotPreparedError";
}

/** A catalog that changes more often than this within one batch is being worked on: the batch comes again. */
const maximumRounds = 5;
/** Tries of a generation that is not live, before it is given up for the sake of the one that is. */
const triesBesideLive = 3;
const countedAtOnce = 16;

/** What is ordinary is told only to those who ask. */
const levels: Readonly<Record<GuardOutcome["outcome"], "debug" | "info" | "warn">> = {
  applied: "debug",
  duplicate: "debug",
  "gap-filled": "info",
  waiting: "warn",
};
const messages: Readonly<Record<GuardOutcome["outcome"], string>> = {
  applied: "events applied",
  duplicate: "events were applied before",
  "gap-filled": "events were missing before these: applied with them",
  waiting: "events wait behind one that is quarantined",
};

const besideLive = { baseMs: 100, maximumMs: 1_000 };

/** Applies `events` to the view; `versions` are the deployed ones of its projection. Throws when no event was applied. */
export async function projectBatch(
  context: ProjectorContext,
  versions: readonly [Projection, ...Projection[]],
  events: readonly StoredEvent[],
): Promise<BatchResponse> {
  const view = versions[0].name;
  let entry = await context.catalog.read(view);
  for (let rounds = 0; rounds < maximumRounds; rounds += 1) {
    const { failures } = await projectOnce(context, versions, entry, events);
    const now = await context.catalog.read(view);
    if (isSamePicture(entry, now)) return { batchItemFailures: failedItems(events, failures) };
    context.log.info({ view, outcome: "fenced", expected: entry.epoch, actual: now.epoch }, "the catalog moved on");
    entry = now;
  }
  return { batchItemFailures: events.map((event) => ({ itemIdentifier: itemIdentifier(event) })) };
}

export interface ProjectedOnce {
  /** In any of the generations. */
  readonly failures: readonly StreamFailure[];
  /** What became of the events in the live generation; undefined when there is none. */
  readonly live: ApplyReport | undefined;
}

/** Applies `events` to the generations that one reading of the catalog tells of: too little to acknowledge them. */
export async function projectOnce(
  context: ProjectorContext,
  versions: readonly Projection[],
  entry: CatalogEntry,
  events: readonly StoredEvent[],
): Promise<ProjectedOnce> {
  try {
    return await new Round(context, versions, entry).apply(events);
  } catch (error) {
    if (!(error instanceof TransitionRefusedError || error instanceof CatalogConflictError)) throw error;
    // Swapped or retired since the catalog was read, or changed by too many at once: what was applied is found applied when the events come again.
    const fenced = new ViewsUnavailableError("the catalog moved on: try again", { cause: error });
    const failures = events.map(({ stream, revision }) => ({ stream, revision, error: fenced }));
    return { failures, live: undefined };
  }
}

/** Whether both name the same generations to write; a replay also notes other things in the catalog. */
function isSamePicture(before: CatalogEntry, after: CatalogEntry): boolean {
  const ids = (entry: CatalogEntry): string =>
    writtenGenerations(entry)
      .map(({ id }) => id)
      .join(" ");
  return before.epoch === after.epoch || ids(before) === ids(after);
}

interface Beside {
  readonly generation: Generation;
  readonly failures: readonly StreamFailure[];
}

/** What was decided before the live generation is written. */
interface BeforeLive {
  /** What is left of the other generations: some were blocked. */
  readonly beside: readonly Beside[];
  /** Streams that must not be written there either: they come again, for all generations. */
  readonly heldBack: ReadonlySet<string>;
  /** Generations that lack events which the live one may be about to take, by id. */
  readonly passed: ReadonlyMap<string, Passed>;
}

interface Passed extends Pick<Generation, "id" | "pauses"> {
  /** Whether it was so before: then it is not for this round to say that it has kept up. */
  readonly wasBehind: boolean;
}

/** Whether the live generation can be asked, without a write, if it fails there too. */
const isFoundByFolding = ({ error, refusedByTable }: StreamFailure): boolean =>
  refusedByTable !== true && !isInfrastructureFailure(error);

/** What was missing could not be read, and may be in a moment. */
const isStoreAway = (error: unknown): boolean => error instanceof EventStoreUnavailableError;

/** One application of a batch to the generations that one reading of the catalog tells of. */
class Round {
  readonly #context: ProjectorContext;
  readonly #versions: readonly Projection[];
  readonly #entry: CatalogEntry;

  constructor(context: ProjectorContext, versions: readonly Projection[], entry: CatalogEntry) {
    this.#context = context;
    this.#versions = versions;
    this.#entry = entry;
  }

  /**
   * The live generation last, and never past another one that may still become live: readers would see the row go back. What
   * failed beside it is judged by what becomes of the same events there.
   */
  async apply(events: readonly StoredEvent[]): Promise<ProjectedOnce> {
    const { projection: view } = this.#entry;
    const generations = writtenGenerations(this.#entry);
    if (generations.length === 0) {
      throw new ViewNotPreparedError(`view ${view} has no generation to write: invoke the function prepare`);
    }
    const live = generations.find(({ role }) => role === "live");
    const beside: Beside[] = [];
    for (const generation of generations) {
      if (generation === live) continue;
      if (!isDeployed(generation, this.#versions)) await this.#pause(generation);
      else beside.push({ generation, failures: await this.#applyBeside(generation, events) });
    }
    const nothing: BeforeLive = { beside, heldBack: new Set(), passed: new Map() };
    const before = live === undefined ? nothing : await this.#beforeLive(live, beside, events);
    const written = events.filter(({ stream }) => !before.heldBack.has(stream));
    const inLive = live === undefined ? undefined : await this.#applyTo(live, written);
    const failures: StreamFailure[] = [];
    for (const { generation, failures: found } of before.beside) {
      const judged = found.filter(({ stream }) => !before.heldBack.has(stream));
      const verdict = verdictOn(judged, inLive);
      if (verdict.verdict === "block") {
        await this.#block(generation, verdict.error);
        continue;
      }
      const passed = before.passed.get(generation.id);
      if (passed !== undefined && !judged.some((failure) => isPast(failure, inLive))) await this.#keptUp(passed);
      failures.push(...(await this.#stillFailing(generation, found, events)));
    }
    if (live !== undefined) failures.push(...(await this.#stillFailing(live, inLive?.failures ?? [], events)));
    return { failures, live: inLive };
  }

  /** What has to be done about failures beside the live generation before that one is written. */
  async #beforeLive(live: Generation, beside: readonly Beside[], events: readonly StoredEvent[]): Promise<BeforeLive> {
    const found = beside.flatMap(({ failures }) => failures);
    const heldBack = new Set(found.filter(({ error }) => isStoreAway(error)).map(({ stream }) => stream));
    const folded = new Set(found.filter(isFoundByFolding).map(({ stream }) => stream));
    const judged = folded.size === 0 ? undefined : await this.#judgeIn(live, folded, events);
    for (const { stream, error } of judged?.failures ?? []) if (isInfrastructureFailure(error)) heldBack.add(stream);
    const left: Beside[] = [];
    const passed = new Map<string, Passed>();
    for (const each of beside) {
      const { generation, failures } = each;
      const verdict = verdictOn(failures.filter(isFoundByFolding), judged);
      if (verdict.verdict === "block") {
        await this.#block(generation, verdict.error);
        continue;
      }
      left.push(each);
      if (failures.some((failure) => !heldBack.has(failure.stream) && !isFoundByFolding(failure))) {
        passed.set(generation.id, await this.#passed(generation));
      }
    }
    return { beside: left, heldBack, passed };
  }

  #judgeIn(live: Generation, streams: ReadonlySet<string>, events: readonly StoredEvent[]): Promise<ApplyReport> {
    const ofStreams = events.filter(({ stream }) => streams.has(stream));
    return judgeEvents(this.#writerOf(live), ofStreams);
  }

  /** Those of the failures that are to be tried again; of the others the streams wait, which is as good as applied. */
  async #stillFailing(
    generation: Generation,
    failures: readonly StreamFailure[],
    events: readonly StoredEvent[],
  ): Promise<StreamFailure[]> {
    const still: StreamFailure[] = [];
    const queue = failures.values();
    const work = async (): Promise<void> => {
      for (const failure of queue) {
        if ((await this.#outcomeOf(generation, failure, events)) === "failed") still.push(failure);
      }
    };
    await Promise.all(Array.from({ length: Math.min(countedAtOnce, failures.length) }, work));
    return still;
  }

  /** What is no fault of the event is not counted: its turn comes when the store, the table or the deployment is there. */
  async #outcomeOf(
    generation: Generation,
    { stream, revision, error }: StreamFailure,
    events: readonly StoredEvent[],
  ): Promise<AttemptOutcome> {
    if (this.#context.countsFailures === false) return "failed";
    const last = lastOf(events, stream);
    if (last === undefined || isInfrastructureFailure(error) || error instanceof VersionNotDeployedError) {
      return "failed";
    }
    const projection = deployedVersion(this.#entry, generation, this.#versions);
    // One that was missing is not at hand; then its position is at most that of the last.
    const { position } = events.find((event) => event.stream === stream && event.revision === revision) ?? last;
    const attempt = { stream, revision, position, error: errorText(error) };
    try {
      return await failedInView(this.#context, projection, generation, attempt, last.revision);
    } catch (err) {
      this.#context.log.warn({ view: projection.name, stream, err }, "failed attempt not counted");
      return "failed";
    }
  }

  async #applyTo(generation: Generation, events: readonly StoredEvent[]): Promise<ApplyReport> {
    const writer = this.#writerOf(generation);
    const onOutcome = (outcome: GuardOutcome): void => this.#logOutcome(generation, outcome);
    const report = await applyEvents({ ...writer, onOutcome }, events);
    for (const { stream, revision, error } of report.failures) {
      const view = this.#entry.projection;
      const facts = { view, generation: generation.id, stream, revision: revision.toString() };
      this.#context.log.error({ ...facts, err: error }, "event not applied");
    }
    return report;
  }

  #writerOf(generation: Generation): LiveWriter {
    const { dynamodb, eventStore, quarantine } = this.#context;
    const projection = deployedVersion(this.#entry, generation, this.#versions);
    const target = viewTarget(projection.name, generation.id);
    const waitBehind = (stream: string, revision: bigint) => quarantine.waitBehind(target, stream, revision);
    return { dynamodb, eventStore, projection, generation, waitBehind };
  }

  /** Where its table alone is throttled, a few tries may be enough. */
  async #applyBeside(generation: Generation, events: readonly StoredEvent[]): Promise<readonly StreamFailure[]> {
    for (let tries = 1; ; tries += 1) {
      const { failures } = await this.#applyTo(generation, events);
      const [first] = failures;
      if (first === undefined) return [];
      // Its table is gone because it was retired; the catalog says so when it is read again.
      if (isNamed(first.error, "ResourceNotFoundException") && !(await this.#isWritten(generation))) return [];
      if (tries === triesBesideLive || !failures.every(({ error }) => isTransient(error))) return failures;
      await sleep(delayAfter(tries, besideLive));
    }
  }

  #logOutcome({ id }: Generation, { outcome, stream, expected, actual }: GuardOutcome): void {
    const { log } = this.#context;
    const level = levels[outcome];
    if (!log.isLevelEnabled(level)) return;
    const facts = { view: this.#entry.projection, generation: id, stream, outcome };
    log[level]({ ...facts, expected: expected.toString(), actual: actual.toString() }, messages[outcome]);
  }

  /** Other code must not write it, and nobody sees it: it stands still until its own is deployed again, and then catches up. */
  async #pause(generation: Generation): Promise<void> {
    const { log } = this.#context;
    const { projection: view } = this.#entry;
    const paused = `its code is not deployed: it is made by ${whyNotDeployed(generation, this.#versions)}`;
    log.error({ view, generation: generation.id }, `generation paused: ${paused}`);
    await transit(this.#transitions, generation.id, "pause", { paused, pausedBy: "code", behind: true });
  }

  /** What is written to the live generation alone must not be missing after a swap: what was passed is closed again before one. */
  async #passed({ id, ...known }: Generation): Promise<Passed> {
    const { generations } = await transit(this.#transitions, id, "passed", { behind: true });
    const { pauses } = generations.find((generation) => generation.id === id) ?? {};
    // Counted by more than this one: somebody else has passed it since the catalog was read.
    const wasBehind = known.behind === true || pauses !== (known.pauses ?? 0) + 1;
    return { id, ...(pauses === undefined ? {} : { pauses }), wasBehind };
  }

  /** The live one could not be written either. */
  async #keptUp({ id, pauses, wasBehind }: Passed): Promise<void> {
    if (wasBehind) return;
    try {
      await transit(this.#transitions, id, "kept-up", pauses === undefined ? {} : { pauses });
    } catch (error) {
      // Another projector passed it meanwhile, or it is gone: it stays as it is.
      if (!(error instanceof TransitionRefusedError)) throw error;
    }
  }

  get #transitions(): TransitionScope {
    const { catalog } = this.#context;
    return { catalog, view: this.#entry.projection, versions: this.#versions, by: "projector" };
  }

  async #isWritten({ id }: Generation): Promise<boolean> {
    const now = await this.#context.catalog.read(this.#entry.projection);
    return writtenGenerations(now).some((generation) => generation.id === id);
  }

  async #block({ id }: Generation, error: unknown): Promise<void> {
    const { log } = this.#context;
    const { projection: view } = this.#entry;
    const blocked = messageOf(error);
    log.error({ view, generation: id, err: error }, "generation blocked: it can no longer become live");
    await transit(this.#transitions, id, "block", { blocked: blocked.slice(0, 1_000) });
  }
}

/** A tombstone is no event of its stream: what waited for it would wait for ever. */
function lastOf(events: readonly StoredEvent[], stream: string): StoredEvent | undefined {
  return events
    .filter((event) => event.stream === stream && !isTombstone(event))
    .reduce<StoredEvent | undefined>(
      (last, event) => (last && last.revision > event.revision ? last : event),
      undefined,
    );
}

type Verdict = { readonly verdict: "tried-again" } | { readonly verdict: "block"; readonly error: unknown };

/**
 * What failed in a generation that no reader sees. It must not hold back the one that they see: what went well there and
 * failed here blocks this one, and its replay starts again. What failed there too says nothing about this one, and an
 * outage of the event store about neither: then the events come again.
 */
function verdictOn(failures: readonly StreamFailure[], inLive: ApplyReport | undefined): Verdict {
  const only = failures.find((failure) => {
    const { error } = failure;
    if (!isPast(failure, inLive)) return false;
    return inLive === undefined
      ? !isInfrastructureFailure(error)
      : isTransient(error) || !isInfrastructureFailure(error);
  });
  return only === undefined ? { verdict: "tried-again" } : { verdict: "block", error: only.error };
}

/** Whether the live generation took what failed elsewhere. */
function isPast({ stream, revision }: StreamFailure, inLive: ApplyReport | undefined): boolean {
  const notInLive = [...(inLive?.waiting ?? []), ...(inLive?.failures ?? [])];
  return !notInLive.some((there) => there.stream === stream && there.revision <= revision);
}

/**
 * Counts that an event ended the invocation of a projector before it could say so: it took too long, or took the process with
 * it. The event is not looked at, or it would do the same again. Whose fault it is nobody can tell, so it counts in every
 * generation that has not applied it.
 */
export async function countFailure(
  context: ProjectorContext,
  versions: readonly [Projection, ...Projection[]],
  { stream, revision, ...rest }: FailedAttempt,
): Promise<AttemptOutcome> {
  const entry = await context.catalog.read(versions[0].name);
  let outcome: AttemptOutcome = "waiting";
  for (const generation of writtenGenerations(entry)) {
    const projection = deployedVersion(entry, generation, versions);
    if (!readsStream(projection, stream)) continue;
    const guard = await readGuard({ dynamodb: context.dynamodb, projection, generation }, stream);
    const next = (guard?.revision ?? -1n) + 1n;
    if (next > revision) continue;
    // Events before it may be missing, and one of those be the culprit: the stream waits at the first that is not applied.
    const attempt = { ...rest, stream, revision: next };
    if ((await failedInView(context, projection, generation, attempt, revision)) === "failed") outcome = "failed";
  }
  return outcome;
}

/** From its first failure on, nothing of a stream is in all generations. */
function failedItems(
  events: readonly StoredEvent[],
  failures: readonly StreamFailure[],
): { readonly itemIdentifier: string }[] {
  const first = new Map<string, bigint>();
  for (const { stream, revision } of failures) {
    const before = first.get(stream);
    if (before === undefined || revision < before) first.set(stream, revision);
  }
  return events
    .filter(({ stream, revision }) => revision >= (first.get(stream) ?? revision + 1n))
    .map((event) => ({ itemIdentifier: itemIdentifier(event) }));
}
