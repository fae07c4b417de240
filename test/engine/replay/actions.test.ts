/** What an operator may ask of a replay beside running it to its end, and what each leaves. */
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { formatPosition, startOfAll } from "../../../engine/event-store/position.ts";
import {
  NothingToDoError,
  ReplayEventError,
  ReplayInterruptedError,
  ReplayNameError,
  ReplayPausedError,
  ReplayPositionError,
  ReplayUnfinishedError,
} from "../../../engine/replay/errors.ts";
import { decide } from "../../../engine/quarantine/decisions.ts";
import { discontinueView } from "../../../engine/replay/discontinue-view.ts";
import { Replay, type ReplayObserver } from "../../../engine/replay/replay.ts";
import { TransitionRefusedError } from "../../../engine/replay/transitions.ts";
import { VersionNotDeployedError } from "../../../engine/views/deployed-version.ts";
import { rowItemKey } from "../../../engine/views/item.ts";
import { ViewReader } from "../../../engine/views/view-reader.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { changed, owned, shared } from "../views/views-for-test.ts";
import {
  Gate,
  interceptedDynamoDB,
  InterceptedEventStore,
  kinds,
  quick,
  sharedV2,
  startLiveView,
  startView,
  stepped,
} from "./replay-for-test.ts";

const [ownedKind, sharedKind] = kinds;

describe.each(kinds)("a replay of a view of $kind", (kind) => {
  it("that is started is ready, written and verified, and waits until it is swapped in", async () => {
    const view = await startLiveView(kind);
    const live = await view.generation("live");
    const started = await view.replay().start();
    expect(started).toMatchObject({ outcome: "ready", generation: { role: "joined" } });
    await view.happen(kind, 2);
    await view.expectExact();
    expect((await view.generation("live")).id).toBe(live.id);
    const swapped = await view.replay().swap();
    expect(swapped).toMatchObject({
      outcome: "live",
      generation: { id: started.generation.id },
      former: { id: live.id },
    });
    await view.happen(kind, 2);
    await view.expectExact();
    await view.expectNothingLeftBehind();
  });

  it("goes on to the swap by itself where that was wished for when it was begun", async () => {
    const view = await startLiveView(kind);
    const stop = new AbortController();
    const observer: ReplayObserver = { step: (step) => (step === "verify" ? stop.abort() : undefined) };
    const wishes = { autoSwap: true, soakHours: 1 };
    await expect(view.replay().start({ ...wishes, signal: stop.signal, observer })).rejects.toThrow(
      ReplayInterruptedError,
    );
    expect(await view.replay().resume()).toMatchObject({ outcome: "live" });
    expect(Date.parse((await view.generation("soaking")).soakUntil ?? "")).toBeGreaterThan(Date.now());
    expect(await view.replay().resume()).toBeUndefined();
    expect(await view.roles()).toStrictEqual(["soaking", "live"]);
  });

  it("retires the generation before it when its time is over", async () => {
    const view = await startLiveView(kind);
    await view.replay().run({ soakHours: 0.1 / 3_600 });
    await expect
      .poll(async () => {
        await view.replay().resume();
        return view.roles();
      })
      .toStrictEqual(["live"]);
    await view.expectNothingLeftBehind();
  });

  it("has nothing to be swapped in when none is unfinished, and is refused before it is joined", async () => {
    const view = await startLiveView(kind);
    await expect(view.replay().swap()).rejects.toThrow(NothingToDoError);
    await view
      .replay()
      .verify()
      .catch(() => undefined);
    const stop = new AbortController();
    const observer: ReplayObserver = { step: (step) => (step === "verify" ? stop.abort() : undefined) };
    await view
      .replay()
      .start({ signal: stop.signal, observer })
      .catch(() => undefined);
    const error = await view
      .replay()
      .swap()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TransitionRefusedError);
    expect((error as Error).message).toContain("it is building, not joined");
  });

  it("reads no faster than it is told to", async () => {
    const view = await startLiveView(kind, 8);
    const startedAt = performance.now();
    await view.replay().start({ rate: 32 });
    // 8 in each of four streams, twice: once to fill the table, once to verify it.
    expect(performance.now() - startedAt).toBeGreaterThan(1_900);
    expect((await view.generation("joined")).rate).toBe(32);
    await view.expectExact();
  });

  describe("that is paused", () => {
    it("while it is built stops at its place, is taken up by nobody, and goes on from there when it is resumed", async () => {
      const view = await startLiveView(kind, 12);
      const gate = new Gate();
      const context = stepped(view, async (step) => (step === "back-fill" ? gate.pass() : undefined));
      const settings = { leaseMs: 300, eventsAtOnce: 4, eventsPerCheckpoint: 1_000 };
      const running = view.replay({ ...context, settings }).start({ observer: context.observer, rate: 40 });
      running.catch(() => undefined);
      await gate.reached;
      gate.open();
      const paused = await view.replay({ by: "ada" }).pause();
      expect(paused).toMatchObject({ role: "building", paused: "by ada", pausedBy: "operator" });
      await expect(running).rejects.toThrow(ReplayPausedError);
      await expect(view.replay().start()).rejects.toThrow("is paused (by ada): resume it, or abort it");
      expect(await view.replay().resume()).toBeUndefined();
      const resumed = await view.replay({ settings }).resume({ for: "operator" });
      expect(resumed).toMatchObject({ outcome: "ready", generation: { id: paused.id } });
      // What it had read before it stopped was kept, although no checkpoint was due.
      expect(resumed?.built?.events).toBeLessThan(12 * 4);
      await view.expectExact();
      context.dynamodb.destroy();
    });

    it("once it is ready is passed by, cannot be swapped in, and has all that it missed when it is resumed", async () => {
      const view = await startLiveView(kind);
      const { generation } = await view.replay().start();
      await view.replay().pause();
      const missed = await view.happen(kind, 3);
      expect(await view.deliver(missed)).toStrictEqual({ batchItemFailures: [] });
      const behind = await view.contentsOf(generation);
      expect(behind).not.toStrictEqual(await view.expectedOf(generation));
      await expect(view.replay().swap()).rejects.toThrow("it is paused");
      expect(await view.replay().resume()).toBeUndefined();
      expect(await view.replay().resume({ for: "operator" })).toMatchObject({ outcome: "ready" });
      expect(await view.contentsOf(generation)).toStrictEqual(await view.expectedOf(generation));
      await view.replay().swap();
      await view.expectExact();
    });

    it("and resumed by a worker that is gone before it closed the seam: it is not swapped in without", async () => {
      const view = await startLiveView(kind);
      await view.replay().start();
      await view.replay().pause();
      await view.deliver(await view.happen(kind, 3));
      const dead = interceptedDynamoDB(async ({ command }, send) => {
        const answer = await send();
        // Its last act: from here on projectors write it again.
        if (command === "PutItem") throw Object.assign(new Error("killed"), { name: "Killed" });
        return answer;
      });
      await expect(view.replay({ dynamodb: dead }).resume({ for: "operator" })).rejects.toThrow();
      dead.destroy();
      expect((await view.generation("joined")).paused).toBeUndefined();
      await expect(view.replay().swap()).rejects.toThrow("events may be missing that went past it");
      await view.replay().resume();
      await view.replay().swap();
      await view.expectExact();
    });

    it("may be aborted", async () => {
      const view = await startLiveView(kind);
      await view.replay().start();
      await view.replay().pause();
      await view.replay().abort();
      expect(await view.roles()).toStrictEqual(["live"]);
      await view.expectNothingLeftBehind();
    });
  });

  describe("whose code", () => {
    /** The same definition, made from other sources. */
    const pinned = (...fingerprints: readonly string[]): Projection => ({ ...kind.projection, fingerprints });

    it("was changed in place writes nothing to the live view, and nothing is given up", async () => {
      const view = await startView(pinned("one"));
      await view.happen(kind, 2);
      await view.replay().run();
      expect((await view.generation("live")).fingerprint).toBe("one");
      const before = await view.contentsOf(await view.generation("live"));
      const events = await view.happen(kind, 2);
      const changedInPlace = view.deployedWith(pinned("two"));
      await expect(changedInPlace.deliver(events, { limits: { maximumRetryAttempts: 0 } as never })).rejects.toThrow(
        VersionNotDeployedError,
      );
      expect(await view.contentsOf(await view.generation("live"))).toStrictEqual(before);
      await view.expectExact();
    });

    it("is other code that gives the same rows goes on, in delivery and in replay", async () => {
      const view = await startView(pinned("one"));
      await view.happen(kind, 2);
      await view.replay().run();
      const same = view.deployedWith(pinned("two", "one"));
      expect(await same.deliver(await same.happen(kind, 2))).toStrictEqual({ batchItemFailures: [] });
      await same.expectExact();
      await same.replay().run();
      expect((await same.generation("live")).fingerprint).toBe("two");
      await expect(same.replay({}, [pinned("two")]).rollback()).rejects.toThrow("as it was at fingerprint one");
    });

    it.each(["joined", "soaking"] as const)(
      "is not deployed in a generation that is %s pauses it, and it catches up when it is again",
      async (role) => {
        const view = await startView(pinned("one"));
        await view.happen(kind, 3);
        await view.replay().run();
        const next = { ...pinned("other"), version: 2 };
        const both = view.deployedWith(pinned("one"), next);
        await (role === "joined" ? both.replay().start() : both.replay().run());
        const standing = await both.generation(role);
        // Of the two, one was changed: that of the generation which no reader sees.
        const versions =
          role === "joined"
            ? ([pinned("one"), { ...next, fingerprints: ["changed"] }] as const)
            : ([pinned("changed"), next] as const);
        const events = await both.happen(kind, 2);
        expect(await both.deliver(events, {}, versions)).toStrictEqual({ batchItemFailures: [] });
        expect(await both.generation(role)).toMatchObject({ pausedBy: "code", behind: true });
        expect((await both.generation(role)).paused).toContain("is changed code (changed)");
        const action = role === "joined" ? both.replay().swap() : both.replay().rollback();
        await expect(action).rejects.toThrow("it is paused");
        // The schedule of the deployment that lacks it leaves it alone, and that of the next one that has it brings it up.
        await both.replay({}, versions).resume();
        expect((await both.generation(role)).pausedBy).toBe("code");
        await both.replay().resume();
        expect((await both.generation(role)).paused).toBeUndefined();
        expect(await both.contentsOf(standing)).toStrictEqual(await both.expectedOf(standing));
        await (role === "joined" ? both.replay().swap() : both.replay().rollback());
        await both.expectExact();
      },
    );
  });

  it("whose former code was changed in place is not rolled back to, and other code has written nothing into it", async () => {
    const one: Projection = { ...kind.projection, fingerprints: ["one"] };
    const view = await startView(one);
    await view.happen(kind, 3);
    await view.replay().run();
    const missed: unknown[] = [];
    // Appended before the join and delivered to nobody: closing the seam brings it, into the new generation alone.
    const observer: ReplayObserver = {
      step: (step) => {
        if (step === "join") missed.push(view.happen(kind));
      },
    };
    await view.replay().run({ observer });
    await Promise.all(missed);
    const soaking = await view.generation("soaking");
    const before = await view.contentsOf(soaking);
    const two: Projection = { ...kind.projection, fingerprints: ["two"] };
    await expect(view.replay({}, [two]).rollback()).rejects.toThrow(TransitionRefusedError);
    expect(await view.contentsOf(soaking)).toStrictEqual(before);
  });

  describe("is verified", () => {
    it("while events have not arrived: that is told, and does not keep it from becoming live when they have", async () => {
      const view = await startLiveView(kind);
      await view.replay().start();
      await view.happen(kind, 2);
      expect((await view.replay().verify()).checked).toMatchObject({ outcome: "differs" });
      await view.deliverAll();
      expect((await view.replay().verify()).checked).toMatchObject({ outcome: "agrees" });
      await view.replay().swap();
      await view.expectExact();
    });

    it("not while it stands still, for it lacks events without being wrong", async () => {
      const view = await startLiveView(kind);
      await view.replay().start();
      await view.replay().pause();
      await view.deliver(await view.happen(kind, 2));
      await expect(view.replay().verify()).rejects.toThrow(ReplayPausedError);
      await view.replay().resume({ for: "operator" });
      await view.replay().swap();
      await view.expectExact();
    });

    it("before it joins: its report is there, and projectors do not write it", async () => {
      const view = await startLiveView(kind);
      const stop = new AbortController();
      const observer: ReplayObserver = { step: (step) => (step === "verify" ? stop.abort() : undefined) };
      await view
        .replay()
        .start({ signal: stop.signal, observer })
        .catch(() => undefined);
      const report = await view.replay({ by: "ada" }).verify();
      const { id } = await view.generation("building");
      const { rows } = await view.contentsOf(await view.generation("live"));
      const seen = Object.values(rows).filter((row) => Object.keys(row).length > 0).length;
      expect(report).toMatchObject({ view: view.name, generation: id, by: "ada", rows: seen });
      expect(report.comparedWithLive).toMatchObject({ same: seen, damaged: 0, differences: [] });
      expect(await view.replay().report()).toStrictEqual(report);
      expect(await view.replay().start()).toMatchObject({ outcome: "ready", generation: { id } });
      await view.expectExact();
    });

    it("again while it is written; one that is found damaged cannot be swapped in any more", async () => {
      const view = await startLiveView(kind);
      const { generation } = await view.replay().start();
      await view.happen(kind, 2);
      await view.deliverAll();
      expect((await view.replay().verify()).checked).toMatchObject({ outcome: "agrees", differences: 0 });
      const [row] = Object.keys((await view.contentsOf(generation)).rows);
      const [partition = "", sort = ""] = row?.split("/") ?? [];
      const [item] = (await view.items(generation.table)).filter(({ pk, sk }) => pk?.S === partition && sk?.S === sort);
      const Item = { ...item, ...rowItemKey({ partition, sort }), damage: { S: "done" } };
      await view.dynamodb.send(new PutItemCommand({ TableName: generation.table, Item }));
      const { checked } = await view.replay().verify();
      expect(checked).toMatchObject({ outcome: "differs", differences: 1 });
      expect(checked?.lines[0]).toContain("damage");
      await expect(view.replay().swap()).rejects.toThrow("verified again, it differs from its events in 1 places");
    });

    it("only where there is one that is not live yet", async () => {
      const view = await startLiveView(kind);
      await expect(view.replay().verify()).rejects.toThrow("npx tidemark check");
      expect(await view.replay().report()).toMatchObject({ generation: (await view.generation("live")).id });
    });
  });

  describe("as of a position", () => {
    const named = (view: Awaited<ReturnType<typeof startLiveView>>, name: string): Replay =>
      new Replay(
        {
          dynamodb: view.dynamodb,
          eventStore: view.eventStore,
          catalog: view.catalog,
          quarantine: view.quarantine,
          catalogTable: view.catalogTable,
          tablePrefix: view.tablePrefix,
          settings: quick,
        },
        view.versions,
        name,
      );

    it("holds what the events up to there say, stays so, and is found by its name until it is retired", async () => {
      const view = await startLiveView(kind);
      const until = await view.eventStore.tail();
      const then = await view.expectedOf(await view.generation("live"));
      await view.happen(kind, 3);
      const report = await named(view, "q3").start({ until });
      expect(report).toMatchObject({ outcome: "frozen", generation: { role: "frozen", until } });
      await view.deliver(await view.happen(kind, 1));
      expect(await view.contentsOf(report.generation)).toStrictEqual(then);
      expect(await view.catalog.namesBeside(view.name)).toStrictEqual(["q3"]);
      const rows: string[] = [];
      for await (const page of new ViewReader(view.dynamodb, view.catalog).rows(`${view.name}@q3`)) {
        rows.push(...page.map(({ key }) => `${key.partition}/${key.sort}`));
      }
      const seen = Object.entries(then.rows).filter(([, row]) => Object.keys(row).length > 0);
      expect(rows.sort()).toStrictEqual(seen.map(([key]) => key).sort());
      expect(await view.roles()).toStrictEqual(["live"]);
      expect((await named(view, "q3").verify()).checked).toMatchObject({ outcome: "agrees" });
      await expect(named(view, "q3").start({ until })).rejects.toThrow(ReplayUnfinishedError);
      await named(view, "q3").retire();
      expect(await view.catalog.namesBeside(view.name)).toStrictEqual([]);
      await view.expectExact();
      await view.expectNothingLeftBehind();
    });

    it("ends now unless it is said where, and may be aborted while it is built", async () => {
      const view = await startLiveView(kind);
      const end = await view.eventStore.tail();
      expect((await named(view, "now").start()).generation.until).toStrictEqual(end);
      await named(view, "now").retire();
      const stop = new AbortController();
      const observer: ReplayObserver = { step: (step) => (step === "verify" ? stop.abort() : undefined) };
      await named(view, "gone")
        .start({ signal: stop.signal, observer })
        .catch(() => undefined);
      await named(view, "gone").abort();
      await view.expectNothingLeftBehind();
    });

    it("is refused with an end between two events, before its start, or without a name", async () => {
      const view = await startLiveView(kind);
      const [first] = await view.happen(kind, 2);
      if (first === undefined) throw new Error("Events happened.");
      const between = { commit: first.position.commit + 1n, prepare: first.position.prepare + 1n };
      await expect(named(view, "q3").start({ until: between })).rejects.toThrow(ReplayPositionError);
      const from = await view.eventStore.tail();
      await expect(named(view, "q3").start({ from, until: first.position })).rejects.toThrow(
        "the end lies before the start",
      );
      await expect(view.replay().start({ until: first.position })).rejects.toThrow(ReplayNameError);
      for (const name of ["", "Q3", "q 3", "-q", "x".repeat(41)])
        expect(() => named(view, name)).toThrow(ReplayNameError);
      expect(await view.catalog.namesBeside(view.name)).toStrictEqual([]);
      await view.expectNothingLeftBehind();
    });
  });

  it("is previewed without a trace: rows, bytes, units, time, cost and what would differ", async () => {
    const view = await startLiveView(kind);
    const before = await view.items(view.catalogTable);
    const preview = await view.replay().preview();
    const { guards, rows } = await view.contentsOf(await view.generation("live"));
    const seen = Object.values(rows).filter((row) => Object.keys(row).length > 0).length;
    expect(preview).toMatchObject({
      view: view.name,
      version: 1,
      from: formatPosition(startOfAll),
      until: formatPosition(await view.eventStore.tail()),
      rows: seen,
      guards: Object.keys(guards).length,
      scavengedStreams: 0,
      seconds: { basis: "last replay" },
      comparedWithLive: { same: seen, damaged: 0, changed: 0, differences: [] },
    });
    let all = 0;
    for await (const event of view.eventStore.readAll()) if (event.position.commit >= 0n) all += 1;
    expect(preview.events).toBe(all);
    for (const figure of [
      preview.bytes,
      preview.writeUnits,
      preview.readUnits,
      preview.cost.dynamodb,
      preview.cost.lambda,
    ]) {
      expect(figure).toBeGreaterThan(0);
    }
    expect(await view.items(view.catalogTable)).toStrictEqual(before);
    const { built } = await view.replay().run();
    expect(preview.writeUnits).toBeLessThanOrEqual((built?.written ?? 0) * 2);
    expect(built?.verification).toMatchObject({ rows: preview.rows, guards: preview.guards });
  });
});

it("of a view that is deployed no more: all that is left of it goes, once nobody makes it", async () => {
  const view = await startLiveView(sharedKind);
  await view.replay().run();
  await view.replay().start();
  const { dynamodb, eventStore, catalog, quarantine, catalogTable, tablePrefix } = view;
  const context = { dynamodb, eventStore, catalog, quarantine, catalogTable, tablePrefix, settings: quick };
  await new Replay(context, view.versions, "then").start();
  const roles = await view.roles();
  expect(roles.sort()).toStrictEqual(["joined", "live", "soaking"]);
  const decision = { subject: view.name, stream: "account-0", revision: 0n, reason: "it was never right" };
  const decided = { ...decision, decidedAt: new Date().toISOString(), lastError: "cannot take it" };
  await quarantine.transact([decide(quarantine.table, decided)]);
  expect(await discontinueView(context, view.name)).toHaveLength(4);
  expect((await view.entry()).epoch).toBe(0);
  // A later view of that name would leave the event out, and nobody know why.
  expect(await quarantine.decisions(view.name)).toStrictEqual([]);
  await view.expectNothingLeftBehind();
  await expect(discontinueView(context, view.name)).rejects.toThrow(NothingToDoError);
});

describe("a preview", () => {
  it("tells what a changed definition would make of the rows that readers see", async () => {
    const view = await startLiveView(sharedKind);
    const { comparedWithLive } = await view.deployedWith(shared, sharedV2).replay().preview();
    expect(comparedWithLive).toMatchObject({ same: 0, changed: comparedWithLive?.differences.length ?? 0 });
    expect(comparedWithLive?.differences[0]).toMatchObject({ explanation: "new-definition" });
  });

  it("finds the event that the projection cannot take, and names it", async () => {
    const view = await startLiveView(ownedKind);
    await view.append("account-bad", [changed({ set: { pk: 1 } })]);
    await expect(view.replay().preview()).rejects.toThrow("event 0@account-bad cannot be applied");
    await expect(view.replay().preview()).rejects.toThrow(ReplayEventError);
  });

  it("is given up when it is interrupted, or asked for from where no event is", async () => {
    const view = await startLiveView(ownedKind);
    await expect(view.replay().preview({ signal: AbortSignal.abort() })).rejects.toThrow();
    const { commit, prepare } = await view.eventStore.tail();
    await expect(view.replay().preview({ from: { commit: commit + 1n, prepare } })).rejects.toThrow(
      ReplayPositionError,
    );
  });
});

describe("several replays in one pass", () => {
  const second: Projection = { ...owned, name: "second" };

  it("read the log once for all of them, and each is what the events say", async () => {
    const view = await startView(owned);
    await view.happen(ownedKind, 12);
    const beside = view.deployedWith(second);
    let reads = 0;
    const eventStore = new InterceptedEventStore(view.eventStore, (read) => {
      if (read === "readAll") reads += 1;
      return Promise.resolve();
    });
    const replays = [view.replay({ eventStore }), beside.replay({ eventStore })];
    const started = await Replay.startTogether(replays, { autoSwap: true });
    expect(started.map((one) => ("report" in one ? one.report.outcome : one.error))).toStrictEqual(["live", "live"]);
    const together = reads;
    reads = 0;
    await view.replay({ eventStore }).run();
    // The comparison with what was live then reads it once more.
    expect(together).toBeLessThanOrEqual(reads);
    for (const one of [view, beside]) await one.expectExact();
  });

  it("as of now each hold what was there when they were begun, whatever happens between the two", async () => {
    const view = await startView(owned);
    await view.happen(ownedKind, 3);
    const beside = view.deployedWith(second);
    const { dynamodb, catalog, quarantine, catalogTable, tablePrefix } = view;
    let tails = 0;
    const eventStore = new InterceptedEventStore(view.eventStore, async (read) => {
      if (read === "tail" && (tails += 1) === 2) await view.happen(ownedKind, 2);
    });
    const context = { dynamodb, eventStore, catalog, quarantine, catalogTable, tablePrefix, settings: quick };
    const replays = [view, beside].map(({ versions }) => new Replay(context, versions, "now"));
    const started = await Replay.startTogether(replays);
    for (const one of started) expect(one).toMatchObject({ report: { outcome: "frozen" } });
    for (const replay of replays) expect((await replay.verify()).checked).toMatchObject({ outcome: "agrees" });
  });

  it("go on without the one that fails, which is put away", async () => {
    const view = await startView(owned);
    await view.happen(ownedKind, 6);
    const broken: Projection = {
      ...second,
      changes: (event) => {
        if (event.revision === 3n) throw new Error("no such luck");
        return owned.changes(event);
      },
    };
    const beside = view.deployedWith(broken);
    const [well, ill] = await Replay.startTogether([view.replay(), beside.replay()], { autoSwap: true });
    expect(well).toMatchObject({ report: { outcome: "live" } });
    expect(ill).toMatchObject({ view: "second", error: { code: "REPLAY_EVENT" } });
    await view.expectExact();
    expect(await beside.roles()).toStrictEqual([]);
  });

  it("that had come differently far each go on from their own checkpoint", async () => {
    const view = await startView(owned);
    await view.happen(ownedKind, 12);
    const beside = view.deployedWith(second);
    const stop = new AbortController();
    const observer: ReplayObserver = { progress: (events) => (events >= 20 ? stop.abort() : undefined) };
    await view
      .replay()
      .start({ signal: stop.signal, observer })
      .catch(() => undefined);
    const [first, other] = await Replay.startTogether([view.replay(), beside.replay()], { autoSwap: true });
    expect([first, other]).toMatchObject([{ report: { outcome: "live" } }, { report: { outcome: "live" } }]);
    for (const one of [view, beside]) await one.expectExact();
    for (const one of [view, beside]) await one.happen(ownedKind, 1);
  });
});
