/**
 * Each race that a replay can lose, made to happen every time. The ten that the design names bear those names;
 * `race-guards.test.ts` takes what guards against each out of the code, and looks that its test fails.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BatchWriteItemCommand, type BatchWriteItemCommandInput } from "@aws-sdk/client-dynamodb";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { isAfter, type Position, startOfAll } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { NothingToDoError, ReplayBusyError, ReplayLostError } from "../../../engine/replay/errors.ts";
import type { ReplayObserver, ReplayStep } from "../../../engine/replay/replay.ts";
import { TransitionRefusedError } from "../../../engine/replay/transitions.ts";
import { VerificationFailedError } from "../../../engine/replay/verification.ts";
import { Catalog, type CatalogEntry, type Generation } from "../../../engine/views/catalog.ts";
import type { ProjectedEvent } from "../../../engine/views/projection.ts";
import { type Row, ViewReader } from "../../../engine/views/view-reader.ts";
import { rejection } from "../../local/eventstoredb/event-store-for-test.ts";
import { shared, timeout } from "../views/views-for-test.ts";
import {
  Gate,
  interceptedDynamoDB,
  InterceptedEventStore,
  type Kind,
  kinds,
  startLiveView,
  startView,
  stepped,
  type ViewForReplay,
} from "./replay-for-test.ts";

const [ownedKind, sharedKind] = kinds;

/** Another version of the shared view, in which the rows stand in another order. */
const backwards = {
  ...shared,
  version: 2,
  changes: (event: ProjectedEvent) =>
    shared.changes(event).map((change) => ({
      ...change,
      key: { ...change.key, sort: Array.from(change.key.sort).reverse().join("") },
    })),
};

/** A worker that is frozen before a call: neither it nor its renewals go on until it is woken. */
function frozenBefore(matches: (command: string, input: string) => boolean): {
  readonly dynamodb: ReturnType<typeof interceptedDynamoDB>;
  readonly gate: Gate;
} {
  const gate = new Gate();
  let isFrozen = false;
  const dynamodb = interceptedDynamoDB(async ({ command, input }, send) => {
    isFrozen ||= matches(command, JSON.stringify(input));
    if (isFrozen) await gate.pass();
    return send();
  });
  return { dynamodb, gate };
}

/** A request that the sender has given up, and that takes effect all the same. */
async function landLater({ dynamodb }: ViewForReplay, input: unknown, ms: number): Promise<void> {
  await sleep(ms);
  // The input of a call that was caught on its way, sent as it was.
  await dynamodb.send(new BatchWriteItemCommand(input as BatchWriteItemCommandInput)).catch(() => undefined);
}

const shortLease = { leaseMs: 400 };

/** Long enough for every lease and every late write. */
const later = () => sleep(500);

/** The tests of the design's ten races find out more in the proof, where it may take longer. */
const stride = process.env["TIDEMARK_PROOF"] === undefined ? 4 : 1;

/** A reader to whom no time passes: it never looks at the catalog again by itself. */
class UnhurriedReader extends ViewReader {
  readonly #now = Date.now();

  override async get(...asked: Parameters<ViewReader["get"]>): ReturnType<ViewReader["get"]> {
    const clock = vi.spyOn(Date, "now").mockReturnValue(this.#now);
    try {
      return await super.get(...asked);
    } finally {
      clock.mockRestore();
    }
  }
}

describe.each(kinds)("a replay of $kind", (kind: Kind) => {
  it("an event appended between back-fill and join", async () => {
    const view = await startLiveView(kind);
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "join") return;
      // Of streams that do not move again, and delivered to who knows only the live generation.
      await view.happen(kind, 1, 3, 100);
      await view.deliverAll();
    });
    const { seamEvents } = await view.replay(clients).run({ observer });
    expect(seamEvents).toBe(3);
    await view.expectExact();
  });

  it("a late back-fill write after a live one", async () => {
    const view = await startLiveView(kind);
    const lateWriteMs = 2_500;
    let landing: Promise<unknown> = Promise.resolve();
    let isGone = false;
    const dynamodb = interceptedDynamoDB((call, send) => {
      if (call.command === "BatchWriteItem" && !isGone) {
        isGone = true;
        landing = landLater(view, call.input, 2_000);
      }
      return isGone ? Promise.reject(new Error("its process is gone")) : send();
    });
    const settings = { leaseMs: 100, lateWriteMs, rowsHeldBack: 0, eventsAtOnce: 1 };
    await expect(view.replay({ dynamodb, settings }).run()).rejects.toThrow("its process is gone");
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "swap") return;
      await view.happen(kind);
      await view.deliverAll();
      await landing;
    });
    const outcome = await rejection(view.replay({ ...clients, settings: { lateWriteMs } }).run({ observer })).catch(
      () => "swapped",
    );
    await landing;
    // It has landed before the verification, or the verification has found it.
    if (outcome !== "swapped") expect(outcome).toBeInstanceOf(VerificationFailedError);
    await view.expectExact();
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("a reader caching the old generation", async () => {
    const view = await startLiveView(kind);
    const reader = new UnhurriedReader(view.dynamodb, view.catalog);
    const [partition = "", sort = ""] = kind === ownedKind ? ["0", "account"] : ["totals", "all"];
    const seesAll = async (): Promise<void> => {
      await view.deliverAll();
      const row = await reader.get(view.name, { partition, sort });
      const { rows } = await view.expectedOf(await view.generation("live"));
      expect(row?.attributes).toStrictEqual(rows[`${partition}/${sort}`]);
    };
    await seesAll();
    await view.replay().run();
    await view.happen(kind);
    await seesAll();
    // The table that it knows is gone now.
    await view.replay().retire();
    await view.happen(kind);
    await seesAll();
  });

  it("a crash after every line of the above", async () => {
    let lived = false;
    for (let at = 1; !lived; at += stride) {
      const view = await startView(kind.projection);
      await view.happen(kind, 5);
      let writes = 0;
      const { observer, ...clients } = stepped(
        view,
        async (step) => {
          if (step !== "verify" && step !== "close-seam") return;
          await view.happen(kind, 1, 1, 100 + writes);
        },
        async ({ command }, send) => {
          const isWrite = /^(Put|Update|Delete|BatchWrite|Transact)/.test(command);
          if (writes >= at) throw new Error("the worker is gone");
          const answer = await send();
          if (isWrite && (writes += 1) >= at) throw new Error("the worker is gone");
          return answer;
        },
      );
      lived = await view
        .replay(clients)
        .run({ observer })
        .then(
          () => true,
          () => false,
        );
      await view.letLeasesRunOut();
      await view.replay().run();
      await view.expectExact();
      await view.expectNothingLeftBehind();
      clients.dynamodb.destroy();
    }
  });

  it("while events are appended and projected at every step", async () => {
    const view = await startLiveView(kind);
    await view.replay().run();
    const steps = new Set<ReplayStep>();
    const { observer, ...clients } = stepped(view, async (step) => {
      // Streams that do not move again: the next event of one would bring in what was lost.
      await view.happen(kind, 1, 1, 100 + 10 * steps.size);
      await view.happen(kind, 1, 1);
      await view.deliverAll();
      steps.add(step);
    });
    await view.replay(clients).run({ observer });
    expect([...steps]).toStrictEqual([
      "declare",
      "back-fill",
      "verify",
      "compare",
      "join",
      "close-seam",
      "swap",
      "retire",
    ]);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("that never comes near the tail joins after some rounds all the same", async () => {
    const view = await startLiveView(kind);
    let rounds = 0;
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "verify") return;
      rounds += 1;
      await view.happen(kind);
    });
    await view.replay(clients).run({ observer });
    expect(rounds).toBe(12);
    await view.expectExact();
  });

  it("overlap delivered twice: of back-fill and live delivery, and out of order", async () => {
    const view = await startLiveView(kind);
    const all: StoredEvent[] = [];
    const { observer, ...clients } = stepped(view, async (step) => {
      all.push(...(await view.happen(kind, 2)));
      if (step !== "close-seam" && step !== "swap") return;
      await view.deliver(all.slice(5).reverse());
      await Promise.all([view.deliver(all), view.deliver(all.toReversed())]);
    });
    await view.replay(clients).run({ observer });
    await view.deliver(all.toReversed());
    await view.expectExact();
  });

  it("when a projector that read the catalog before the join acknowledges after it", async () => {
    const view = await startLiveView(kind);
    const delivered = Promise.withResolvers<unknown>();
    const hold = new Gate();
    class SlowCatalog extends Catalog {
      #isFirst = true;

      override async read(projection: string): Promise<CatalogEntry> {
        const entry = await super.read(projection);
        if (this.#isFirst) await hold.pass();
        this.#isFirst = false;
        return entry;
      }
    }
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step === "verify") {
        const events = await view.happen(kind, 1, 1);
        delivered.resolve(view.deliver(events, { catalog: new SlowCatalog(view.dynamodb, view.catalogTable) }));
        await hold.reached;
      }
      if (step === "swap") {
        // It knew only the live generation; another event comes meanwhile, which the seam does not see.
        hold.open();
        expect(await delivered.promise).toStrictEqual({ batchItemFailures: [] });
      }
    });
    await view.replay({ ...clients, settings: { eventsLeftAtJoin: 100 } }).run({ observer });
    const generation = await view.generation("live");
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
  });

  it("is rolled back before delivery brings what closing the seam brought: no row goes back", async () => {
    const view = await startLiveView(kind);
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step === "close-seam") await view.happen(kind, 2);
    });
    await view.replay(clients).run({ observer });
    const seen = await view.contentsOf(await view.generation("live"));
    const { generation } = await view.replay().rollback();
    expect(await view.contentsOf(generation)).toStrictEqual(seen);
    await view.expectExact();
  });

  it("when an event is committed after the seam's tail, and its projector read the catalog before the join", async () => {
    const view = await startLiveView(kind);
    const old = await view.entry();
    class OldCatalog extends Catalog {
      #reads = 0;

      override read(projection: string): Promise<CatalogEntry> {
        return (this.#reads += 1) === 1 ? Promise.resolve(old) : super.read(projection);
      }
    }
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "swap") return;
      const events = await view.happen(kind, 1, 3);
      const catalog = new OldCatalog(view.dynamodb, view.catalogTable);
      expect(await view.deliver(events, { catalog })).toStrictEqual({ batchItemFailures: [] });
    });
    await view.replay(clients).run({ observer });
    const generation = await view.generation("live");
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
  });

  it("two replay workers: the second is told so", async () => {
    const view = await startLiveView(kind);
    let second: unknown;
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step === "verify") second ??= await rejection(view.replay({ settings: shortLease }).run());
    });
    // The renewals must go on while the second worker looks on.
    const renewing = { dynamodb: view.dynamodb, eventStore: clients.eventStore, settings: shortLease };
    await view.replay(renewing).run({ observer });
    expect(second).toBeInstanceOf(ReplayBusyError);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("by two workers that begin at once: one makes it, and there is one generation more", async () => {
    const view = await startLiveView(kind);
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => view.replay({ settings: shortLease }).run()));
    expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        expect([ReplayBusyError, ReplayLostError]).toContain((outcome.reason as Error).constructor);
      }
    }
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("by a second worker that comes when the first has joined: both end well, and the way back is kept", async () => {
    const view = await startLiveView(kind);
    const former = await view.generation("live");
    const gate = new Gate();
    let tails = 0;
    // The second stops in the seam, with a tail of its own, until the first has swapped.
    const eventStore = new InterceptedEventStore(view.eventStore, async (read) => {
      if (read !== "tail") return;
      tails += 1;
      await gate.pass();
    });
    let second: Promise<unknown> = Promise.resolve();
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "swap") return;
      second = view.replay({ eventStore }).run();
      second.catch(() => undefined);
      await gate.reached;
    });
    const first = await view.replay(clients).run({ observer });
    gate.open();
    expect(await second).toStrictEqual({
      view: view.name,
      outcome: "live",
      generation: first.generation,
      seamEvents: 0,
    });
    expect(tails).toBe(1);
    expect((await view.generation("soaking")).id).toBe(former.id);
    await view.expectExact();
  });

  it.each([
    ["a renewal and a batch of rows", (command: string) => command === "BatchWriteItem"],
    [
      "its first checkpoint",
      (command: string, input: string) => command === "UpdateItem" && input.includes("checkpoint"),
    ],
    ["the end of its verification", (command: string) => command === "Scan"],
    [
      "the record of its verification",
      (command: string, input: string) => command === "PutItem" && input.includes("verifiedTo"),
    ],
    ["its join", (command: string, input: string) => command === "PutItem" && input.includes('"joined"')],
  ])("by a worker frozen past its lease before %s, after another has taken over", async (_, matches) => {
    const view = await startView(kind.projection);
    await view.happen(kind, 5);
    const { dynamodb, gate } = frozenBefore(matches);
    const frozen = rejection(view.replay({ dynamodb, settings: shortLease }).run());
    await Promise.race([gate.reached, frozen]);
    await view.happen(kind, 3);
    // The second is in the middle of its own writes, unconditional ones, when the first wakes.
    let woken: unknown;
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "verify" || woken !== undefined) return;
      gate.open();
      woken = await frozen;
      expect((await view.generation("building")).worker).toBeDefined();
    });
    await view.replay(clients).run({ observer });
    expect(woken).toBeInstanceOf(ReplayLostError);
    await view.expectExact();
    await view.expectNothingLeftBehind();
    expect(await view.roles()).toStrictEqual(["live"]);
    dynamodb.destroy();
  });

  it("by a frozen worker that finds the other's rows: it does not put away what the other builds", async () => {
    const view = await startView(kind.projection);
    await view.happen(kind, 5);
    const { dynamodb, gate } = frozenBefore((command) => command === "Scan");
    const frozen = rejection(view.replay({ dynamodb, settings: shortLease }).run());
    await Promise.race([gate.reached, frozen]);
    await view.happen(kind, 5);
    let woken: unknown;
    let verifications = 0;
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step === "verify" && (verifications += 1) === 2) {
        gate.open();
        woken = await frozen;
      }
    });
    const { generation } = await view.replay(clients).run({ observer });
    expect(woken).toBeInstanceOf(ReplayLostError);
    expect((await view.entry()).generations).toStrictEqual([generation]);
    await view.expectExact();
    dynamodb.destroy();
  });

  it("whose late back-fill write lands after a newer one: never swapped wrong", async () => {
    const view = await startLiveView(kind);
    const live = await view.generation("live");
    const before = await view.contentsOf(live);
    let landing: Promise<unknown> = Promise.resolve();
    let calls = 0;
    const dynamodb = interceptedDynamoDB((call, send) => {
      if (call.command !== "BatchWriteItem" || (calls += 1) > 1) return send();
      // Given up, and on its way all the same: it lands when newer ones have.
      landing = landLater(view, call.input, 600);
      return Promise.reject(timeout());
    });
    const settings = { lateWriteMs: 1_000, rowsHeldBack: 0, eventsAtOnce: 1, eventsPerCheckpoint: 100 };
    const error = await rejection(view.replay({ dynamodb, settings }).run());
    await landing;
    expect(error).toBeInstanceOf(VerificationFailedError);
    expect((await view.entry()).generations).toStrictEqual([live]);
    expect(await view.contentsOf(live)).toStrictEqual(before);
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("whose worker is gone with a write on its way: the next one waits for it before it verifies", async () => {
    const view = await startLiveView(kind);
    const live = await view.generation("live");
    let landing: Promise<unknown> = Promise.resolve();
    let isGone = false;
    const dynamodb = interceptedDynamoDB((call, send) => {
      if (call.command === "BatchWriteItem" && !isGone) {
        isGone = true;
        landing = landLater(view, call.input, 300);
      }
      return isGone ? Promise.reject(new Error("its process is gone")) : send();
    });
    const settings = { leaseMs: 1_000, lateWriteMs: 600, rowsHeldBack: 0, eventsAtOnce: 1 };
    await expect(view.replay({ dynamodb, settings }).run()).rejects.toThrow("its process is gone");
    await view.happen(kind, 3);
    await view.deliverAll();
    const outcome = await view
      .replay({ settings: { lateWriteMs: 600 } })
      .run()
      .catch((error: unknown) => error);
    await landing;
    // The old write is of one row's first events: whatever the table held then is what the next worker compared.
    if (outcome instanceof Error) {
      expect(outcome).toBeInstanceOf(VerificationFailedError);
      expect((await view.entry()).generations).toStrictEqual([live]);
    }
    await view.expectExact();
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("projection code changed mid-replay: what was begun is put away, and begun anew by the code that is there", async () => {
    const view = await startLiveView(kind);
    const version2 = { ...kind.projection, version: 2 };
    const stop = new AbortController();
    const observer: ReplayObserver = { step: (step) => (step === "verify" ? stop.abort() : undefined) };
    await rejection(view.replay({}, [kind.projection, version2]).run({ signal: stop.signal, observer }));
    const begun = await view.generation("building");
    expect(begun.version).toBe(2);
    const { generation } = await view.replay({}, [kind.projection]).run();
    expect([generation.version, generation.id === begun.id]).toStrictEqual([1, false]);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("tail read on a follower: what ends before the leader's tail is not swapped, and goes on when the follower has caught up", async () => {
    const view = await startLiveView(kind);
    let end: Position | undefined;
    /** Takes the leader's tail for its own, and has not got so far. */
    class Follower extends InterceptedEventStore {
      override async *readAll(from?: Position, until?: Position): AsyncGenerator<StoredEvent, void> {
        for await (const event of super.readAll(from, until)) {
          if (until !== undefined && end !== undefined && isAfter(event.position, end)) return;
          yield event;
        }
      }
    }
    // The back-fill asks the leader, who has got so far.
    for (const when of ["verify", "close-seam"] as const) {
      let pending: Promise<unknown> = Promise.resolve();
      const eventStore = new Follower(view.eventStore, async () => {
        await pending;
      });
      const lag = async (): Promise<void> => {
        const { commit, prepare } = await view.eventStore.tail();
        if (when === "close-seam") await view.happen(kind);
        end = when === "close-seam" ? { commit, prepare } : { commit: commit - 1n, prepare: prepare - 1n };
      };
      const observer: ReplayObserver = {
        step: (step) => {
          if (step === when) pending = lag();
        },
      };
      await expect(view.replay({ eventStore }).run({ observer })).rejects.toThrow(EventStoreUnavailableError);
      expect(await view.roles()).toStrictEqual(["live", when === "close-seam" ? "joined" : "building"]);
      end = undefined;
    }
    await view.replay().run();
    await view.expectExact();
  });

  it.each(["truncated", "deleted", "deleted for good"] as const)(
    "a stream deleted or truncated: of one that is %s the events still count",
    async (how) => {
      const view = await startLiveView(kind);
      const hidden: StoredEvent[] = [];
      const { observer, ...clients } = stepped(view, async (step) => {
        const index = ["back-fill", "join", "swap"].indexOf(step);
        if (index < 0 || hidden.some(({ stream }) => stream === `account-${index}`)) return;
        const stream = `account-${index}`;
        await view.happen(kind, 2, 1, index);
        if (how === "truncated") await view.client.setStreamMetadata(stream, { truncateBefore: 6 });
        else if (how === "deleted") await view.client.deleteStream(stream);
        else await view.client.tombstoneStream(stream);
        hidden.push(
          ...(how === "deleted for good" ? await tombstoneOf(stream) : await view.append(stream, [kind.eventOf(1)])),
        );
        // Of the two events before, the projector hears nothing but this.
        expect(await view.deliver(hidden.slice(-1))).toStrictEqual({ batchItemFailures: [] });
      });
      /** As a subscription delivers it. */
      const tombstoneOf = async (stream: string): Promise<StoredEvent[]> => {
        const found: StoredEvent[] = [];
        for await (const event of view.eventStore.readAll()) if (event.stream === stream) found.push(event);
        return found.slice(-1);
      };
      const { built } = await view.replay({ ...clients, settings: { eventsLeftAtJoin: 100 } }).run({ observer });
      expect(hidden.length).toBe(3);
      expect(built?.verification.scavengedStreams).toBe(0);
      await view.expectExact();
    },
  );
});

it("a reader paging across the swap, to another version with other keys, sees every row of one version once", async () => {
  const before = await startLiveView(sharedKind);
  const view = before.deployedWith(shared, backwards);
  const pages = async (reader: ViewReader, cursor?: string): Promise<readonly Row[]> => {
    const page = await reader.query(view.name, {
      partition: "totals",
      limit: 2,
      ...(cursor === undefined ? {} : { cursor }),
    });
    return [...page.rows, ...(page.cursor === undefined ? [] : await pages(reader, page.cursor))];
  };
  const { rows } = await view.expectedOf({ version: 1, from: startOfAll });
  const cached = new ViewReader(view.dynamodb, view.catalog);
  const { cursor } = await cached.query(view.name, { partition: "totals", limit: 2 });
  await view.replay().run();
  expect((await view.generation("live")).version).toBe(2);
  const expected = Object.keys(rows)
    .filter((key) => key.startsWith("totals/"))
    .map((key) => key.replace("totals/", ""))
    .sort();
  for (const reader of [cached, new ViewReader(view.dynamodb, view.catalog)]) {
    expect((await pages(reader, cursor)).map(({ key }) => key.sort)).toStrictEqual(expected.slice(2));
  }
});

describe("operators at once", () => {
  const isRefused = (outcome: PromiseSettledResult<unknown>): boolean =>
    outcome.status === "rejected" && outcome.reason instanceof TransitionRefusedError;

  /** Replays whose first catalog writes wait for each other, so that both have read the same epoch. */
  function meeting(view: ViewForReplay): () => ReturnType<ViewForReplay["replay"]> {
    const gate = new Gate();
    let writes = 0;
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "PutItem") {
        if ((writes += 1) === 2) gate.open();
        await gate.pass();
      }
      return send();
    });
    onTestFinished(() => dynamodb.destroy());
    return () => view.replay({ dynamodb });
  }

  async function joined(): Promise<ViewForReplay> {
    const view = await startLiveView(ownedKind);
    const stop = new AbortController();
    const observer: ReplayObserver = { step: (step) => (step === "close-seam" ? stop.abort() : undefined) };
    await rejection(view.replay().run({ signal: stop.signal, observer }));
    await view.generation("joined");
    return view;
  }

  /** What whoever aborts is told when the swap was quicker, whenever he looked. */
  const tooLate = ({ name }: ViewForReplay, soaking: Generation, live: Generation): string =>
    `no replay of ${name} is unfinished: an abort comes too late once the new generation is live. ` +
    `${live.id} is; rollback makes ${soaking.id} live again`;

  it("swap and abort: one wins, and the other is told that it came too late", async () => {
    const view = await joined();
    const former = await view.generation("live");
    const unfinished = await view.generation("joined");
    const replay = meeting(view);
    const [run, abort] = await Promise.allSettled([replay().run(), replay().abort()]);
    expect([run.status, abort.status].sort()).toStrictEqual(["fulfilled", "rejected"]);
    if (run.status === "rejected") {
      expect(run.reason).toStrictEqual(
        new ReplayLostError(`generation ${unfinished.id} of ${view.name} was aborted or retired by somebody else`, {
          cause: (run.reason as Error).cause,
        }),
      );
      expect(await view.roles()).toStrictEqual(["live"]);
    }
    if (abort.status === "rejected") {
      expect(abort.reason).toStrictEqual(
        new NothingToDoError(tooLate(view, former, unfinished), { cause: (abort.reason as Error).cause }),
      );
      expect(await view.roles()).toStrictEqual(["soaking", "live"]);
    }
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it.each([
    ["that looked before the swap and writes after it", true],
    ["that looks after the swap", false],
  ])("an abort %s is told that it came too late", async (_, looksBefore) => {
    const view = await joined();
    const former = await view.generation("live");
    const unfinished = await view.generation("joined");
    const gate = new Gate();
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "PutItem") await gate.pass();
      return send();
    });
    const abort = () => rejection(view.replay({ dynamodb }).abort());
    const early = looksBefore ? abort() : undefined;
    if (looksBefore) await gate.reached;
    await view.replay().run();
    gate.open();
    const error = await (early ?? abort());
    expect(error).toStrictEqual(
      new NothingToDoError(tooLate(view, former, unfinished), { cause: (error as Error).cause }),
    );
    expect(await view.roles()).toStrictEqual(["soaking", "live"]);
    await view.expectExact();
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("a swap that comes after an abort is told that the generation was aborted", async () => {
    const view = await joined();
    const unfinished = await view.generation("joined");
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step === "swap") await view.replay().abort();
    });
    const error = await rejection(view.replay(clients).run({ observer }));
    expect(error).toStrictEqual(
      new ReplayLostError(`generation ${unfinished.id} of ${view.name} was aborted or retired by somebody else`, {
        cause: (error as Error).cause,
      }),
    );
    expect(await view.roles()).toStrictEqual(["live"]);
    await view.expectNothingLeftBehind();
  });

  it("two aborts: the one that comes too late finds nothing to abort", async () => {
    const view = await joined();
    const gate = new Gate();
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "PutItem") await gate.pass();
      return send();
    });
    const late = rejection(view.replay({ dynamodb }).abort());
    await gate.reached;
    await view.replay().abort();
    gate.open();
    const error = await late;
    expect(error).toStrictEqual(
      new NothingToDoError(`no replay of ${view.name} is unfinished`, { cause: (error as Error).cause }),
    );
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("rollback and retire: one wins, and the other is told that it came too late", async () => {
    const view = await startLiveView(ownedKind);
    await view.replay().run();
    const replay = meeting(view);
    const outcomes = await Promise.allSettled([replay().rollback(), replay().retire()]);
    expect(outcomes.filter(isRefused).length).toBe(1);
    expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(1);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("an abort that ends before the table is made leaves no table behind", async () => {
    const view = await startLiveView(ownedKind);
    const live = await view.generation("live");
    const gate = new Gate();
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "CreateTable") await gate.pass();
      return send();
    });
    const run = rejection(view.replay({ dynamodb }).run());
    await gate.reached;
    await view.replay().abort();
    gate.open();
    expect(await run).toBeInstanceOf(ReplayLostError);
    expect((await view.entry()).generations).toStrictEqual([live]);
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("an abort that ends before the lease is taken leaves no progress behind", async () => {
    const view = await startLiveView(ownedKind);
    const gate = new Gate();
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "UpdateItem") await gate.pass();
      return send();
    });
    const run = rejection(view.replay({ dynamodb }).run());
    await gate.reached;
    await view.replay().abort();
    gate.open();
    expect(await run).toBeInstanceOf(ReplayLostError);
    await view.expectNothingLeftBehind();
    dynamodb.destroy();
  });

  it("two that find a blocked generation: both put it away, and neither puts away what the other begins", async () => {
    const view = await joined();
    const entry = await view.entry();
    await view.catalog.transition(
      entry,
      entry.generations.map((generation) =>
        generation.role === "joined" ? { ...generation, blocked: "x" } : generation,
      ),
    );
    const gate = new Gate();
    let puts = 0;
    const dynamodb = interceptedDynamoDB(async ({ command }, send) => {
      if (command === "PutItem" && (puts += 1) === 1) await gate.pass();
      return send();
    });
    const second = view.replay({ dynamodb, settings: shortLease }).run();
    second.catch(() => undefined);
    await gate.reached;
    let begun = "";
    const { observer, ...clients } = stepped(view, async (step, { id }) => {
      if (step !== "verify" || begun !== "") return;
      begun = id;
      gate.open();
      await later();
    });
    const renewing = { ...clients, dynamodb: view.dynamodb, settings: shortLease };
    const { generation } = await view.replay(renewing).run({ observer });
    expect(generation.id).toBe(begun);
    await second.catch((error: unknown) => expect(error).toBeInstanceOf(ReplayBusyError));
    await view.expectExact();
    dynamodb.destroy();
  });
});
