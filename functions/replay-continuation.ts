/** A replay that outlives one invocation: the function invokes itself before its time is up. */
import { InvokeCommand } from "@aws-sdk/client-lambda";
import type { Logger } from "../engine/http/logger.ts";
import type { ReplayContext } from "../engine/replay/replay-context.ts";
import type { ReplayStep } from "../engine/replay/replay.ts";
import { replayStatus } from "../engine/replay/replay-status.ts";
import { entryName } from "../engine/views/catalog.ts";
import { invocation } from "./lambda-connection.ts";

export interface Continuation {
  readonly views: readonly string[];
  readonly as?: string;
  readonly autoSwap?: boolean;
  /** The generation of each view, with which it goes on, and with no other. */
  readonly generations: Readonly<Record<string, string>>;
  /** Where they stood when the invocation before this one was asked for. */
  readonly since: string;
}

/** What a whole invocation has brought nothing on. */
export const tooShort = "a whole invocation was too short for a step of the replay: see docs/replay.md, From a machine";

/**
 * Asks for the next invocation. One that has brought nothing on would be followed by another for ever: then no more is asked
 * for, and what stands still waits for an operator. False when there is none; the schedule looks after what got lost.
 */
export async function goOn(
  context: ReplayContext,
  log: Logger,
  asked: Omit<Continuation, "since">,
  { since, isTooSlow }: { readonly since: string | undefined; readonly isTooSlow: boolean },
): Promise<boolean> {
  const { views } = asked;
  const now = await progressOf(context, asked);
  if (now === since || isTooSlow) {
    log.error({ views }, tooShort);
    return false;
  }
  const { lambda, functionName } = invocation();
  const Payload = Buffer.from(
    JSON.stringify({ action: "continue", ...asked, since: now } satisfies Continuation & { action: string }),
  );
  try {
    await lambda.send(new InvokeCommand({ FunctionName: functionName("replay"), InvocationType: "Event", Payload }));
    log.info({ views }, "time is up: another invocation goes on from the checkpoint");
    return true;
  } catch (error) {
    log.warn(
      { views, err: error },
      "time is up, and no other invocation could be asked for: the schedule goes on from the checkpoint",
    );
    return false;
  }
}

/** Whatever changes when a replay comes on. */
export async function progressOf(
  context: ReplayContext,
  { views, as }: Pick<Continuation, "views" | "as">,
): Promise<string> {
  const statuses = await Promise.all(views.map((view) => replayStatus(context, entryName(view, as))));
  return statuses
    .map(({ generations }) =>
      generations.map(({ id, role, checkpoint = "" }) => `${id} ${role} ${checkpoint}`).join("; "),
    )
    .join(" | ");
}

/** What begins so soon has the whole time of an invocation, and what then takes so long has had most of it. */
const soonMs = 60_000;
const longMs = 300_000;

/** What an invocation spends its time on. */
export class InvocationTime {
  readonly #now: () => number;
  readonly #startedAt: number;
  #verifiesSince: number | undefined;

  /** `now` in milliseconds, as `performance.now`. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAt = now();
  }

  step = (step: ReplayStep): void => {
    if (step === "verify") this.#verifiesSince ??= this.#now();
  };

  /** Whether as good as nothing was done before. */
  get hasJustBegun(): boolean {
    return this.#now() - this.#startedAt < soonMs;
  }

  /**
   * Whether a verification that began with the invocation has taken most of it: cut off, it begins anew, and comes no further the
   * next time. A checkpoint that has moved to a new tail of the log is no progress then.
   */
  get isTooShortToVerify(): boolean {
    const since = this.#verifiesSince;
    return since !== undefined && since - this.#startedAt < soonMs && this.#now() - since > longMs;
  }
}
