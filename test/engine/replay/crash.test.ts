/**
 * A crash at every line: a worker dies at its first write, its second, and so on to its last, before and after it takes
 * effect, while events are appended and projected. Whoever takes over ends with exact views, and nothing is left behind.
 */
import { afterEach, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import type { EventStore } from "../../../engine/event-store/event-store.ts";
import type { Position } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import type { ReplayStep } from "../../../engine/replay/replay.ts";
import { liveGeneration } from "../../../engine/views/catalog.ts";
import { InterceptedEventStore, type Kind, kinds, stepped, ViewForReplay } from "./replay-for-test.ts";

const casesAtOnce = 8;

const settings = { lateWriteMs: 20, eventsLeftAtJoin: 5, rowsInMemory: 4, eventsAtOnce: 5 };

/** For what is no part of the test: as few calls as can be. */
const inOneGo = { eventsAtOnce: 1_000, eventsPerCheckpoint: 1_000, rowsInMemory: 1_000, rowsHeldBack: 1_000 };

const views: ViewForReplay[] = [];

// Not as each case ends: the store's client, when it is disposed of, fails appends of all other clients of the process.
afterEach(async () => {
  await Promise.all(views.splice(0).map((view) => view.stop()));
});

const dead = (): Error => new Error("the worker is gone");

/** `npm run proof` crashes at every call; `npm test` at every fifth, which are others each time the calls change. */
const stride = process.env["TIDEMARK_PROOF"] === undefined ? 20 : 1;

/** Runs `crashAt` for call after call, several at once, until one says that its worker lived. Returns how many died. */
async function atEveryCall(crashAt: (call: number) => Promise<"died" | "lived">): Promise<number> {
  let next = 1;
  let died = 0;
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver) {
      const call = next;
      next += stride;
      const outcome = await crashAt(call).catch((cause: unknown) => {
        isOver = true;
        throw new Error(`after a crash at call ${call}`, { cause });
      });
      if (outcome === "died") died += 1;
      else isOver = true;
    }
  };
  await Promise.all(Array.from({ length: casesAtOnce }, work));
  return died;
}

/** A view with a generation that is live and another that soaks, so that every step has something to do; or an empty one. */
async function viewBefore(kind: Kind, isFirst: boolean): Promise<ViewForReplay> {
  const view = await ViewForReplay.start(kind.projection);
  views.push(view);
  await view.happen(kind, 4, 3);
  if (isFirst) return view;
  await view.replay({ settings: inOneGo }).run();
  await view.replay({ settings: inOneGo }).run();
  return view;
}

/** What a schedule does when the lease of the worker that is gone has run out. */
async function finish(view: ViewForReplay): Promise<void> {
  await view.letLeasesRunOut();
  const replay = view.replay({ settings });
  await (liveGeneration(await view.entry()) === undefined ? replay.run() : replay.resume());
}

/** Steps at which events are appended and projected: on both sides of each step that may lose one. */
const moving: ReadonlySet<ReplayStep> = new Set(["back-fill", "compare", "join", "close-seam", "swap"]);
const reads: ReadonlySet<string> = new Set(["GetItem", "BatchGetItem", "Scan", "DescribeTable"]);

type Death = "before it takes effect" | "after it took effect";

async function crashing(kind: Kind, isFirst: boolean, at: number, death: Death): Promise<"died" | "lived"> {
  const view = await viewBefore(kind, isFirst);
  let calls = 0;
  let stream = 100;
  const { dynamodb, eventStore, observer } = stepped(
    view,
    async (step) => {
      if (!moving.has(step)) return;
      // A stream of its own, which does not move again: its next event would bring in what was lost.
      await view.happen(kind, 1, 1, (stream += 1));
      await view.deliverAll();
    },
    async ({ command }, send) => {
      if (calls >= at) throw dead();
      // What a death at a read leaves behind is what one after the write before it does.
      if (reads.has(command)) return send();
      calls += 1;
      if (calls < at) return send();
      if (calls === at && death === "after it took effect") await send();
      throw dead();
    },
  );
  const run = view.replay({ dynamodb, eventStore, settings }).run({ observer });
  const outcome = await run.then(
    () => "lived" as const,
    () => "died" as const,
  );
  await finishedExactly(view, kind);
  dynamodb.destroy();
  return outcome === "lived" && calls < at ? "lived" : "died";
}

async function finishedExactly(view: ViewForReplay, kind: Kind): Promise<void> {
  await view.happen(kind, 1, 2);
  await finish(view);
  await view.expectExact();
  expect((await view.roles()).filter((role) => role !== "live" && role !== "soaking")).toStrictEqual([]);
  await view.expectNothingLeftBehind();
}

/** Reads fail from the `at`th on, which still gives its first events. */
class FailingEventStore extends InterceptedEventStore {
  reads = 0;
  readonly #at: number;

  constructor(store: EventStore, at: number) {
    super(store, () => {
      this.reads += 1;
      return this.reads > at ? Promise.reject(down()) : Promise.resolve();
    });
    this.#at = at;
  }

  override async *readAll(from?: Position, until?: Position): AsyncGenerator<StoredEvent, void> {
    let events = 0;
    for await (const event of super.readAll(from, until)) {
      if (this.reads >= this.#at && (events += 1) > 6) throw down();
      yield event;
    }
    if (this.reads >= this.#at) throw down();
  }

  override async tail(): Promise<Position> {
    const tail = await super.tail();
    if (this.reads >= this.#at) throw down();
    return tail;
  }
}

const down = (): Error => new EventStoreUnavailableError("the event store is down");

async function readsFailing(kind: Kind, at: number): Promise<"died" | "lived"> {
  const view = await viewBefore(kind, false);
  const eventStore = new FailingEventStore(view.eventStore, at);
  const outcome = await view
    .replay({ eventStore, settings })
    .run()
    .then(
      () => "lived" as const,
      (error: unknown) => {
        expect(error).toBeInstanceOf(EventStoreUnavailableError);
        return "died" as const;
      },
    );
  await finishedExactly(view, kind);
  return outcome;
}

describe.each(kinds)("a crash at every write, of a replay of $kind", (kind) => {
  it("after it took effect", async () => {
    expect(await atEveryCall((call) => crashing(kind, false, call, "after it took effect"))).toBeGreaterThan(
      15 / stride,
    );
  });

  it("before it takes effect, of the view's first generation", async () => {
    expect(await atEveryCall((call) => crashing(kind, true, call, "before it takes effect"))).toBeGreaterThan(
      15 / stride,
    );
  });

  it("at every read of the event store", async () => {
    expect(await atEveryCall((read) => readsFailing(kind, read))).toBeGreaterThan(4 / stride);
  });
});
