/**
 * From an empty table to a generation that projectors may join: back-fill, verification while nothing writes, the same again
 * for what came in meanwhile until little is left, comparison with the live view, join. All of it under one lease.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Position } from "../event-store/position.ts";
import { type Generation, liveGeneration } from "../views/catalog.ts";
import { isNamed } from "../views/dynamodb.ts";
import type { Projection } from "../views/projection.ts";
import { backFill } from "./back-fill.ts";
import { ReplayBusyError, ReplayInterruptedError, ReplayLostError } from "./errors.ts";
import { Lease, type LeaseScope } from "./lease.ts";
import { compareWithLive, type LiveComparison } from "./live-comparison.ts";
import type { ReplayOptions, ReplayWait } from "./replay.ts";
import { type ReplayContext, settingsOf } from "./replay-context.ts";
import { transit, TransitionRefusedError } from "./transitions.ts";
import { Verification, VerificationFailedError, type VerificationReport } from "./verification.ts";

export interface BuildReport {
  /** Events read, of all streams, since this run began: a run that goes on from a checkpoint reads only those after it. */
  readonly events: number;
  /** Puts of rows and guards. */
  readonly written: number;
  readonly verifiedTo: Position;
  readonly verification: VerificationReport;
  /** Absent when there is no live generation to compare with. */
  readonly comparison?: LiveComparison;
}

export interface BuildScope {
  readonly context: ReplayContext;
  readonly versions: readonly Projection[];
  readonly projection: Projection;
  readonly options: ReplayOptions;
}

/** Under steady load every round leaves less to do than the one before; what is left at last the seam takes. */
const maximumRounds = 12;

/** Returns when projectors write the generation. Throws {@link ReplayBusyError}, {@link ReplayLostError} and those of the steps. */
export async function buildGeneration(scope: BuildScope, generation: Generation): Promise<BuildReport> {
  const lease = await takeOver(scope, generation);
  try {
    return await build(scope, generation, lease);
  } catch (error) {
    // What looks wrong to a worker that was frozen past its lease may be what the next one has written since.
    if (error instanceof VerificationFailedError) lease.assertHeld();
    if (isNamed(error, "ResourceNotFoundException")) {
      throw new ReplayLostError(`table ${generation.table} is gone: the replay was aborted`, { cause: error });
    }
    throw lostIfRefused(error, generation);
  } finally {
    // If DynamoDB does not take it now, the lease runs out by itself.
    await lease.release().catch(() => undefined);
  }
}

async function build(scope: BuildScope, generation: Generation, lease: Lease): Promise<BuildReport> {
  const { context, versions, projection, options } = scope;
  const { observer } = options;
  const { dynamodb, eventStore } = context;
  const settings = settingsOf(context);
  using verification = new Verification(eventStore, projection, generation);
  let events = 0;
  let written = 0;
  let verified: VerificationReport | undefined;
  let target = await eventStore.tail();
  const mayGoOn = (): void => {
    lease.assertHeld();
    throwIfInterrupted(scope);
  };
  const onEvents = (read: number, at: Position): void => {
    mayGoOn();
    observer?.progress?.(read, at, target);
  };
  const onWaiting = (wait: ReplayWait): void => observer?.waiting?.(wait, generation);

  for (let round = 1; ; round += 1) {
    observer?.step?.("back-fill", generation);
    const filled = await backFill({ dynamodb, eventStore, projection, generation, lease, settings, onEvents }, target);
    events += filled.events;
    written += filled.written;
    await untilNoWriteIsOnItsWay(lease, mayGoOn, onWaiting);
    observer?.step?.("verify", generation);
    const moved = await verification.foldTo(target, onEvents);
    if (verified === undefined) verified = await verification.compareAll(dynamodb, generation.table, mayGoOn);
    else await verification.compareMoved(dynamodb, generation.table, moved, mayGoOn);
    if ((round > 1 && filled.events <= settings.eventsLeftAtJoin) || round === maximumRounds) break;
    target = await eventStore.tail();
  }

  const live = liveGeneration(await context.catalog.read(projection.name));
  let comparison: LiveComparison | undefined;
  if (live !== undefined) {
    observer?.step?.("compare", generation);
    const { waitForGuardsMs } = settings;
    comparison = await compareWithLive(
      { dynamodb, eventStore, projection, shadow: generation, live, waitForGuardsMs, mayGoOn, onWaiting },
      verification,
    );
  }
  observer?.step?.("join", generation);
  const catalog = { catalog: context.catalog, view: projection.name, versions, by: context.by };
  mayGoOn();
  await transit(catalog, generation.id, "verified", { worker: lease.owner, verifiedTo: target });
  await transit(catalog, generation.id, "join", { worker: lease.owner });
  return {
    events,
    written,
    verifiedTo: target,
    verification: verified,
    ...(comparison === undefined ? {} : { comparison }),
  };
}

/** Takes the lease, waiting for that of a worker that is gone to run out, and puts our name into the catalog. */
async function takeOver(scope: BuildScope, generation: Generation): Promise<Lease> {
  const { context, versions, projection } = scope;
  const lease = await leaseOrWait(scope, generation);
  try {
    const catalog = { catalog: context.catalog, view: projection.name, versions, by: context.by };
    await transit(catalog, generation.id, "claim", { worker: lease.owner });
    return lease;
  } catch (error) {
    await giveUp(scope, generation, lease).catch(() => undefined);
    throw lostIfRefused(error, generation);
  }
}

/** Taking the lease of a generation that was removed meanwhile has made the item of its progress anew. */
async function giveUp({ context, projection }: BuildScope, { id }: Generation, lease: Lease): Promise<void> {
  const { generations } = await context.catalog.read(projection.name);
  const isThere = generations.some((generation) => generation.id === id && generation.role !== "retiring");
  await (isThere ? lease.release() : lease.discard());
}

/** Whoever builds a generation alone is refused no transition. */
function lostIfRefused(error: unknown, { id }: Generation): unknown {
  if (!(error instanceof TransitionRefusedError)) return error;
  return new ReplayLostError(`generation ${id} was joined, aborted or taken over by another worker`, { cause: error });
}

async function leaseOrWait(scope: BuildScope, generation: Generation): Promise<Lease> {
  const { context, projection, options } = scope;
  const { dynamodb, catalogTable, catalog } = context;
  const leaseScope: LeaseScope = {
    dynamodb,
    catalogTable,
    projection: projection.name,
    generation: generation.id,
    settings: settingsOf(context),
    isWanted: async () => {
      const { generations } = await catalog.read(projection.name);
      return generations.some(({ id, role }) => id === generation.id && role === "building");
    },
  };
  let first: number | undefined;
  for (;;) {
    const lease = await Lease.acquire(leaseScope);
    if (lease instanceof Lease) return lease;
    if (first === undefined) {
      first = lease.heldUntil;
      options.observer?.waiting?.({ for: "lease", until: first }, generation);
    }
    if (lease.heldUntil > first) {
      throw new ReplayBusyError(`another worker is rebuilding ${projection.name}: wait for it, or abort the replay`);
    }
    throwIfInterrupted(scope);
    await sleep(Math.min(pollMs, Math.max(10, lease.heldUntil - Date.now())));
  }
}

const pollMs = 500;

/** A request that was given up may land late: on rows that are being compared it would be a false alarm, or worse, none. */
async function untilNoWriteIsOnItsWay(
  lease: Lease,
  mayGoOn: () => void,
  onWaiting: (wait: ReplayWait) => void,
): Promise<void> {
  if (Date.now() < lease.quietAt) onWaiting({ for: "late-writes", until: lease.quietAt });
  while (Date.now() < lease.quietAt) {
    mayGoOn();
    await sleep(Math.min(pollMs, lease.quietAt - Date.now()));
  }
}

function throwIfInterrupted({ projection, options }: BuildScope): void {
  if (options.signal?.aborted !== true) return;
  throw new ReplayInterruptedError(`the replay of ${projection.name} was interrupted`);
}
