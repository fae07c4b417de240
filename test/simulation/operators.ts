/** What people do in a history about events that were given up, with the very operations that the command line has. */
import type { Decision } from "../../engine/quarantine/decisions.ts";
import { DiscardRefusedError } from "../../engine/quarantine/discard.ts";
import { NotQuarantinedError, type Redriven, subjectOf } from "../../engine/quarantine/operations.ts";
import { isNamed } from "../../engine/views/dynamodb.ts";
import { isInfrastructureFailure } from "../../engine/views/live-writer.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import type { World } from "./world.ts";

/** After so many rounds in which nothing fails that is no fault of an event, nothing may wait any more. */
const roundsToPutRight = 12;

export class Operators {
  readonly #world: World;
  /** Decisions that somebody was told were made. */
  readonly decided: Decision[] = [];
  /** What somebody tried to discard, as `view stream`: whoever died may have done so. */
  readonly tried = new Set<string>();
  /** What no fault excuses. */
  readonly problems: string[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  async redrive(process: SimulatedProcess, view?: string): Promise<Redriven[]> {
    const redriven: Redriven[] = [];
    for await (const one of this.#world.quarantine(process).redrive(view)) {
      const { record, outcome } = one;
      this.#world.trace.note(`${process.name} redrives ${record.target} ${record.stream}: ${outcome.outcome}`);
      if (outcome.outcome === "failed" && !isExcused(outcome.error)) {
        this.problems.push(`redriving ${record.stream} in ${record.target} failed: ${String(outcome.error)}`);
      }
      redriven.push(one);
    }
    return redriven;
  }

  /** The event that some stream waits at, whatever is wrong with it. */
  async discardOne(process: SimulatedProcess): Promise<void> {
    const [first, ...others] = await this.#world.quarantine(process).list();
    if (first === undefined) return;
    const record = this.#world.plan.pick([first, ...others]);
    await this.#discard(process, subjectOf(record), record.stream);
  }

  /** When the code is mended and nothing fails any more: redrives all, discards what cannot be applied, until nothing waits. */
  async putRight(process: SimulatedProcess): Promise<void> {
    for (let round = 0; round < roundsToPutRight; round += 1) {
      const redriven = await this.redrive(process);
      if (redriven.length === 0) return;
      const failing = redriven.filter(({ outcome }) => outcome.outcome === "still-failing");
      const streams = new Map(failing.map(({ record }) => [`${subjectOf(record)} ${record.stream}`, record]));
      for (const record of streams.values()) {
        try {
          await this.#discard(process, subjectOf(record), record.stream);
        } catch (error) {
          // Another generation is to be redriven first.
          if (!(error instanceof DiscardRefusedError) && !(error instanceof NotQuarantinedError)) throw error;
          this.#world.trace.note(error.message);
        }
      }
    }
    const left = await this.#world.quarantine(process).list();
    for (const { target, stream, revision } of left) {
      this.problems.push(`${stream} waits in ${target} at ${revision} although all was done to put it right`);
    }
  }

  async #discard(process: SimulatedProcess, view: string, stream: string): Promise<void> {
    this.tried.add(`${view} ${stream}`);
    const decision = await this.#world.quarantine(process).discard(view, stream, "nobody can take it");
    this.#world.trace.note(`${process.name} discarded ${decision.revision}@${stream} in ${view}`);
    this.decided.push(decision);
  }
}

/** What a call that fails may do to a redrive; a table goes when its generation is retired. */
const isExcused = (error: unknown): boolean =>
  isInfrastructureFailure(error) || isNamed(error, "ResourceNotFoundException");
