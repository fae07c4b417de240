/**
 * Read your writes: before a query answers, the streams that its client has seen move are in the view. A reader does not wait for
 * delivery: where the guard is behind, it asks the projector to apply that stream now, which is one invocation; what is
 * delivered afterwards is found applied.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { CatchUpResponse, StreamRevision } from "../delivery/function-payload.ts";
import { type Projection, readsStream } from "./projection.ts";
import { possibleGuardKeyOf } from "./stream-keys.ts";
import type { ViewReader } from "./view-reader.ts";

/** A stream is not in the view as far as it was to be; `seen` is how far it is, -1 for not at all. */
export class NotCaughtUpError extends Error {
  readonly code: "VIEW_BEHIND" | "STREAM_QUARANTINED" | "STREAM_OUTSIDE_VIEW" | "REVISION_BEYOND_HEAD";
  override readonly name = "NotCaughtUpError";

  constructor(code: NotCaughtUpError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

export interface AtLeast {
  readonly reader: ViewReader;
  /** The version of the view whose rows are read. */
  readonly projection: Projection;
  /** Asks the view's projector, with a whole number of milliseconds for it; undefined when it gave no answer. */
  readonly ask: (upTo: StreamRevision, timeoutMs: number) => Promise<CatchUpResponse | undefined>;
  /** Longest wait for all of it. */
  readonly waitMs: number;
}

const pollMs = 25;
const longestPollMs = 250;

/** Resolves when the view holds all of `wanted`. Throws {@link NotCaughtUpError} and what the view's tables throw. */
export async function readAtLeast(options: AtLeast, wanted: readonly StreamRevision[]): Promise<void> {
  const { projection, waitMs } = options;
  const until = performance.now() + waitMs;
  for (const { stream } of wanted) {
    if (readsStream(projection, stream) && possibleGuardKeyOf(projection, stream) !== undefined) continue;
    throw new NotCaughtUpError("STREAM_OUTSIDE_VIEW", `${projection.name} reads nothing of the stream ${stream}`);
  }
  await Promise.all(wanted.map((upTo) => catchUpBy(options, upTo, until)));
}

async function catchUpBy(options: AtLeast, upTo: StreamRevision, until: number): Promise<void> {
  const { reader, projection, ask } = options;
  const seen = async (): Promise<bigint> => (await reader.guard(projection, upTo.stream))?.revision ?? -1n;
  if ((await seen()) >= upTo.revision) return;
  for (let pause = pollMs; ; pause = Math.min(2 * pause, longestPollMs)) {
    const left = until - performance.now();
    const answer = left <= 0 ? undefined : await ask(upTo, Math.ceil(left));
    const outcome = answer?.catchUp;
    if (outcome === "applied") {
      // To the generation that is live now; one that was live until a moment ago may be written no more.
      reader.forgetUnless(projection.name, answer?.generation);
      return;
    }
    const reached = await seen();
    // Delivery was quicker, or the projector's answer was lost.
    if (reached >= upTo.revision) return;
    if (outcome === "quarantined" || outcome === "beyond-head") throw refusal(projection, upTo, outcome, reached);
    if (until - performance.now() < pause) throw behind(projection, upTo, reached);
    await sleep(pause);
  }
}

function refusal(
  { name }: Projection,
  { stream, revision }: StreamRevision,
  outcome: "quarantined" | "beyond-head",
  reached: bigint,
): NotCaughtUpError {
  return outcome === "quarantined"
    ? new NotCaughtUpError(
        "STREAM_QUARANTINED",
        `${stream} waits in ${name} behind revision ${reached.toString()}: the event after it was quarantined`,
      )
    : new NotCaughtUpError("REVISION_BEYOND_HEAD", `the stream ${stream} has no revision ${revision.toString()}`);
}

function behind({ name }: Projection, { stream, revision }: StreamRevision, reached: bigint): NotCaughtUpError {
  const lag = revision - reached;
  const what = `${name} has seen ${stream} up to revision ${reached.toString()}, not ${revision.toString()}`;
  return new NotCaughtUpError("VIEW_BEHIND", `${what}: it is ${lag.toString()} events behind, try again`);
}
