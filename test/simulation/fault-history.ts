/**
 * One history: views that are kept up to date by two competing subscribers, rebuilt and swapped while events come in, with
 * faults at every call. When faults end and all has come to rest, every row must be the fold of the log.
 */
import { actionsIn } from "./history-actions.ts";
import { faultsFound } from "./history-verdict.ts";
import { SimulatedTime } from "./simulated-time.ts";
import { World } from "./world.ts";
import { shops, type View, wallets } from "./wallet-views.ts";
import { seededRandom } from "../local/eventstoredb/seeded-random.ts";
import type { FaultKind } from "./faults.ts";

export interface HistoryOutcome {
  readonly seed: number;
  /** What is wrong; none when all went well. */
  readonly problems: readonly string[];
  /** The same seed gives the same. */
  readonly digest: string;
  readonly met: ReadonlyMap<FaultKind, number>;
  readonly events: number;
  readonly requests: number;
  readonly simulatedMs: number;
  /** The last lines of what happened. */
  readonly told: readonly string[];
}

/** What comes to no rest within so much time after the last fault is stuck. */
const patienceMs = 15 * 60_000;
const linesTold = 60;

let warmingUp: Promise<void> | undefined;

/** The SDK looks for files with settings when the first client is made: no simulated clock may run while it reads. */
async function warmUp(): Promise<void> {
  const world = await World.make({ seed: 0, time: new SimulatedTime(0), views: [wallets], intensity: 0 });
  await world.functions.connect(world.process("warm-up")).config.region();
  await world.end();
}

export async function runHistory(seed: number): Promise<HistoryOutcome> {
  await (warmingUp ??= warmUp());
  const time = new SimulatedTime(seed);
  time.install();
  try {
    return await happening(seed, time);
  } finally {
    time.uninstall();
  }
}

async function happening(seed: number, time: SimulatedTime): Promise<HistoryOutcome> {
  const shape = seededRandom(seed ^ 0x1b873593);
  const views = shape.pick<readonly [View, ...View[]]>([[wallets], [shops], [wallets, shops]]);
  // Calm ones too: what goes wrong by itself is told by those.
  const intensity = shape.pick([0, 0.3, 0.6, 1, 1]);
  const poison = shape.pick([0, 0, 0.08, 0.2]);
  const deployment = poison === 0 || shape.between(0, 3) === 0 ? "mended" : "faulty";
  const maximumRetryAttempts = shape.pick([0, 1, 2, 5]);
  const options = { seed, time, views, intensity, deployment, maximumRetryAttempts } as const;
  const world = await within(time, World.make(options));
  const actions = actionsIn(world, poison);
  const problems: string[] = [];
  const isDone = async (work: Promise<unknown>, what: string): Promise<boolean> => {
    const outcome = await settledWithin(time, work);
    if (outcome !== "done") problems.push(`${what}: ${outcome}`);
    return outcome === "done";
  };

  world.startSubscriber();
  world.startSubscriber();
  world.faults.begin();
  await time.run(() => false, time.elapsedMs + 50);
  for (let left = shape.between(3, 6); left > 0; left -= 1) {
    actions.next();
    await time.run(() => false, time.elapsedMs + shape.pick([0, 5, 50, 500, 2_000, 5_000]));
    world.look("between two actions");
  }
  await time.run(() => false, time.elapsedMs + shape.between(0, 3_000));
  world.faults.end();
  world.trace.note("# faults end");

  if (await isDone(actions.settled(), "what was begun does not end")) {
    while (world.subscribers.length < 2) world.startSubscriber();
    closeDropped(world, (stream) => actions.append(stream));
    await isDone(actions.settled(), "the last appends do not end");
    if (world.deployment === "faulty") world.deploy("mended");
    const outcome = await time.run(() => world.isQuiet, time.elapsedMs + patienceMs);
    if (outcome !== "over") problems.push(`stuck: it does not come to rest (${outcome})`);
    world.look("when all is quiet");
    actions.putRight();
    await isDone(actions.settled(), "what was given up cannot be put right");
    await isDone(
      faultsFound(world, actions).then((found) => problems.push(...found)),
      "the rows cannot be judged",
    );
  }
  problems.push(
    ...actions.problems,
    ...actions.operators.problems,
    ...world.store.unknownCalls.map(({ message }) => message),
    ...time.errors.map((error) => `thrown where nobody catches it: ${String(error)}`),
  );
  const { trace, faults, dynamodb } = world;
  const outcome: HistoryOutcome = {
    seed,
    problems,
    digest: trace.digest,
    met: faults.met,
    events: [...actions.appended.values()].reduce((sum, { length }) => sum + length, 0),
    requests: dynamodb.requests,
    simulatedMs: time.elapsedMs,
    told: problems.length === 0 ? [] : trace.last(linesTold),
  };
  await within(time, world.end());
  return outcome;
}

/**
 * An event that a group dropped for good is made up for by the next event of its stream; the last one of a stream by nothing
 * but the consistency check. So such a stream gets another event.
 */
function closeDropped({ store }: World, append: (stream: string) => void): void {
  const streams = new Set(
    store.dropped
      .filter(({ stream, revision }) => revision >= store.log.lastRevision(stream))
      .map(({ stream }) => stream),
  );
  for (const stream of streams) append(stream);
}

async function within<Value>(time: SimulatedTime, work: Promise<Value>): Promise<Value> {
  const outcome = await settledWithin(time, work);
  if (outcome !== "done") throw new Error(outcome);
  return work;
}

/** "done", or why not. */
async function settledWithin(time: SimulatedTime, work: Promise<unknown>): Promise<string> {
  let outcome: string | undefined;
  work.then(
    () => (outcome = "done"),
    (error: unknown) => (outcome = error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
  const ended = await time.run(() => outcome !== undefined, time.elapsedMs + patienceMs);
  return outcome ?? `stuck (${ended})`;
}
