/** Whoever goes on with a replay begins no other, and does it as it was begun. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { NothingToDoError, ReplayEventError, ReplayPausedError } from "../../../engine/replay/errors.ts";
import { prepareViews } from "../../../engine/replay/prepare-views.ts";
import { Replay, type ReplayObserver, RetirementFailedError } from "../../../engine/replay/replay.ts";
import { replayStatus } from "../../../engine/replay/replay-status.ts";
import { transit, type TransitionName } from "../../../engine/replay/transitions.ts";
import { VersionNotDeployedError } from "../../../engine/views/deployed-version.ts";
import { entryName } from "../../../engine/views/catalog.ts";
import { deleteGenerationTable } from "../../../engine/views/generation-table.ts";
import { rejection } from "../../local/eventstoredb/event-store-for-test.ts";
import {
  interceptedDynamoDB,
  kinds,
  quick,
  sharedV2,
  startLiveView,
  startView,
  stepped,
  type ViewForReplay,
} from "./replay-for-test.ts";

const contextOf = ({ dynamodb, eventStore, catalog, quarantine, catalogTable, tablePrefix }: ViewForReplay) => ({
  ...{ dynamodb, eventStore, catalog, quarantine, catalogTable, tablePrefix },
  settings: quick,
});

/** A replay that is cut off before its verification. */
async function cutOff(replay: Replay, wishes: Parameters<Replay["start"]>[0] = {}): Promise<void> {
  const stop = new AbortController();
  const observer: ReplayObserver = { step: (step) => (step === "verify" ? stop.abort() : undefined) };
  await rejection(replay.start({ ...wishes, signal: stop.signal, observer }));
}

const scopeOf = (view: ViewForReplay) => ({ catalog: view.catalog, view: view.name, versions: view.versions });

/** What a write of the catalog notes last in its history. */
function transitionIn(input: unknown): string | undefined {
  const note = z.object({ M: z.object({ transition: z.object({ S: z.string() }) }) });
  const item = z.object({ Item: z.object({ history: z.object({ L: z.array(note) }) }) }).safeParse(input);
  return item.data?.Item.history.L.at(-1)?.M.transition.S;
}

/** A client of a worker for which `work` is done ahead of its first write of this transition. */
function before(transition: TransitionName, work: () => Promise<unknown>): DynamoDBClient {
  let isDone = false;
  return interceptedDynamoDB(async ({ command, input }, send) => {
    if (!isDone && command === "PutItem" && transitionIn(input) === transition) {
      isDone = true;
      await work();
    }
    return send();
  });
}

describe.each(kinds)("a replay of $kind that is gone on with", (kind) => {
  it("is begun by nobody once it was aborted, and nobody else's is taken for it", async () => {
    const view = await startLiveView(kind);
    await cutOff(view.replay());
    const { id } = await view.generation("building");
    await view.replay().abort();
    const goOn = () =>
      Replay.startTogether([view.replay()], { autoSwap: true, goesOnWith: new Map([[view.name, id]]) });
    expect(await goOn()).toMatchObject([{ error: expect.any(NothingToDoError) as unknown }]);
    expect(await view.roles()).toStrictEqual(["live"]);
    await cutOff(view.replay());
    expect(await goOn()).toMatchObject([{ error: expect.any(NothingToDoError) as unknown }]);
    expect(await view.roles()).toStrictEqual(["live", "building"]);
  });

  it("is not begun by a resume whose replay was aborted when it had looked", async () => {
    const view = await startLiveView(kind);
    await cutOff(view.replay());
    let reads = 0;
    const dynamodb = interceptedDynamoDB(async ({ command, input }, send) => {
      const answer = await send();
      // The catalog, for the fourth time: that is what the resume decides by.
      if (command === "GetItem" && JSON.stringify(input).includes(view.catalogTable) && (reads += 1) === 4) {
        await view.replay().abort();
      }
      return answer;
    });
    expect(await view.replay({ dynamodb }).resume()).toBeUndefined();
    dynamodb.destroy();
    expect(reads).toBeGreaterThan(4);
    expect(await view.roles()).toStrictEqual(["live"]);
  });

  it("and has to be begun anew keeps what it was begun with, whoever does it", async () => {
    const view = await startLiveView(kind);
    const [first] = await view.happen(kind, 2);
    await view.deliverAll();
    const from = first?.position;
    if (from === undefined) throw new Error("events happened");
    await cutOff(view.replay(), { from, rate: 5_000, autoSwap: false, soakHours: 3 });
    const begun = await view.generation("building");
    const next = view.deployedWith({ ...kind.projection, version: 2 });
    await expect(next.replay().resume()).resolves.toMatchObject({ outcome: "ready" });
    const again = await next.generation("joined");
    expect(again.id).not.toBe(begun.id);
    const { version, rate, autoSwap, soakHours } = again;
    expect({ from: again.from, version, rate, autoSwap, soakHours }).toStrictEqual({
      from,
      version: 2,
      rate: 5_000,
      autoSwap: false,
      soakHours: 3,
    });
  });

  it("as a view as of a position ends where it was to end, also when other code begins it anew", async () => {
    const view = await startLiveView(kind);
    const until = await view.eventStore.tail();
    await cutOff(new Replay(contextOf(view), view.versions, "q3"), { until });
    await view.happen(kind, 2);
    const next = { ...kind.projection, version: 2 };
    const report = await new Replay(contextOf(view), [next], "q3").resume();
    expect(report).toMatchObject({ outcome: "frozen", generation: { version: 2, until } });
    const { generations } = await view.catalog.read(entryName(view.name, "q3"));
    expect(generations.map(({ role }) => role)).toStrictEqual(["frozen"]);
  });

  it("is gone on with by its own version while a newer one is deployed, where nobody asks for that", async () => {
    const view = await startLiveView(kind);
    await cutOff(view.replay());
    const both = view.deployedWith(kind.projection, { ...kind.projection, version: 2 });
    await expect(both.replay().start()).rejects.toThrow("is unfinished: abort it, or run it as it was begun");
    expect(await both.replay().resume()).toMatchObject({ outcome: "ready", generation: { version: 1 } });
  });

  it("was paused in the moment when its report was kept: it stands still, and is not lost", async () => {
    const view = await startLiveView(kind);
    const dynamodb = before("verified", () => view.replay({ by: "ada" }).pause());
    expect(await rejection(view.replay({ dynamodb }).start())).toBeInstanceOf(ReplayPausedError);
    dynamodb.destroy();
    expect(await view.generation("building")).toMatchObject({ paused: "by ada" });
    await view.replay().resume({ for: "operator" });
    const [, next] = (await replayStatus(view, view.name)).generations;
    expect(next?.next).toContain("swap makes it live");
    await view.expectExact();
  });

  it("is told as being built while it is, also after it was paused", async () => {
    const view = await startLiveView(kind);
    await cutOff(view.replay());
    await view.replay().pause();
    await transit(scopeOf(view), (await view.generation("building")).id, "resume");
    const [, building] = (await replayStatus(view, view.name)).generations;
    expect(building?.next).toBe("nobody works on it: resume goes on, abort removes it");
  });

  it("is paused while its seam is closed: that stands still, and goes on when it is resumed", async () => {
    const view = await startLiveView(kind);
    const dynamodb = before("sealed", () => view.replay({ by: "ada" }).pause());
    expect(await rejection(view.replay({ dynamodb }).start())).toBeInstanceOf(ReplayPausedError);
    dynamodb.destroy();
    expect(await view.replay().resume({ for: "operator" })).toMatchObject({ outcome: "ready" });
    await view.replay().swap();
    await view.expectExact();
  });

  it("was paused and resumed while its seam was closed: that is closed again before it is swapped in", async () => {
    const view = await startLiveView(kind);
    let hasHappened = false;
    const dynamodb = before("sealed", async () => {
      hasHappened = true;
      await view.replay().pause();
      // Acknowledged by projectors that pass it by.
      await view.deliver(await view.happen(kind, 2));
      // By an operator whose process ends before the seam is closed.
      await transit(scopeOf(view), (await view.generation("joined")).id, "resume");
    });
    const { generation } = await view.replay({ dynamodb }).run();
    dynamodb.destroy();
    expect(hasHappened).toBe(true);
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
    await view.expectExact();
  });

  it("was passed after its seam was closed: that is closed again before it is swapped in", async () => {
    const view = await startLiveView(kind);
    const dynamodb = before("swap", async () => {
      // As a projector that is gone before it has written what it was about to.
      await view.happen(kind, 2);
      await transit(scopeOf(view), (await view.generation("joined")).id, "passed", { behind: true });
    });
    const { generation, seamEvents } = await view.replay({ dynamodb }).run();
    dynamodb.destroy();
    expect(seamEvents).toBeGreaterThan(0);
    expect(generation).toMatchObject({ role: "live", pauses: 1 });
    expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
  });

  it("is passed and blocked: the schedule neither brings it up nor begins it anew", async () => {
    const view = await startLiveView(kind);
    await view.replay().run();
    await view.replay().start();
    for (const role of ["soaking", "joined"] as const) {
      const { id } = await view.generation(role);
      await transit(scopeOf(view), id, "passed", { behind: true });
      await transit(scopeOf(view), id, "block", { blocked: "it cannot take it" });
    }
    await view.happen(kind, 2);
    const { generations } = await view.catalog.read(view.name);
    expect(await view.replay().tryResume()).toBeUndefined();
    expect((await view.catalog.read(view.name)).generations).toStrictEqual(generations);
  });

  it("is not put away for an event that its projectors are still trying", async () => {
    const view = await startLiveView(kind);
    const { generation } = await view.replay().start();
    await transit(scopeOf(view), generation.id, "passed", { behind: true });
    await view.append("account-bad", [
      { type: "Counted", data: { x: 0.5 } },
      { type: "Changed", data: { add: 1 } },
    ]);
    expect(await view.replay().tryResume()).toMatchObject({ error: expect.any(ReplayEventError) as Error });
    expect((await view.generation("joined")).id).toBe(generation.id);
  });
});

describe("a view whose live table is gone", () => {
  const [, kind] = kinds;

  it("is previewed and replayed, says so, and what is left of the former is not gone back to", async () => {
    const view = await startLiveView(kind);
    const lost = await view.generation("live");
    await deleteGenerationTable(view.dynamodb, lost.table);
    const { rows, comparedWithLive } = await view.replay().preview();
    expect(comparedWithLive).toMatchObject({ same: 0, damaged: rows, missingTable: lost.table });
    const seam = stepped(view, async (step) => (step === "close-seam" ? view.happen(kind, 1) : undefined));
    const { dynamodb, eventStore, observer } = seam;
    const { built } = await view.replay({ dynamodb, eventStore }).run({ observer });
    dynamodb.destroy();
    expect(built?.comparison).toMatchObject({ same: 0, damaged: rows, differences: [], missingTable: lost.table });
    await expect(view.replay().rollback()).rejects.toThrow(`its table ${lost.table} is not there`);
    // A write to it fails, and holds nobody back.
    expect(await view.deliver(await view.happen(kind, 1))).toStrictEqual({ batchItemFailures: [] });
    await view.replay().retire();
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("is compared with the one that is live when that was rolled back and the other retired meanwhile", async () => {
    const view = await startLiveView(kind);
    await view.replay().run();
    const former = await view.generation("soaking");
    const other = await view.generation("live");
    const rolledBack = async (step: string): Promise<void> => {
      if (step !== "compare" || (await view.generation("live")).id === former.id) return;
      await view.replay().rollback();
      await view.replay().retire();
    };
    const { dynamodb, eventStore, observer } = stepped(view, rolledBack);
    const { built } = await view.replay({ dynamodb, eventStore }).start({ observer });
    dynamodb.destroy();
    expect(other.id).not.toBe(former.id);
    expect(built?.comparedWith?.id).toBe(former.id);
    expect(built?.comparison?.missingTable).toBeUndefined();
  });
});

describe("a swap", () => {
  const [kind] = kinds;

  it("of which only the removal of what soaked fails is told as a swap", async () => {
    const view = await startLiveView(kind);
    await view.replay().run();
    await view.replay().start();
    const dynamodb = interceptedDynamoDB(({ command }, send) =>
      command === "DeleteTable" ? Promise.reject(new Error("no such luck")) : send(),
    );
    const error = await rejection(view.replay({ dynamodb }).swap());
    dynamodb.destroy();
    const { id } = await view.generation("live");
    expect(error).toBeInstanceOf(RetirementFailedError);
    expect(error).toMatchObject({ report: { outcome: "live", generation: { id } } });
    await view.replay().resume();
    await view.expectNothingLeftBehind();
  });
});

describe("preparing views", () => {
  const [, kind] = kinds;

  it("fails for want of code that a projector has met first, and has paused the generation for", async () => {
    const view = await startView(kind.projection);
    await view.happen(kind, 2);
    await view.replay().run();
    const both = view.deployedWith(kind.projection, sharedV2);
    await both.replay().run();
    const events = await both.happen(kind, 1);
    expect(await both.deliver(events, {}, [sharedV2])).toStrictEqual({ batchItemFailures: [] });
    expect(await both.generation("soaking")).toMatchObject({ pausedBy: "code" });
    await expect(prepareViews(contextOf(both), [[sharedV2]])).rejects.toThrow(VersionNotDeployedError);
  });

  it("fails for want of the code of a view as of a position, which its readers could not read", async () => {
    const view = await startLiveView(kind);
    await new Replay(contextOf(view), view.versions, "then").start();
    const next = view.deployedWith(kind.projection, sharedV2);
    await next.replay().run();
    await next.replay().retire();
    await expect(prepareViews(contextOf(next), [[sharedV2]])).rejects.toThrow(`or retire ${view.name}@then`);
    await new Replay(contextOf(view), view.versions, "then").retire();
    expect(await prepareViews(contextOf(next), [[sharedV2]])).toStrictEqual([{ view: view.name, outcome: "present" }]);
  });
});

it("a table that is still being made is removed when it is there", async () => {
  const [kind] = kinds;
  const view = await startLiveView(kind);
  await view.replay().start();
  let asked = 0;
  const dynamodb = interceptedDynamoDB(({ command }, send) => {
    if (command !== "DeleteTable" || (asked += 1) > 1) return send();
    return Promise.reject(Object.assign(new Error("being created"), { name: "ResourceInUseException" }));
  });
  await view.replay({ dynamodb }).abort();
  dynamodb.destroy();
  expect(asked).toBe(2);
  await view.expectNothingLeftBehind();
});
