/** Where a view's generations stand, what may be done about each now, and who has done what to them. */
import { formatPosition } from "../event-store/position.ts";
import { type Generation, partsOfEntryName, type TransitionNote } from "../views/catalog.ts";
import { leaseEnd, readProgress } from "./lease.ts";
import { type ReplayContext, settingsOf } from "./replay-context.ts";

export interface GenerationStatus extends Generation {
  /** What happens to it, or may be done about it. */
  readonly next: string;
  /** Of one that is being built: up to where its rows are written, as COMMIT/PREPARE. */
  readonly checkpoint?: string;
  /** Of one that is being built: until when a worker has it to itself, in ISO 8601; absent when nobody works on it. */
  readonly leaseUntil?: string;
}

export interface ReplayStatus {
  readonly view: string;
  readonly epoch: number;
  /** The oldest first. */
  readonly generations: readonly GenerationStatus[];
  /** The last transitions, the oldest first. */
  readonly history: readonly TransitionNote[];
}

export async function replayStatus(
  context: Pick<ReplayContext, "dynamodb" | "catalog" | "catalogTable" | "settings">,
  view: string,
): Promise<ReplayStatus> {
  const { epoch, generations, history = [] } = await context.catalog.read(view);
  const told = await Promise.all(generations.map((generation) => statusOf(context, view, generation)));
  return { view, epoch, generations: told, history };
}

async function statusOf(
  context: Pick<ReplayContext, "dynamodb" | "catalogTable" | "settings">,
  view: string,
  generation: Generation,
): Promise<GenerationStatus> {
  if (generation.role !== "building") return { ...generation, next: nextOf(generation, false) };
  const progress = await readProgress({
    ...context,
    projection: partsOfEntryName(view).view,
    generation: generation.id,
  });
  const until = leaseEnd(progress, settingsOf(context));
  const isWorkedOn = until > Date.now();
  return {
    ...generation,
    next: nextOf(generation, isWorkedOn),
    ...(progress?.checkpoint === undefined ? {} : { checkpoint: formatPosition(progress.checkpoint) }),
    ...(isWorkedOn ? { leaseUntil: new Date(until).toISOString() } : {}),
  };
}

function nextOf(generation: Generation, isWorkedOn: boolean): string {
  const { role, blocked, paused, pausedBy, behind, verifiedTo, sealedTo, soakUntil } = generation;
  if (blocked !== undefined && role !== "retiring") {
    const what = role === "soaking" ? "retire removes it" : "abort removes it, and so does the next replay";
    return `it can no longer become live, because it is blocked: ${blocked}; ${what}`;
  }
  if (paused !== undefined && role !== "retiring") {
    const until = pausedBy === "operator" ? "until it is resumed" : "until that code is deployed again";
    return `it stands still ${until} (${paused}); ${role === "soaking" ? "retire" : "abort"} removes it`;
  }
  if (behind === true && (role === "joined" || role === "soaking"))
    return "it lacks what went past it: resume brings it up";
  switch (role) {
    case "building":
      return isWorkedOn
        ? "a worker builds it; abort ends that"
        : "nobody works on it: resume goes on, abort removes it";
    case "joined":
      return verifiedTo !== undefined && sealedTo !== undefined
        ? "it is verified and complete: swap makes it live, abort removes it"
        : "resume closes its seam, abort removes it";
    case "live":
      return "readers see it";
    case "soaking":
      return `it was live before and is still written: rollback brings it back, retire removes it${
        soakUntil === undefined ? "" : `, as the schedule does after ${soakUntil}`
      }`;
    case "frozen":
      return "readers who ask for its name see it, and nobody writes it: retire removes it";
    case "retiring":
      return "its table is being removed; whoever runs the next replay finishes that";
  }
}

/** For JSON: positions as text. */
export function statusToJson({ generations, ...status }: ReplayStatus): Record<string, unknown> {
  return {
    ...status,
    generations: generations.map(({ from, until, verifiedTo, sealedTo, ...generation }) => ({
      ...generation,
      from: formatPosition(from),
      ...(until === undefined ? {} : { until: formatPosition(until) }),
      ...(verifiedTo === undefined ? {} : { verifiedTo: formatPosition(verifiedTo) }),
      ...(sealedTo === undefined ? {} : { sealedTo: formatPosition(sealedTo) }),
    })),
  };
}
