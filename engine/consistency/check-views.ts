/** Checks several views, one after the other: one that cannot be checked keeps no other from being so. */
import type { Projection } from "../views/projection.ts";
import { type CheckContext, checkView } from "./check.ts";
import type { CheckOptions, CheckReport } from "./generation-check.ts";

export type ViewOutcome =
  /** Every row and guard is what the events say. */
  | { readonly view: string; readonly outcome: "agrees"; readonly report: CheckReport }
  /** At least one is not. */
  | { readonly view: string; readonly outcome: "differs"; readonly report: CheckReport }
  /** None was found wrong, but of some rows nobody can say. */
  | { readonly view: string; readonly outcome: "undecided"; readonly report: CheckReport }
  /** It could not be checked at all. */
  | { readonly view: string; readonly outcome: "failed"; readonly error: unknown };

export interface ViewToCheck {
  readonly view: string;
  /** The deployed versions of its projection. */
  readonly versions: readonly Projection[];
  readonly options?: CheckOptions;
}

export async function* checkViews(
  context: CheckContext,
  views: Iterable<ViewToCheck>,
): AsyncGenerator<ViewOutcome, void> {
  for (const toCheck of views) yield await outcomeOf(context, toCheck);
}

export async function outcomeOf(context: CheckContext, { view, versions, options }: ViewToCheck): Promise<ViewOutcome> {
  try {
    const report = await checkView(context, view, versions, options);
    const { differenceCount, undecidedCount } = report;
    return { view, outcome: differenceCount > 0 ? "differs" : undecidedCount > 0 ? "undecided" : "agrees", report };
  } catch (error) {
    return { view, outcome: "failed", error };
  }
}

/** At least one view differs from its events, or could not be compared with them. The log, and `tidemark check`, say how. */
export class ViewsDriftedError extends Error {
  readonly code = "VIEWS_DRIFTED";
  override readonly name = "ViewsDriftedError";
}

/** Throws {@link ViewsDriftedError} that names the views which are not known to be right. */
export function refuseDrift(outcomes: readonly ViewOutcome[]): void {
  const wrong = outcomes.filter(({ outcome }) => outcome !== "agrees");
  if (wrong.length === 0) return;
  const [first] = wrong.flatMap((outcome) => (outcome.outcome === "failed" ? [outcome.error] : []));
  throw new ViewsDriftedError(
    `not what the events say, or not known to be: ${wrong.map(oneLine).join("; ")}. See docs/consistency.md`,
    { cause: first },
  );
}

function oneLine(outcome: ViewOutcome): string {
  if (outcome.outcome === "failed") return `${outcome.view} could not be checked`;
  const { differenceCount, undecidedCount } = outcome.report;
  return `${outcome.view} has ${differenceCount} differences and ${undecidedCount} undecided rows`;
}
