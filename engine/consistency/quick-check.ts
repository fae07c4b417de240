/**
 * The cheap check between two full ones: whether every stream that has moved since the last time is in the view as far as it has
 * moved. It reads what is new in the log and the guards of those streams, no rows, and has applied what never arrived: a hint that
 * was lost is made up for by nothing else until its stream moves again.
 */
import { type DynamoDBClient, DeleteItemCommand, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { CatchUpResponse, StreamRevision } from "../delivery/function-payload.ts";
import { formatPosition, parsePosition, type Position } from "../event-store/position.ts";
import { isTombstone } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import { translated } from "../views/dynamodb.ts";
import type { ItemKey } from "../views/item.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { possibleGuardKeyOf } from "../views/stream-keys.ts";
import { type CheckContext, liveOf } from "./check.ts";
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import { readRevisions } from "./table-items.ts";

export interface QuickCheckContext extends CheckContext {
  /** Keeps, beside the catalog, how far the last check has come. */
  readonly catalogTable: string;
}

export interface QuickCheckOptions {
  /** Has a projector apply the stream up to the revision; undefined when it gave no answer. */
  readonly heal: (upTo: StreamRevision) => Promise<CatchUpResponse | undefined>;
  /** How long delivery may take, in milliseconds, before a stream counts as forgotten; 10 s unless set. */
  readonly waitForGuardsMs?: number;
  readonly onEvents?: (events: number, at: Position, tail: Position) => void;
}

/** A stream that is not in the view as far as it has moved. */
export interface StreamBehind {
  readonly stream: string;
  /** Its last event at the tail that was checked, and the last that is in the view; -1 for none. */
  readonly expected: bigint;
  readonly actual: bigint;
}

export interface QuickCheckReport {
  readonly view: string;
  readonly generation: string;
  /** All events up to it were looked at, by this check or those before. */
  readonly checkedTo: Position;
  /** Events read this time, of all streams, and streams of the view among them. */
  readonly events: number;
  readonly streams: number;
  /** Never delivered, and applied now. */
  readonly healed: readonly StreamBehind[];
  /** Behind an event that was given up: no fault of delivery. */
  readonly waiting: readonly StreamBehind[];
  /** Still behind. The next check looks at them again. */
  readonly behind: readonly StreamBehind[];
}

const eventsAtOnce = 5_000;
const defaultWaitForGuardsMs = 10_000;
const firstPollMs = 25;
const longestPollMs = 500;
const healedAtOnce = 8;

/** Checks the live generation. Throws ViewsUnavailableError and the errors of the event store: then the next check begins where this did. */
export async function quickCheck(
  context: QuickCheckContext,
  versions: readonly [Projection, ...Projection[]],
  { heal, waitForGuardsMs = defaultWaitForGuardsMs, onEvents }: QuickCheckOptions,
): Promise<QuickCheckReport> {
  const { dynamodb, eventStore, catalogTable } = context;
  const view = versions[0].name;
  const { generation, projection } = await liveOf(context, view, versions);
  const scope = { dynamodb, projection, generation };
  const tail = await eventStore.tail();
  const place = { dynamodb, catalogTable, view };
  // What a replay has verified, and closed the seam to, needs no second look.
  const from = (await readCheckedTo(place, generation.id)) ?? generation.sealedTo ?? generation.verifiedTo;
  const moved = new Map<string, bigint>();
  const notThere = new Set<string>();
  let events = 0;
  for await (const round of roundsOfAll(eventStore, from, tail, eventsAtOnce)) {
    const heads = new Map<string, bigint>();
    for (const event of round) {
      if (isTombstone(event) || !readsStream(projection, event.stream)) continue;
      heads.set(event.stream, event.revision);
      moved.set(event.stream, event.revision);
    }
    for (const { stream } of await behindAmong(scope, heads)) notThere.add(stream);
    events += round.length;
    onEvents?.(events, round.at(-1)?.position ?? tail, tail);
  }
  const wanted = new Map([...notThere].map((stream) => [stream, moved.get(stream) ?? -1n]));
  const late = await untilArrived(scope, wanted, waitForGuardsMs);
  const outcomes = await healAll(late, heal);
  const behind = outcomes.filter(({ outcome }) => outcome === "behind").map((each) => each.behind);
  if (behind.length === 0) await saveCheckedTo(place, generation.id, tail);
  return {
    view,
    generation: generation.id,
    checkedTo: tail,
    events,
    streams: moved.size,
    healed: outcomes.filter(({ outcome }) => outcome === "healed").map((each) => each.behind),
    waiting: outcomes.filter(({ outcome }) => outcome === "waiting").map((each) => each.behind),
    behind,
  };
}

interface GuardScope {
  readonly dynamodb: DynamoDBClient;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table">;
}

/** Those of the streams whose guards have not come to the revision. A name that no key can hold has no guard, and is never applied. */
async function behindAmong(
  { dynamodb, projection, generation }: GuardScope,
  heads: ReadonlyMap<string, bigint>,
): Promise<StreamBehind[]> {
  const keys = new Map<string, ItemKey>();
  for (const stream of heads.keys()) {
    const key = possibleGuardKeyOf(projection, stream);
    if (key !== undefined) keys.set(stream, key);
  }
  const seen = await readRevisions(dynamodb, generation.table, keys);
  return [...seen].flatMap(([stream, actual]) => {
    const expected = heads.get(stream) ?? -1n;
    return actual >= expected ? [] : [{ stream, expected, actual }];
  });
}

async function untilArrived(
  scope: GuardScope,
  wanted: ReadonlyMap<string, bigint>,
  waitMs: number,
): Promise<readonly StreamBehind[]> {
  const until = performance.now() + waitMs;
  let late = await behindAmong(scope, wanted);
  for (let poll = firstPollMs; late.length > 0 && performance.now() < until; poll = Math.min(2 * poll, longestPollMs)) {
    await sleep(Math.min(poll, Math.max(0, until - performance.now())));
    late = await behindAmong(scope, new Map(late.map(({ stream, expected }) => [stream, expected])));
  }
  return late;
}

type HealOutcome = "healed" | "waiting" | "behind";

async function healAll(
  late: readonly StreamBehind[],
  heal: QuickCheckOptions["heal"],
): Promise<{ readonly behind: StreamBehind; readonly outcome: HealOutcome }[]> {
  const outcomes: { readonly behind: StreamBehind; readonly outcome: HealOutcome }[] = [];
  const queue = late.values();
  const work = async (): Promise<void> => {
    for (const behind of queue) {
      const answer = await heal({ stream: behind.stream, revision: behind.expected });
      outcomes.push({ behind, outcome: outcomeOf(answer) });
    }
  };
  await Promise.all(Array.from({ length: healedAtOnce }, work));
  return outcomes;
}

function outcomeOf(answer: CatchUpResponse | undefined): HealOutcome {
  if (answer?.catchUp === "applied") return "healed";
  return answer?.catchUp === "quarantined" ? "waiting" : "behind";
}

interface Place {
  readonly dynamodb: DynamoDBClient;
  readonly catalogTable: string;
  readonly view: string;
}

const placeKey = (view: string): { pk: { S: string }; sk: { S: string } } => ({
  pk: { S: view },
  sk: { S: "quick-check" },
});

const placeSchema = z.object({
  generation: z.object({ S: z.string() }),
  checkedTo: z.object({ S: z.string() }),
});

/** How far the last check has come in this generation; undefined when none has. */
async function readCheckedTo(
  { dynamodb, catalogTable, view }: Place,
  generation: string,
): Promise<Position | undefined> {
  const get = new GetItemCommand({ TableName: catalogTable, Key: placeKey(view), ConsistentRead: true });
  const { Item } = await translated(dynamodb.send(get));
  const place = placeSchema.safeParse(Item).data;
  return place?.generation.S === generation ? parsePosition(place.checkedTo.S) : undefined;
}

/** Two checks at once may set it back: then the next looks at some events once more. */
async function saveCheckedTo({ dynamodb, catalogTable, view }: Place, generation: string, to: Position): Promise<void> {
  const item = { ...placeKey(view), generation: { S: generation }, checkedTo: { S: formatPosition(to) } };
  await translated(dynamodb.send(new PutItemCommand({ TableName: catalogTable, Item: item })));
}

/** Of a view that is no more. */
export async function forgetPlace({ dynamodb, catalogTable }: Omit<Place, "view">, view: string): Promise<void> {
  await translated(dynamodb.send(new DeleteItemCommand({ TableName: catalogTable, Key: placeKey(view) })));
}
