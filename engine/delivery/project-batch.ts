/**
 * What a projector function does with a batch: brings the batch's streams up to date in every generation of the view that is
 * written now, and reports as failed those events whose effect is not in all of them.
 *
 * The catalog is read before the batch and again after it. Had it changed in between, an acknowledgement would rest on an
 * old picture: a generation that joined meanwhile would never get these events. Then the batch is applied once more.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "../event-store/event-store.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Logger } from "../http/logger.ts";
import { transit } from "../replay/transitions.ts";
import { type Catalog, type CatalogEntry, type Generation, writtenGenerations } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { isNamed, isTransient } from "../views/dynamodb.ts";
import { applyEvents, isInfrastructureFailure, type StreamFailure } from "../views/live-writer.ts";
import type { Projection } from "../views/projection.ts";
import { delayAfter } from "./backoff.ts";
import { type BatchResponse, itemIdentifier } from "./event-record.ts";

export interface ProjectorContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly catalog: Catalog;
  readonly log: Logger;
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
    const failures = await new Round(context, versions, entry).apply(events);
    const now = await context.catalog.read(view);
    if (isSamePicture(entry, now)) return { batchItemFailures: failedItems(events, failures) };
    entry = now;
  }
  return { batchItemFailures: events.map((event) => ({ itemIdentifier: itemIdentifier(event) })) };
}

/** Whether both name the same generations to write; a replay also notes other things in the catalog. */
function isSamePicture(before: CatalogEntry, after: CatalogEntry): boolean {
  const ids = (entry: CatalogEntry): string =>
    writtenGenerations(entry)
      .map(({ id }) => id)
      .join(" ");
  return before.epoch === after.epoch || ids(before) === ids(after);
}

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

  /** The live generation last; what failed beside it is judged by what became of the same events there. */
  async apply(events: readonly StoredEvent[]): Promise<readonly StreamFailure[]> {
    const { projection: view } = this.#entry;
    const written = writtenGenerations(this.#entry);
    if (written.length === 0) {
      throw new ViewNotPreparedError(`view ${view} has no generation to write: invoke the function prepare`);
    }
    const beside: { readonly generation: Generation; readonly failures: readonly StreamFailure[] }[] = [];
    let inLive: readonly StreamFailure[] | undefined;
    for (const generation of written) {
      if (generation.role === "live") inLive = await this.#applyTo(generation, events);
      else beside.push({ generation, failures: await this.#applyBeside(generation, events) });
    }
    const failures = [...(inLive ?? [])];
    for (const { generation, failures: found } of beside) {
      const verdict = verdictOn(found, inLive);
      if (verdict.verdict === "block") await this.#block(generation, verdict.error);
      else failures.push(...found);
    }
    return failures;
  }

  async #applyTo(generation: Generation, events: readonly StoredEvent[]): Promise<readonly StreamFailure[]> {
    const { dynamodb, eventStore, log } = this.#context;
    const projection = deployedVersion(this.#entry, generation, this.#versions);
    const report = await applyEvents({ dynamodb, eventStore, projection, generation }, events);
    for (const { stream, revision, error } of report.failures) {
      const facts = { view: projection.name, generation: generation.id, stream, revision: revision.toString() };
      log.error({ ...facts, err: error }, "event not applied");
    }
    return report.failures;
  }

  /** Where its table alone is throttled, a few tries may be enough. */
  async #applyBeside(generation: Generation, events: readonly StoredEvent[]): Promise<readonly StreamFailure[]> {
    try {
      deployedVersion(this.#entry, generation, this.#versions);
    } catch (error) {
      return events.map(({ stream, revision }) => ({ stream, revision, error }));
    }
    for (let tries = 1; ; tries += 1) {
      const failures = await this.#applyTo(generation, events);
      const [first] = failures;
      if (first === undefined) return [];
      // Its table is gone because it was retired; the catalog says so when it is read again.
      if (isNamed(first.error, "ResourceNotFoundException") && !(await this.#isWritten(generation))) return [];
      if (tries === triesBesideLive || !failures.every(({ error }) => isTransient(error))) return failures;
      await sleep(delayAfter(tries, besideLive));
    }
  }

  async #isWritten({ id }: Generation): Promise<boolean> {
    const now = await this.#context.catalog.read(this.#entry.projection);
    return writtenGenerations(now).some((generation) => generation.id === id);
  }

  async #block({ id }: Generation, error: unknown): Promise<void> {
    const { catalog, log } = this.#context;
    const { projection: view } = this.#entry;
    const blocked = error instanceof Error ? error.message : String(error);
    log.error({ view, generation: id, err: error }, "generation blocked: it can no longer become live");
    await transit({ catalog, view, versions: this.#versions }, id, "block", { blocked: blocked.slice(0, 1_000) });
  }
}

type Verdict = { readonly verdict: "tried-again" } | { readonly verdict: "block"; readonly error: unknown };

/**
 * What failed in a generation that no reader sees. It must not hold back the one that they see: what went well there and
 * failed here blocks this one, and its replay starts again. What failed there too says nothing about this one, and an
 * outage of the event store about neither: then the events come again.
 */
function verdictOn(failures: readonly StreamFailure[], inLive: readonly StreamFailure[] | undefined): Verdict {
  const failedInLive = new Map(inLive?.map(({ stream, revision }) => [stream, revision]));
  const only = failures.find(({ stream, revision, error }) => {
    const there = failedInLive.get(stream);
    if (there !== undefined && there <= revision) return false;
    return inLive === undefined
      ? !isInfrastructureFailure(error)
      : isTransient(error) || !isInfrastructureFailure(error);
  });
  return only === undefined ? { verdict: "tried-again" } : { verdict: "block", error: only.error };
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
