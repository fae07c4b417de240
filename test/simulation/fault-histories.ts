/** Many histories, one seed after the other, up to the first that fails. */
import { type HistoryOutcome, runHistory } from "./fault-history.ts";
import type { FaultKind } from "./faults.ts";

export interface HistoriesRun {
  /** Those that were run. */
  readonly histories: number;
  readonly events: number;
  /** Faults by kind. */
  readonly met: ReadonlyMap<FaultKind, number>;
  /** What went wrong in the first that failed, and how to see it again; undefined: in none. */
  readonly failure: string | undefined;
}

export async function runHistories(options: {
  readonly firstSeed: number;
  readonly histories: number;
}): Promise<HistoriesRun> {
  const met = new Map<FaultKind, number>();
  let events = 0;
  let histories = 0;
  let failure: string | undefined;
  while (histories < options.histories && failure === undefined) {
    const outcome = await runHistory(options.firstSeed + histories);
    histories += 1;
    events += outcome.events;
    for (const [kind, times] of outcome.met) met.set(kind, (met.get(kind) ?? 0) + times);
    if (outcome.problems.length > 0) failure = failureOf(outcome);
  }
  return { histories, events, met, failure };
}

function failureOf({ seed, problems, told, simulatedMs }: HistoryOutcome): string {
  return [
    `history ${seed} failed after ${simulatedMs} ms of simulated time`,
    ...problems,
    "What happened last",
    ...told.map((line) => `  ${line}`),
    `Repeat it: TIDEMARK_SEED=${seed} npx vitest run test/simulation/fault-histories.test.ts`,
  ].join("\n");
}
