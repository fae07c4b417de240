/** The runbook of a replay, step by step: what is live, what is written, and what is left, after each way it can go. */
import { DeleteItemCommand, PutItemCommand, type ScanCommandInput, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { formatPosition, startOfAll } from "../../../engine/event-store/position.ts";
import {
  NothingToDoError,
  ReplayEventError,
  ReplayInterruptedError,
  ReplayLostError,
  ReplayPositionError,
  ReplayUnfinishedError,
} from "../../../engine/replay/errors.ts";
import { readProgress } from "../../../engine/replay/lease.ts";
import type { LiveDifference } from "../../../engine/replay/live-comparison.ts";
import { prepareViews } from "../../../engine/replay/prepare-views.ts";
import { describeReport } from "../../../engine/replay/run-report.ts";
import type { ReplayObserver, ReplayReport, ReplayStep } from "../../../engine/replay/replay.ts";
import { TransitionRefusedError } from "../../../engine/replay/transitions.ts";
import { VerificationFailedError } from "../../../engine/replay/verification.ts";
import { guardItemKey, rowItemKey } from "../../../engine/views/item.ts";
import { VersionNotDeployedError } from "../../../engine/views/deployed-version.ts";
import { rejection } from "../../local/eventstoredb/event-store-for-test.ts";
import { changed, counted, owned, shared, timeout } from "../views/views-for-test.ts";
import {
  interceptedDynamoDB,
  type Kind,
  kinds,
  quick,
  sharedV2,
  startLiveView,
  startView,
  stepped,
  type ViewForReplay,
} from "./replay-for-test.ts";

const [ownedKind, sharedKind] = kinds;

/** A number that DynamoDB holds and no row of ours can. */
const unreadable = "9007199254740993.5";

/** The error, which must be of this class. */
async function failure<Wanted extends Error>(
  promise: Promise<unknown>,
  wanted: abstract new (...parameters: never[]) => Wanted,
): Promise<Wanted> {
  const error = await rejection(promise);
  if (error instanceof wanted) return error;
  throw error;
}

/** Whether the row is in the new generation too. */
const isInBoth = (found: LiveDifference): boolean =>
  found.explanation !== "undecided" && found.difference.kind !== "row-unexpected";

const stepsOf = async (view: ViewForReplay): Promise<ReplayStep[]> => {
  const steps: ReplayStep[] = [];
  await view.replay().run({ observer: { step: (step) => steps.push(step) } });
  return steps;
};

describe.each(kinds)("a view of $kind", (kind) => {
  it("gets its first generation from nothing, and later events reach it", async () => {
    const view = await startView(kind.projection);
    await view.happen(kind, 7);
    const { built, ...report } = await view.replay().run();
    const generation = await view.generation("live");
    expect(report).toStrictEqual({ view: view.name, outcome: "live", generation, seamEvents: 0 });
    expect(built?.comparison).toBeUndefined();
    await view.happen(kind, 3);
    await view.expectExact();
    await view.expectNothingLeftBehind();
    expect(await view.roles()).toStrictEqual(["live"]);
  });

  it("gets its first generation from a log without any event of it", async () => {
    const view = await startView(kind.projection);
    await view.replay().run();
    expect(await view.contentsOf(await view.generation("live"))).toStrictEqual({ rows: {}, guards: {} });
    await view.happen(kind, 3);
    await view.expectExact();
  });

  it("is rebuilt: the former generation soaks and goes on being written", async () => {
    const view = await startLiveView(kind);
    const first = await view.generation("live");
    await view.happen(kind, 2);
    await view.deliverAll();
    const report = await view.replay().run();
    expect(report.former).toStrictEqual({ ...first, role: "soaking" });
    expect(report.generation).toStrictEqual(await view.generation("live"));
    expect(report.built?.comparison).toStrictEqual({
      same: report.built?.verification.rows,
      damaged: 0,
      behind: 0,
      changed: 0,
      otherOffset: 0,
      undecided: 0,
      differences: [],
    });
    await view.happen(kind, 2);
    await view.expectExact();
    expect(await view.roles()).toStrictEqual(["soaking", "live"]);
  });

  it("goes through the steps in order, and what soaked before is retired last", async () => {
    const view = await startView(kind.projection);
    await view.happen(kind, 2);
    const building = ["declare", "back-fill", "verify", "back-fill", "verify"];
    expect(await stepsOf(view)).toStrictEqual([...building, "join", "close-seam", "swap"]);
    expect(await stepsOf(view)).toStrictEqual([...building, "compare", "join", "close-seam", "swap"]);
    expect(await stepsOf(view)).toStrictEqual([...building, "compare", "join", "close-seam", "swap", "retire"]);
  });

  it("is rolled back and swapped again, exact each time", async () => {
    const view = await startLiveView(kind);
    const first = await view.generation("live");
    const { generation: second } = await view.replay().run();
    await view.happen(kind, 2);
    await view.expectExact();
    const back = await view.replay().rollback();
    expect([back.generation.id, back.former?.id]).toStrictEqual([first.id, second.id]);
    expect(await view.roles()).toStrictEqual(["live", "soaking"]);
    await view.happen(kind, 2);
    await view.expectExact();
    const again = await view.replay().rollback();
    expect([again.generation.id, again.former?.id]).toStrictEqual([second.id, first.id]);
    await view.happen(kind, 2);
    await view.expectExact();
  });

  it("keeps one way back: what soaked before is retired with the swap, and rollback goes to the last", async () => {
    const view = await startLiveView(kind);
    await view.replay().run();
    const second = await view.generation("live");
    const { generation: third } = await view.replay().run();
    expect(await view.roles()).toStrictEqual(["soaking", "live"]);
    await view.expectNothingLeftBehind();
    expect((await view.replay().rollback()).generation.id).toBe(second.id);
    await view.happen(kind);
    await view.expectExact();
    expect((await view.generation("soaking")).id).toBe(third.id);
  });

  it("loses table and progress of a generation that is retired, and then there is no way back", async () => {
    const view = await startLiveView(kind);
    const first = await view.generation("live");
    await view.replay().run();
    expect((await view.replay().retire()).id).toBe(first.id);
    expect(await view.roles()).toStrictEqual(["live"]);
    await view.expectNothingLeftBehind();
    await expect(view.replay().rollback()).rejects.toThrow(NothingToDoError);
    await expect(view.replay().retire()).rejects.toThrow(NothingToDoError);
    await expect(view.replay().abort()).rejects.toThrow(NothingToDoError);
    expect(await view.replay().resume()).toBeUndefined();
    await view.happen(kind);
    await view.expectExact();
  });

  it("is exact with many rows and little memory", async () => {
    const view = await startView(kind.projection);
    await view.happen(kind, 3, 40);
    await view
      .replay({ settings: { rowsInMemory: 2, rowsHeldBack: 0, eventsAtOnce: 3, eventsPerCheckpoint: 1_000 } })
      .run();
    await view.expectExact();
  });

  it("counts with `from` later events only, and guards all", async () => {
    const view = await startLiveView(kind);
    const [event] = (await view.happen(kind, 2)).slice(3);
    if (event === undefined) throw new Error("There are fewer events than the test needs.");
    await view.deliverAll();
    const { generation, built } = await view.replay().run({ from: event.position });
    expect(generation.from).toStrictEqual(event.position);
    const { differences = [], ...counts } = built?.comparison ?? {};
    expect(differences.length).toBeGreaterThan(0);
    expect(counts).toStrictEqual({
      same: (built?.verification.rows ?? 0) - differences.filter(isInBoth).length,
      damaged: 0,
      behind: 0,
      changed: 0,
      otherOffset: differences.length,
      undecided: 0,
    });
    expect(new Set(differences.map(({ explanation }) => explanation))).toStrictEqual(new Set(["other-offset"]));
    await view.happen(kind, 2);
    await view.expectExact();
    const { rows } = await view.contentsOf(generation);
    expect(rows).not.toStrictEqual((await view.expectedOf({ ...generation, from: startOfAll })).rows);
  });

  it("takes 0/0, as replays print it, for the start", async () => {
    const view = await startLiveView(kind);
    const { generation, built } = await view.replay().run({ from: { commit: 0n, prepare: 0n } });
    expect(generation.from).toStrictEqual(startOfAll);
    expect(built?.comparison?.same).toBe(built?.verification.rows);
    await view.expectExact();
  });

  it("is reported as live before what soaked is removed", async () => {
    const view = await startLiveView(kind);
    await view.replay().run();
    const told: unknown[] = [];
    const observer: ReplayObserver = {
      step: (step) => (step === "swap" || step === "retire" ? told.push(step) : undefined),
      swapped: (report) => told.push(report),
      waiting: ({ for: what }) => told.push(what),
    };
    const report = await view.replay().run({ observer });
    expect(told).toStrictEqual(["swap", report, "retire", "readers"]);
  });

  describe("that is being rebuilt", () => {
    /** Runs a replay that is aborted by somebody else at the beginning of a step, with events before and after. */
    const abortedAt = async (
      view: ViewForReplay,
      when: ReplayStep,
    ): Promise<{ error: unknown; steps: ReplayStep[] }> => {
      const steps: ReplayStep[] = [];
      const { observer, ...clients } = stepped(view, async (step) => {
        steps.push(step);
        await view.happen(kind, 1, 1);
        await view.deliverAll();
        if (step === when && steps.filter((other) => other === step).length === 1) await view.replay().abort();
      });
      const error = await rejection(view.replay(clients).run({ observer }));
      return { error, steps };
    };

    it.each(["declare", "back-fill", "verify", "compare", "join", "close-seam"] as const)(
      "aborted at %s, the live generation is as it was and nothing is left",
      async (when) => {
        const view = await startLiveView(kind);
        const live = await view.generation("live");
        const { error, steps } = await abortedAt(view, when);
        // Before the declaration there is nothing to abort yet.
        expect(error).toBeInstanceOf(when === "declare" ? NothingToDoError : ReplayLostError);
        expect(steps).not.toContain("swap");
        if (when === "declare")
          await view
            .replay()
            .abort()
            .catch(() => undefined);
        expect((await view.entry()).generations).toStrictEqual([live]);
        await view.expectExact();
        await view.expectNothingLeftBehind();
      },
    );

    it("aborted at the swap, the swap is refused, and whoever ran it is told why", async () => {
      const view = await startLiveView(kind);
      const live = await view.generation("live");
      const { error } = await abortedAt(view, "swap");
      expect(error).toBeInstanceOf(ReplayLostError);
      expect((error as Error).cause).toBeInstanceOf(TransitionRefusedError);
      expect((await view.entry()).generations).toStrictEqual([live]);
      await view.expectExact();
      await view.expectNothingLeftBehind();
    });

    it("is interrupted, and another run reads only what is after the checkpoint", async () => {
      const view = await startLiveView(kind, 12);
      const stop = new AbortController();
      const context = { settings: { eventsPerCheckpoint: 8, eventsAtOnce: 4 } };
      const running = view.replay(context).run({
        signal: stop.signal,
        observer: { progress: (events) => (events >= 36 ? stop.abort() : undefined) },
      });
      await expect(running).rejects.toThrow(ReplayInterruptedError);
      const begun = await view.generation("building");
      const report = await view.replay(context).run();
      expect(report.generation.id).toBe(begun.id);
      // Of 12 in each of four streams; those that were read when it was interrupted are kept, beyond the last checkpoint too.
      expect(report.built?.events).toBe(12 * 4 - 36);
      await view.expectExact();
    });

    it.each([
      ["events", { eventsPerCheckpoint: 8 }],
      ["time", { eventsPerCheckpoint: 1_000, checkpointEveryMs: 0 }],
    ])("keeps its place by %s: one that fails is gone on with from there", async (_, checkpoints) => {
      const view = await startLiveView(kind, 12);
      const context = { settings: { ...checkpoints, eventsAtOnce: 4 } };
      const progress = (events: number): void => {
        if (events >= 36) throw new Error("no such luck");
      };
      await expect(view.replay(context).run({ observer: { progress } })).rejects.toThrow("no such luck");
      const report = await view.replay(context).run();
      expect(report.built?.events).toBe(12 * 4 - 32);
      await view.expectExact();
    });

    it.each(["the shadow", "the live table"] as const)("is interrupted between two pages of %s", async (which) => {
      const view = await startLiveView(kind);
      const live = await view.generation("live");
      const stop = new AbortController();
      const pages: string[] = [];
      const dynamodb = interceptedDynamoDB(async ({ command, input }, send) => {
        if (command !== "Scan") return send();
        const scan = input as ScanCommandInput;
        scan.Limit = 1;
        const scanned = scan.TableName === live.table ? "the live table" : "the shadow";
        pages.push(scanned);
        const page = await send();
        if (scanned === which) stop.abort();
        return page;
      });
      const error = await rejection(view.replay({ dynamodb }).run({ signal: stop.signal }));
      dynamodb.destroy();
      expect(error).toBeInstanceOf(ReplayInterruptedError);
      expect(pages.filter((scanned) => scanned === which)).toStrictEqual([which]);
      await view.replay().run();
      await view.expectExact();
    });

    it("is interrupted while it waits for events to arrive in the live view", async () => {
      const view = await startLiveView(kind);
      await view.happen(kind);
      const stop = new AbortController();
      const observer: ReplayObserver = { waiting: (wait) => (wait.for === "guards" ? stop.abort() : undefined) };
      const run = view.replay({ settings: { waitForGuardsMs: 60_000 } }).run({ signal: stop.signal, observer });
      await expect(run).rejects.toThrow(ReplayInterruptedError);
      expect(await view.roles()).toStrictEqual(["live", "building"]);
    });

    it("says until when it waits for the lease of a worker that is gone", async () => {
      const view = await startLiveView(kind);
      let isGone = false;
      const dynamodb = interceptedDynamoDB(({ command }, send) => {
        isGone ||= command === "BatchWriteItem";
        return isGone ? Promise.reject(new Error("its process is gone")) : send();
      });
      await expect(view.replay({ dynamodb }).run()).rejects.toThrow("its process is gone");
      dynamodb.destroy();
      const { id } = await view.generation("building");
      const { catalogTable, name: projection } = view;
      const progress = await readProgress({ dynamodb: view.dynamodb, catalogTable, projection, generation: id });
      const waits: unknown[] = [];
      const observer: ReplayObserver = {
        waiting: (wait, generation) => {
          if (wait.for !== "lease") return;
          waits.push({ ...wait, generation: generation.id });
          void view.letLeasesRunOut();
        },
      };
      await view.replay().run({ observer });
      const until = (progress?.leaseUntil ?? 0) + quick.clockSkewMs;
      expect(waits).toStrictEqual([{ for: "lease", until, generation: id }]);
      await view.expectExact();
    });

    it("is taken up by resume, which keeps its `from`", async () => {
      const view = await startLiveView(kind);
      const [, event] = await view.happen(kind);
      if (event === undefined) throw new Error("There are fewer events than the test needs.");
      const interrupted = view.replay().run({ from: event.position, signal: AbortSignal.abort() });
      await expect(interrupted).rejects.toThrow(ReplayInterruptedError);
      expect((await view.replay().resume())?.generation.from).toStrictEqual(event.position);
      await view.expectExact();
    });

    it("cannot be asked for from another event, or to another version, before it is finished or aborted", async () => {
      const view = await startLiveView(kind);
      const [one, other] = await view.happen(kind);
      if (one === undefined || other === undefined) throw new Error("There are fewer events than the test needs.");
      const interrupted = view.replay().run({ from: one.position, signal: AbortSignal.abort() });
      await expect(interrupted).rejects.toThrow(ReplayInterruptedError);
      const before = await view.entry();
      await expect(view.replay().run({ from: other.position })).rejects.toThrow(ReplayUnfinishedError);
      await expect(view.replay().run({ from: startOfAll })).rejects.toThrow(ReplayUnfinishedError);
      const [version] = view.versions;
      await expect(view.replay({}, [version, { ...version, version: 2 }]).run()).rejects.toThrow(ReplayUnfinishedError);
      expect(await view.entry()).toStrictEqual(before);
      await view.replay().abort();
      await view.expectNothingLeftBehind();
    });
  });

  it.each([
    ["between two events", -1n],
    ["beyond the last event", 1_000_000n],
  ])("is not rebuilt from a position %s, and nothing is made", async (_, offset) => {
    const view = await startLiveView(kind);
    const before = await view.entry();
    const { commit, prepare } = await view.eventStore.tail();
    const from = { commit: commit + offset, prepare: prepare + offset };
    const error = await failure(view.replay().run({ from }), ReplayPositionError);
    expect(error.message).toBe(`there is no event at position ${formatPosition(from)}: give that of an event`);
    expect(await view.entry()).toStrictEqual(before);
    await view.expectNothingLeftBehind();
  });

  it("does not lose an event that no table can take: the replay ends and names it", async () => {
    const view = await startLiveView(kind);
    const live = await view.generation("live");
    await view.append("account-bad", [
      { type: "Counted", data: { x: 0.5 } },
      { type: "Changed", data: { add: 1 } },
    ]);
    const { message } = await failure(view.replay().run(), ReplayEventError);
    expect(message).toMatch(/^event [01]@account-bad cannot be applied, and a view without it would be short: /);
    expect((await view.entry()).generations).toStrictEqual([live]);
    await view.expectNothingLeftBehind();
  });

  it("does not lose such an event either that comes in right before the join", async () => {
    const view = await startLiveView(kind);
    const live = await view.generation("live");
    const { observer, ...clients } = stepped(view, async (step) => {
      if (step !== "join") return;
      await view.append("account-bad", [
        { type: "Counted", data: { x: 0.5 } },
        { type: "Changed", data: { add: 1 } },
      ]);
    });
    const { message } = await failure(view.replay(clients).run({ observer }), ReplayEventError);
    expect(message).toMatch(/^event [01]@account-bad cannot be applied to generation [\w-]+$/);
    expect((await view.entry()).generations).toStrictEqual([live]);
    await view.expectNothingLeftBehind();
  });

  it("names the event that is at fault, not one before it whose write met an outage", async () => {
    const view = await startLiveView(kind);
    const { observer, ...clients } = stepped(
      view,
      async (step) => {
        if (step !== "join") return;
        await view.append("account-away", [kind.eventOf(1)]);
        await view.append("account-bad", [
          { type: "Counted", data: { x: 0.5 } },
          { type: "Changed", data: { add: 1 } },
        ]);
      },
      (call, send) =>
        /^(UpdateItem|TransactWriteItems)$/.test(call.command) && JSON.stringify(call.input).includes("away")
          ? Promise.reject(Object.assign(new Error("slow down"), { name: "ThrottlingException" }))
          : send(),
    );
    const { message } = await failure(view.replay(clients).run({ observer }), ReplayEventError);
    expect(message).toMatch(/^event [01]@account-bad cannot be applied to generation [\w-]+$/);
  });

  it("resends what DynamoDB leaves unprocessed or throttles", async () => {
    const view = await startView(kind.projection);
    await view.happen(kind, 4, 30);
    let batches = 0;
    const dynamodb = interceptedDynamoDB((call, send) => {
      if (call.command !== "BatchWriteItem") return send();
      batches += 1;
      if (batches % 3 === 0)
        return Promise.reject(Object.assign(new Error("slow down"), { name: "ThrottlingException" }));
      return send();
    });
    // Takes the first of a batch and leaves the others for later.
    dynamodb.middlewareStack.add(
      (next, context) => async (args) => {
        const input = args.input as { RequestItems?: Record<string, unknown[]> };
        const [table, items] = Object.entries(input.RequestItems ?? {})[0] ?? [];
        if (context["commandName"] !== "BatchWriteItemCommand" || table === undefined || items === undefined)
          return next(args);
        const answer = await next({ ...args, input: { ...input, RequestItems: { [table]: items.slice(0, 1) } } });
        Object.assign(answer.output, { UnprocessedItems: items.length > 1 ? { [table]: items.slice(1) } : {} });
        return answer;
      },
      { step: "initialize", priority: "low" },
    );
    const few = { eventsAtOnce: 1_000, eventsPerCheckpoint: 1_000, rowsInMemory: 1_000, rowsHeldBack: 1_000 };
    await view.replay({ dynamodb, settings: few }).run();
    dynamodb.destroy();
    expect(batches).toBeGreaterThan(5);
    await view.expectExact();
  });
});

describe("damage", () => {
  it("in live rows that streams own is explained by the comparison, and mended by the swap", async () => {
    const view = await startLiveView(ownedKind);
    const live = await view.generation("live");
    const key = (id: string) => ({ partition: id, sort: "account" });
    const before = (await view.contentsOf(live)).rows["1/account"];
    await view.dynamodb.send(
      new UpdateItemCommand({
        TableName: live.table,
        Key: { ...rowItemKey(key("1")) },
        UpdateExpression: "SET #sum = :sum",
        ExpressionAttributeNames: { "#sum": "sum" },
        ExpressionAttributeValues: { ":sum": { N: unreadable } },
      }),
    );
    await view.dynamodb.send(
      new PutItemCommand({ TableName: live.table, Item: { ...rowItemKey(key("x")), a: { N: "1" } } }),
    );
    const { built } = await view.replay().run();
    expect(built?.comparison).toMatchObject({ same: 3, damaged: 2, changed: 0, undecided: 0 });
    expect(built?.comparison?.differences).toMatchObject([
      { explanation: "damage-in-live", difference: { kind: "row-differs", key: key("1"), expected: before } },
      {
        explanation: "damage-in-live",
        difference: { kind: "row-unexpected", key: key("x"), actual: { a: 1 } },
      },
    ]);
    const generation = await view.generation("live");
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
  });

  it("in live shared rows is explained exactly, and mended by the swap", async () => {
    const view = await startLiveView(sharedKind);
    const live = await view.generation("live");
    const Item = { ...rowItemKey({ partition: "totals", sort: "all" }), sum: { N: "1" } };
    const expected = (await view.contentsOf(live)).rows["totals/all"];
    await view.dynamodb.send(new PutItemCommand({ TableName: live.table, Item }));
    const { built } = await view.replay().run();
    expect(built?.comparison?.differences).toStrictEqual([
      {
        explanation: "damage-in-live",
        difference: { kind: "row-differs", key: { partition: "totals", sort: "all" }, expected, actual: { sum: 1 } },
      },
    ]);
    const generation = await view.generation("live");
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
  });

  it("that took away a live row and its guard is damage, and no row that has not arrived yet", async () => {
    const view = await startLiveView(ownedKind);
    const live = await view.generation("live");
    const key = { partition: "2", sort: "account" };
    const { "2/account": expected, ...others } = (await view.contentsOf(live)).rows;
    await view.dynamodb.send(new DeleteItemCommand({ TableName: live.table, Key: { ...rowItemKey(key) } }));
    const { built } = await view.replay().run();
    expect(built?.comparison).toStrictEqual({
      same: Object.keys(others).length,
      damaged: 1,
      behind: 0,
      changed: 0,
      otherOffset: 0,
      undecided: 0,
      differences: [{ explanation: "damage-in-live", difference: { kind: "row-missing", key, expected } }],
    });
    const generation = await view.generation("live");
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
  });

  it("that took away a live shared row and the guards of its streams is damage too", async () => {
    const view = await startLiveView(sharedKind);
    const live = await view.generation("live");
    const key = { partition: "new", sort: "row" };
    await view.append("account-9", [counted({ lonely: 3 })]);
    await view.deliverAll();
    const lonely = { partition: "totals", sort: "lonely" };
    for (const item of [rowItemKey(lonely), guardItemKey("account-9")]) {
      await view.dynamodb.send(new DeleteItemCommand({ TableName: live.table, Key: { ...item } }));
    }
    await view.dynamodb.send(
      new PutItemCommand({ TableName: live.table, Item: { ...rowItemKey(key), sum: { N: "1" } } }),
    );
    const { built } = await view.replay().run();
    expect(built?.comparison).toStrictEqual({
      same: 5,
      damaged: 2,
      behind: 0,
      changed: 0,
      otherOffset: 0,
      undecided: 0,
      differences: [
        { explanation: "damage-in-live", difference: { kind: "row-unexpected", key, actual: { sum: 1 } } },
        {
          explanation: "damage-in-live",
          difference: { kind: "row-missing", key: lonely, expected: { sum: 3, events: 1 } },
        },
      ],
    });
  });

  it.each(kinds)("is not what arrives in the live view while it is waited for ($kind)", async (kind: Kind) => {
    const view = await startLiveView(kind);
    await view.happen(kind, 1, 6);
    const observer: ReplayObserver = {
      waiting: (wait) => (wait.for === "guards" ? void view.deliverAll() : undefined),
    };
    const { built } = await view.replay({ settings: { waitForGuardsMs: 60_000 } }).run({ observer });
    expect(built?.comparison).toStrictEqual({
      same: built?.verification.rows,
      damaged: 0,
      behind: 0,
      changed: 0,
      otherOffset: 0,
      undecided: 0,
      differences: [],
    });
    await view.expectExact();
  });

  it.each(kinds)("is not what stays behind, which is told apart ($kind)", async (kind: Kind) => {
    const view = await startLiveView(kind);
    const live = await view.generation("live");
    const actual = (await view.contentsOf(live)).rows;
    await view.append("account-1", [
      kind === ownedKind ? changed({ set: { last: "late" } }) : counted({ all: 9, "row-1": 4 }),
    ]);
    const expected = (await view.expectedOf(live)).rows;
    const keys =
      kind === ownedKind
        ? [{ partition: "1", sort: "account" }]
        : ["all", "row-1"].map((sort) => ({ partition: "totals", sort }));
    const { built } = await view.replay().run();
    const { differences, ...counts } = built?.comparison ?? {};
    expect(counts).toStrictEqual({
      same: Object.keys(actual).length - keys.length,
      damaged: 0,
      behind: keys.length,
      changed: 0,
      otherOffset: 0,
      undecided: 0,
    });
    expect(new Set(differences)).toStrictEqual(
      new Set(
        keys.map((key) => ({
          explanation: "behind-in-live",
          difference: {
            kind: "row-differs",
            key,
            expected: expected[`${key.partition}/${key.sort}`],
            actual: actual[`${key.partition}/${key.sort}`],
          },
        })),
      ),
    );
    await view.expectExact();
  });

  it("of the shadow before it is verified ends the replay with the exact differences, and live is untouched", async () => {
    const view = await startLiveView(sharedKind);
    const live = await view.generation("live");
    const contents = await view.contentsOf(live);
    const stream = guardItemKey("account-1");
    let expectedRow: unknown;
    const { observer, ...clients } = stepped(view, async (step, { table }) => {
      if (step !== "verify") return;
      expectedRow = contents.rows["totals/row-1"];
      await view.dynamodb.send(new DeleteItemCommand({ TableName: table, Key: { ...stream } }));
      await view.dynamodb.send(
        new PutItemCommand({
          TableName: table,
          Item: { ...rowItemKey({ partition: "totals", sort: "row-1" }), sum: { N: "7" } },
        }),
      );
      await view.dynamodb.send(
        new PutItemCommand({
          TableName: table,
          Item: { ...rowItemKey({ partition: "totals", sort: "odd" }), sum: { N: unreadable } },
        }),
      );
    });
    const error = await failure(view.replay(clients).run({ observer }), VerificationFailedError);
    const { guards } = await view.expectedOf(live);
    expect(error.count).toBe(3);
    expect(new Set(error.differences)).toMatchObject(
      new Set([
        {
          kind: "row-differs",
          key: { partition: "totals", sort: "row-1" },
          expected: expectedRow,
          actual: { sum: 7 },
        },
        { kind: "row-unexpected", key: { partition: "totals", sort: "odd" } },
        { kind: "guard-behind", stream: "account-1", actual: undefined },
      ]),
    );
    expect(guards["account-1"]).toBeDefined();
    expect((await view.entry()).generations).toStrictEqual([live]);
    expect(await view.contentsOf(live)).toStrictEqual(contents);
    await view.expectNothingLeftBehind();
  });

  it("of a row that moved after it was verified once is found by the second verification", async () => {
    const view = await startLiveView(ownedKind);
    const live = await view.generation("live");
    let verified = 0;
    const { observer, ...clients } = stepped(view, async (step, { table }) => {
      if (step === "back-fill") await view.happen(ownedKind);
      if (step !== "verify") return;
      verified += 1;
      const Item = { ...rowItemKey({ partition: "2", sort: "account" }) };
      if (verified === 2) await view.dynamodb.send(new PutItemCommand({ TableName: table, Item }));
    });
    const error = await failure(view.replay(clients).run({ observer }), VerificationFailedError);
    expect(error.differences.map(({ kind }) => kind)).toStrictEqual(["row-missing", "guard-behind"]);
    expect((await view.entry()).generations).toStrictEqual([live]);
    await view.expectNothingLeftBehind();
  });
});

describe("two versions side by side", () => {
  it("are both written while the former soaks, and a rollback brings back the former's rows", async () => {
    const view = await startView(shared);
    await view.happen(sharedKind, 5);
    await view.replay().run();
    const both = view.deployedWith(shared, sharedV2);
    const { generation, built } = await both.replay().run();
    expect(generation.version).toBe(2);
    expect(built?.comparison).toMatchObject({ same: 0, damaged: 0, changed: 5, undecided: 0 });
    await both.happen(sharedKind, 2);
    await both.expectExact();
    expect(Object.keys((await both.contentsOf(generation)).rows["totals/all"] ?? {})).toStrictEqual(["double"]);
    const back = await both.replay().rollback();
    expect(back.generation.version).toBe(1);
    await both.happen(sharedKind, 2);
    await both.expectExact();
  });

  it("are both needed: without the former's code nothing is projected, rolled back to, or prepared", async () => {
    const view = await startView(shared);
    const events = await view.happen(sharedKind, 2);
    await view.replay().run();
    const both = view.deployedWith(shared, sharedV2);
    await expect(both.deliver(events, {}, [sharedV2])).rejects.toThrow(VersionNotDeployedError);
    await both.replay().run();
    await expect(both.replay({}, [sharedV2]).rollback()).rejects.toThrow(
      "it is made by version 1, which is not deployed",
    );
    await expect(prepareViews(contextOf(both), [[sharedV2]])).rejects.toThrow(VersionNotDeployedError);
    expect(await both.roles()).toStrictEqual(["soaking", "live"]);
  });
});

const contextOf = ({ dynamodb, eventStore, catalog, quarantine, catalogTable, tablePrefix }: ViewForReplay) => ({
  dynamodb,
  eventStore,
  catalog,
  quarantine,
  catalogTable,
  tablePrefix,
  settings: { readerCacheMs: 5, lateWriteMs: 50 },
});

describe("a projector that cannot write the joined shadow", () => {
  it("blocks it: the live view has the event, the swap is refused, and the next run begins anew", async () => {
    const view = await startLiveView(sharedKind);
    const live = await view.generation("live");
    let shadow = "";
    const { observer, ...clients } = stepped(view, async (step, { id, table }) => {
      if (step !== "swap") return;
      shadow = id;
      const dynamodb = interceptedDynamoDB((call, send) =>
        JSON.stringify(call.input).includes(table) ? Promise.reject(new Error("no such luck")) : send(),
      );
      const events = await view.append("account-9", [counted({ all: 1 })]);
      expect(await view.deliver(events, { dynamodb })).toStrictEqual({ batchItemFailures: [] });
      dynamodb.destroy();
    });
    const error = await failure(view.replay(clients).run({ observer }), TransitionRefusedError);
    expect(error.message).toBe(`swap of generation ${shadow} of shared is refused: it is blocked: no such luck`);
    expect((await view.entry()).generations).toStrictEqual([live]);
    expect(await view.contentsOf(live)).toStrictEqual(await view.expectedOf(live));
    await view.expectNothingLeftBehind();
    const { generation } = await view.replay().run();
    expect(generation.id).not.toBe(shadow);
    await view.expectExact();
  });

  it("does so after several tries when the tables do not answer; its worker is gone, and another begins anew", async () => {
    const view = await startLiveView(ownedKind);
    let tries = 0;
    let isGone = false;
    const { observer, ...clients } = stepped(
      view,
      async (step, { table }) => {
        if (step !== "close-seam") return;
        isGone = true;
        const dynamodb = interceptedDynamoDB((call, send) => {
          if (!JSON.stringify(call.input).includes(table)) return send();
          tries += 1;
          return Promise.reject(timeout());
        });
        const events = await view.happen(ownedKind, 1, 1);
        expect(await view.deliver(events, { dynamodb })).toStrictEqual({ batchItemFailures: [] });
        dynamodb.destroy();
      },
      (_, send) => (isGone ? Promise.reject(new Error("its process is gone")) : send()),
    );
    await expect(view.replay(clients).run({ observer })).rejects.toThrow("its process is gone");
    expect(tries).toBe(3);
    const blocked = await view.generation("joined");
    expect(blocked.blocked).toBe("DynamoDB does not answer or is throttling: try again");
    const { generation } = await view.replay().run();
    expect(generation.id).not.toBe(blocked.id);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("blocks a former generation too, which can then only be retired", async () => {
    const view = await startLiveView(ownedKind);
    await view.replay().run();
    const { table } = await view.generation("soaking");
    const dynamodb = interceptedDynamoDB((call, send) =>
      JSON.stringify(call.input).includes(table) ? Promise.reject(new Error("no such luck")) : send(),
    );
    expect(await view.deliver(await view.happen(ownedKind), { dynamodb })).toStrictEqual({ batchItemFailures: [] });
    dynamodb.destroy();
    await expect(view.replay().rollback()).rejects.toThrow("is refused: it is blocked: no such luck");
    await view.replay().retire();
    expect(await view.roles()).toStrictEqual(["live"]);
    await view.expectExact();
  });
});

describe("prepareViews", () => {
  it.each(kinds)("makes the first generation once, by however many at once ($kind)", async (kind: Kind) => {
    const view = await startView(kind.projection);
    await view.happen(kind, 3);
    const prepare = async () => (await prepareViews(contextOf(view), [view.versions])).map(({ outcome }) => outcome);
    const outcomes = await Promise.all([prepare(), prepare(), prepare()]);
    expect(outcomes).toContainEqual(["prepared"]);
    expect(await view.roles()).toStrictEqual(["live"]);
    await view.expectExact();
    await view.expectNothingLeftBehind();
    expect(await prepare()).toStrictEqual(["present"]);
  });

  it("goes on from the checkpoint when its time ran out", async () => {
    const view = await startView(owned);
    await view.happen(ownedKind, 3);
    const timeIsUp = new AbortController();
    const step = (): void => timeIsUp.abort();
    const views = [view.versions];
    const stopped = await prepareViews(contextOf(view), views, { signal: timeIsUp.signal, observer: { step } });
    expect(stopped).toStrictEqual([{ view: "owned", outcome: "unfinished" }]);
    expect(await prepareViews(contextOf(view), views)).toStrictEqual([{ view: "owned", outcome: "prepared" }]);
    expect(await view.roles()).toStrictEqual(["live"]);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("fails when what is wrong is not another worker", async () => {
    const view = await startView(owned);
    await view.append("account-bad", [{ type: "Changed", data: { add: 1 } }]);
    await expect(prepareViews(contextOf(view), [view.versions])).rejects.toThrow(ReplayEventError);
    expect(await view.roles()).toStrictEqual([]);
    await view.expectNothingLeftBehind();
  });
});

describe("the report of a replay", () => {
  it("says all in JSON", async () => {
    const view = await startLiveView(sharedKind);
    const { table } = await view.generation("live");
    const Item = { ...rowItemKey({ partition: "totals", sort: "odd" }), sum: { N: "1" } };
    await view.dynamodb.send(new PutItemCommand({ TableName: table, Item }));
    const report: ReplayReport = await view.replay().run();
    expect(JSON.parse(JSON.stringify(describeReport(report)))).toStrictEqual({
      view: "shared",
      outcome: "live",
      generation: report.generation.id,
      version: 1,
      from: "0/0",
      former: report.former?.id,
      events: report.built?.events,
      written: report.built?.written,
      verifiedTo: formatPosition(await view.eventStore.tail()),
      verified: { rows: 5, guards: 4, scavengedStreams: 0 },
      comparedWithLive: {
        generation: report.former?.id,
        version: 1,
        same: 5,
        damaged: 1,
        behind: 0,
        changed: 0,
        otherOffset: 0,
        undecided: 0,
        differences: [{ explanation: "damage-in-live", row: "totals / odd", found: { sum: 1 } }],
      },
      seamEvents: 0,
    });
  });
});
