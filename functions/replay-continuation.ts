/** A replay that outlives one invocation: the function invokes itself before its time is up. */
import { InvokeCommand } from "@aws-sdk/client-lambda";
import type { Logger } from "../engine/http/logger.ts";
import type { ReplayContext } from "../engine/replay/replay-context.ts";
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
export const tooShort = "a whole invocation was too short for a step of the replay: see docs/replay.md, On AWS";

/**
 * Asks for the next invocation. One that has brought nothing on would be followed by another for ever: then no more is asked
 * for, and what stands still waits for an operator. False when there is none; the schedule looks after what got lost.
 */
export async function goOn(
  context: ReplayContext,
  log: Logger,
  asked: Omit<Continuation, "since">,
  since: string | undefined,
): Promise<boolean> {
  const { views } = asked;
  const now = await progressOf(context, asked);
  if (now === since) {
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
