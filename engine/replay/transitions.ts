/**
 * The runbook as data: every transition of a generation, from which role it is legal, what it checks, and which race its
 * check closes. Each is one write of the catalog on condition of the epoch, so of two operators one wins and the other
 * decides anew; repeating one that is done changes nothing.
 */
import { comparePositions } from "../event-store/position.ts";
import {
  type Catalog,
  CatalogConflictError,
  type CatalogEntry,
  type Generation,
  type GenerationRole,
} from "../views/catalog.ts";
import { whyNotDeployed } from "../views/deployed-version.ts";
import { isDeployed } from "../views/pinned-projection.ts";
import type { Projection } from "../views/projection.ts";

export type TransitionName =
  | "claim"
  | "verified"
  | "join"
  | "freeze"
  | "sealed"
  | "block"
  | "passed"
  | "kept-up"
  | "pause"
  | "resume"
  | "swap"
  | "rollback"
  | "retire"
  | "abort"
  | "discontinue"
  | "drop";

interface Transition {
  readonly from: readonly GenerationRole[];
  readonly to: GenerationRole | "unchanged" | "gone";
  /** What the live generation becomes by the same write. */
  readonly liveBecomes?: GenerationRole;
  /** What the generation becomes that soaked until then. */
  readonly soakingBecomes?: GenerationRole;
  /** What it takes back of what is written down of the generation. */
  readonly clears?: readonly ("behind" | "paused" | "pausedBy" | "soakUntil")[];
  /** Whether the generation bears how often it has taken it. */
  readonly isCounted?: true;
  /** What the history keeps of one that projectors take again and again; absent: each. `once`: until its record stands there. */
  readonly isNoted?: "once" | "never";
  readonly checks: readonly Check[];
}

/** What a transition writes down beside the role. */
export type TransitionRecord = Partial<
  Pick<
    Generation,
    "worker" | "verifiedTo" | "reportedAt" | "sealedTo" | "blocked" | "paused" | "pausedBy" | "behind" | "pauses"
  >
>;

interface Attempt {
  readonly generation: Generation;
  readonly record: TransitionRecord;
  readonly versions: readonly Projection[];
}

/** Why a generation may not take the transition, or undefined when it may. */
type Check = (attempt: Attempt) => string | undefined;

const isVerified: Check = ({ generation }) =>
  generation.verifiedTo === undefined ? "it was not compared with the events" : undefined;

/** The report is what a person looks at before readers are moved: what it says has to be there to be read. */
const isReported: Check = ({ generation }) =>
  generation.reportedAt === undefined ? "there is no report of how it compares: verify it" : undefined;

const isSealed: Check = ({ generation: { sealedTo, behind, blocked } }) => {
  if (sealedTo === undefined) return "events between its back-fill and its join may be missing";
  // One that is blocked nobody brings up.
  return behind === true && blocked === undefined ? "events may be missing that went past it: resume it" : undefined;
};

const isNotPaused: Check = ({ generation: { paused } }) =>
  paused === undefined ? undefined : `it is paused: ${paused}`;

const hasNoEnd: Check = ({ generation: { until } }) =>
  until === undefined ? undefined : "it ends at a position, and a live view goes on";

const hasEnd: Check = ({ generation: { until } }) =>
  until === undefined ? "it has no end: what is written on is not frozen" : undefined;

/** What went past it, or was acknowledged while it stood still, may lie behind a tail that was taken before. */
const isOfThisPause: Check = ({ generation, record }) =>
  generation.pauses === record.pauses ? undefined : "it was paused, or passed, since its tail was taken";

/** Another worker has closed it to a later tail: there is no way back from that. */
const isNoStepBack: Check = ({ generation: { sealedTo }, record }) =>
  sealedTo === undefined || record.sealedTo === undefined || comparePositions(sealedTo, record.sealedTo) <= 0
    ? undefined
    : "it is closed to a later position already";

const isNotBlocked: Check = ({ generation: { blocked } }) =>
  blocked === undefined ? undefined : `it is blocked: ${blocked}`;

/** New code must not finish, or go on with, what other code began. */
const hasItsCode: Check = ({ generation, versions }) =>
  isDeployed(generation, versions) ? undefined : `it is made by ${whyNotDeployed(generation, versions)}`;

/** A worker whose lease went to another must not let projectors in while that other one writes without conditions. */
const isByItsWorker: Check = ({ generation, record }) =>
  generation.worker === record.worker ? undefined : "another worker has taken its replay over";

/** A view that projectors would write would be made anew, empty of what only its readers know. */
const isDeployedNoMore: Check = ({ versions }) =>
  versions.length === 0 ? undefined : "its projection is deployed: take it out of the registry first";

const mayBecomeLive = [isVerified, isReported, isSealed, isNotBlocked, isNotPaused, hasItsCode];

export const transitions: Readonly<Record<TransitionName, Transition>> = {
  /** Says who builds it. A worker that was frozen past its lease finds another name there when it wakes. */
  claim: { from: ["building"], to: "unchanged", checks: [isNotPaused, hasItsCode] },
  /** Records that the rows are what the events say, while nobody writes them, and that the report of it is kept. */
  verified: { from: ["building"], to: "unchanged", checks: [isByItsWorker, isNotPaused, hasItsCode] },
  /** From here on projectors write it: after the verification, because a comparison with moving rows proves nothing. */
  join: {
    from: ["building"],
    to: "joined",
    checks: [isByItsWorker, isNotPaused, isVerified, isReported, hasNoEnd, hasItsCode],
  },
  /** A view as of a position is done when it is verified: it stays as it is. */
  freeze: {
    from: ["building"],
    to: "frozen",
    checks: [isByItsWorker, isNotPaused, isVerified, isReported, hasEnd, hasItsCode],
  },
  /** Records that every stream is applied up to a tail that was taken after the join, or after it was resumed. */
  sealed: {
    from: ["joined", "soaking"],
    to: "unchanged",
    clears: ["behind"],
    checks: [isNotPaused, isOfThisPause, isNoStepBack, hasItsCode],
  },
  /** An event could not be written to it while the live one went on: it stays out of the running. */
  block: { from: ["joined", "soaking"], to: "unchanged", isNoted: "once", checks: [] },
  /**
   * A projector could not write an event to it, and is about to write the live one all the same. Noted before: a swap between
   * the two would show readers a row without what they have seen.
   */
  passed: { from: ["joined", "soaking"], to: "unchanged", isCounted: true, isNoted: "never", checks: [] },
  /** The live one could not be written then either, and nobody else has passed it: nothing is missing. */
  "kept-up": {
    from: ["joined", "soaking"],
    to: "unchanged",
    clears: ["behind"],
    isNoted: "never",
    checks: [isOfThisPause],
  },
  /**
   * Nobody writes it until it is resumed: because an operator wants it so, or because a projector met it whose code is another.
   * The live one cannot be: what it lacks, readers would miss.
   */
  pause: { from: ["building", "joined", "soaking"], to: "unchanged", isCounted: true, checks: [] },
  /** It is written again. What went past it meanwhile, its seam is closed to. */
  resume: {
    from: ["building", "joined", "soaking"],
    to: "unchanged",
    clears: ["paused", "pausedBy"],
    checks: [hasItsCode],
  },
  /**
   * Readers change over at once; the generation before goes on being written, so that they can be brought back. What soaked
   * since an earlier swap makes room in the same write: with two of them, a rollback could bring back the wrong one.
   */
  swap: { from: ["joined"], to: "live", liveBecomes: "soaking", soakingBecomes: "retiring", checks: mayBecomeLive },
  /** The same write back, under the same conditions: a generation that soaks was written all the time. */
  rollback: {
    from: ["soaking"],
    to: "live",
    liveBecomes: "soaking",
    clears: ["soakUntil"],
    checks: mayBecomeLive,
  },
  /** Nobody writes it any more; readers that still know it get the time of their cache before the table goes. */
  retire: { from: ["soaking", "frozen"], to: "retiring", checks: [] },
  /** Legal at every step before the swap. The live generation is not touched. */
  abort: { from: ["building", "joined"], to: "retiring", checks: [] },
  /** The end of a view as a whole, once its projection is deployed no more: there is no way back. */
  discontinue: {
    from: ["building", "joined", "live", "soaking", "frozen"],
    to: "retiring",
    checks: [isDeployedNoMore],
  },
  /** After its table is gone. */
  drop: { from: ["retiring"], to: "gone", checks: [] },
};

export class TransitionRefusedError extends Error {
  readonly code = "TRANSITION_REFUSED";
  override readonly name = "TransitionRefusedError";
}

export interface TransitionScope {
  readonly catalog: Catalog;
  readonly view: string;
  /** Deployed versions of the view's projection. */
  readonly versions: readonly Projection[];
  /** Who does it, as the catalog remembers it. */
  readonly by?: string | undefined;
}

const maximumConflicts = 20;

/** Takes a generation through a transition, or finds that it has taken it. Throws {@link TransitionRefusedError}. */
export async function transit(
  { catalog, view, versions, by = "unknown" }: TransitionScope,
  id: string,
  name: TransitionName,
  record: TransitionRecord = {},
): Promise<CatalogEntry> {
  for (let conflicts = 0; ; conflicts += 1) {
    const entry = await catalog.read(view);
    const next = after(entry, versions, id, name, record);
    if (next === "done") return entry;
    try {
      const note = isToBeNoted(entry, id, name, record) ? { transition: name, generation: id, by } : undefined;
      return await catalog.transition(entry, next, note);
    } catch (error) {
      if (!(error instanceof CatalogConflictError) || conflicts >= maximumConflicts) throw error;
    }
  }
}

function isToBeNoted(
  { generations }: CatalogEntry,
  id: string,
  name: TransitionName,
  record: TransitionRecord,
): boolean {
  const { isNoted } = transitions[name];
  if (isNoted !== "once") return isNoted !== "never";
  const known = generations.find((generation) => generation.id === id);
  return !Object.keys(record).every((attribute) => known !== undefined && attribute in known);
}

/** The generations after the transition; "done" when they are as it would leave them. */
function after(
  entry: CatalogEntry,
  versions: readonly Projection[],
  id: string,
  name: TransitionName,
  record: TransitionRecord,
): readonly Generation[] | "done" {
  const { from, to, liveBecomes, soakingBecomes, clears = [], isCounted, checks } = transitions[name];
  const generation = entry.generations.find((candidate) => candidate.id === id);
  const what = `${name} of generation ${id} of ${entry.projection} is refused`;
  if (generation === undefined) {
    if (to === "gone") return "done";
    throw new TransitionRefusedError(`${what}: there is no such generation (any more)`);
  }
  if (generation.role === to) return "done";
  if (!from.includes(generation.role)) {
    throw new TransitionRefusedError(`${what}: it is ${generation.role}, not ${from.join(" or ")}`);
  }
  const reasons = checks.map((check) => check({ generation, record, versions })).filter((why) => why !== undefined);
  if (reasons.length > 0) throw new TransitionRefusedError(`${what}: ${reasons.join("; ")}`);
  if (to === "gone") return entry.generations.filter((candidate) => candidate.id !== id);
  return entry.generations.map((candidate) => {
    if (candidate.id === id) {
      const kept = { ...candidate };
      for (const attribute of clears) Reflect.deleteProperty(kept, attribute);
      const counted = isCounted === true ? { pauses: (candidate.pauses ?? 0) + 1 } : {};
      return { ...kept, ...record, ...counted, role: to === "unchanged" ? candidate.role : to };
    }
    const becomes = candidate.role === "live" ? liveBecomes : candidate.role === "soaking" ? soakingBecomes : undefined;
    if (becomes === undefined) return candidate;
    return { ...candidate, role: becomes, ...(becomes === "soaking" ? soakOf(generation) : {}) };
  });
}

/** How long the generation is kept that this one takes the place of, if it says so. */
function soakOf({ soakHours }: Generation): Pick<Generation, "soakUntil"> {
  return soakHours === undefined ? {} : { soakUntil: new Date(Date.now() + soakHours * 3_600_000).toISOString() };
}
