/** What the log of a function says of the check of a view. */
import type { Logger } from "pino";
import type { ViewOutcome } from "../engine/consistency/check-views.ts";
import { describeDifference, rowText } from "../engine/consistency/difference.ts";

const placesLogged = 100;

export function logOutcome(log: Logger, outcome: ViewOutcome): void {
  const { view } = outcome;
  if (outcome.outcome === "failed") {
    log.error({ view, err: outcome.error }, "view could not be checked");
    return;
  }
  const { differences, undecided, ...numbers } = outcome.report;
  if (outcome.outcome === "agrees") {
    log.info(numbers, "view agrees with its events");
    return;
  }
  const places = {
    differences: differences.slice(0, placesLogged).map(describeDifference),
    undecided: undecided.slice(0, placesLogged).map(({ key, why }) => `${rowText(key)}: ${why}`),
  };
  log.error({ ...numbers, ...places }, "view is not known to be what its events say");
}
