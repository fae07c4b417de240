/**
 * Fires the deadlines of processes that are due. Which are due is read from a view, which may be behind and may name one twice:
 * the process itself knows whether its deadline still runs, so each fires once, late rather than never.
 */
import { randomUUID } from "node:crypto";
import { advance, type ProcessContext, type Told } from "./advance.ts";
import { processKey, type ProcessManager } from "./process-manager.ts";

/** A deadline that the view says is due. */
export interface DueDeadline<Input> {
  readonly id: string;
  readonly input: Input;
  /** The same at every run: process, deadline and the time it was due. */
  readonly key: string;
}

export interface FiredDeadlines {
  /** Told to their processes, those included that were met meanwhile. */
  readonly told: number;
  /** Not told; the next run does it. */
  readonly failed: number;
}

/** One after the other: it runs beside everything else and has time. */
export async function fireDeadlines<State, Input, Request>(
  context: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  due: AsyncIterable<DueDeadline<Input>>,
): Promise<FiredDeadlines> {
  let told = 0;
  let failed = 0;
  for await (const { id, input, key } of due) {
    const telling: Told<Input> = {
      id,
      input,
      key: processKey(key),
      origin: { correlationId: randomUUID(), causationId: key },
    };
    try {
      await advance(context, manager, telling);
      told += 1;
    } catch (err) {
      failed += 1;
      context.log.error({ process: id, deadline: key, err }, "deadline not told");
    }
  }
  return { told, failed };
}
