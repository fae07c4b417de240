/**
 * An event that keeps failing is given up before it holds anybody back, and nothing of its stream is lost: what waits behind it
 * comes in, in order, once it can be applied or is discarded.
 */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { checkView } from "../../../engine/consistency/check.ts";
import { catchUp } from "../../../engine/delivery/catch-up.ts";
import { countFailure, type ProjectorContext } from "../../../engine/delivery/project-batch.ts";
import { startOfAll } from "../../../engine/event-store/position.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { DiscardRefusedError } from "../../../engine/quarantine/discard.ts";
import { QuarantineOperations, type Redriven } from "../../../engine/quarantine/operations.ts";
import { Quarantine } from "../../../engine/quarantine/quarantine.ts";
import { viewTarget } from "../../../engine/quarantine/quarantine-record.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { ReplayEventError } from "../../../engine/replay/errors.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { liveGeneration } from "../../../engine/views/catalog.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { changesOf } from "../../../engine/views/stream-write.ts";
import { kinds, ViewForReplay } from "../replay/replay-for-test.ts";
import { changed, counted, type EventForTest } from "../views/views-for-test.ts";

const log = createLogger("test", { level: "silent" });
const limits = retryLimitsSchema.parse({ maximumRetryAttempts: 2 });
/** Events that carry it cannot be applied by the projection as it is deployed. */
const poison = 666;

/** The projection with a fault, as it is deployed at first. */
function faulty(projection: Projection): Projection {
  const fail = (event: { readonly data: unknown }): void => {
    if (JSON.stringify(event.data).includes(poison.toString())) throw new TypeError("cannot take it");
  };
  if (projection.rows === "shared") {
    return { ...projection, changes: (event) => (fail(event), projection.changes(event)) };
  }
  return { ...projection, changes: (event) => (fail(event), projection.changes(event)) };
}

describe.each(kinds)("a stream with an event that cannot be applied ($kind)", ({ kind, projection }) => {
  let view: ViewForReplay;
  const broken = faulty(projection);
  const event = (amount: number): EventForTest =>
    kind === "shared rows" ? counted({ all: amount }) : changed({ add: { sum: amount } });

  beforeAll(async () => {
    view = await ViewForReplay.start(projection);
    await view.replay().run();
  });

  afterAll(() => view.stop());

  const versions = [broken] as const;
  const deliver = (events: readonly StoredEvent[], context: Partial<ProjectorContext> = {}) =>
    view.deliver(events, { limits, ...context }, versions);
  const operations = (deployed: Projection = projection): QuarantineOperations => {
    const { dynamodb, eventStore, catalog, quarantine, catalogTable } = view;
    return new QuarantineOperations(
      { dynamodb, eventStore, catalog, quarantine, catalogTable },
      { views: new Map([[view.name, [deployed]]]), processes: new Map() },
    );
  };
  const redrive = async (stream?: string, deployed: Projection = projection): Promise<Redriven["outcome"][]> => {
    const outcomes: Redriven["outcome"][] = [];
    for await (const { outcome } of operations(deployed).redrive(view.name, stream)) outcomes.push(outcome);
    return outcomes;
  };
  const newStream = (): string => `account-${randomUUID()}`;
  const failed = (...events: readonly (StoredEvent | undefined)[]) => ({
    batchItemFailures: events.map((each) => ({
      itemIdentifier: each === undefined ? "" : `${each.revision.toString()}@${each.stream}`,
    })),
  });
  const nothingFailed = failed();
  const recordOf = async (stream: string) => {
    const live = liveGeneration(await view.entry());
    return view.quarantine.read(viewTarget(view.name, live?.id ?? ""), stream);
  };
  /** Appends, and delivers until nothing is reported as failed. */
  async function quarantined(stream: string, ...amounts: readonly number[]): Promise<StoredEvent[]> {
    const events = await view.append(stream, amounts.map(event));
    for (let tries = 0; tries < 3; tries += 1) await deliver(events);
    expect(await deliver(events)).toStrictEqual(nothingFailed);
    return events;
  }
  const check = () =>
    checkView(view, view.name, [projection], { waitForGuardsMs: 0 }).then(({ differences }) => differences);

  it("is tried again and again, then waits; others go on; redriven by a fix, its rows are as if nothing had failed", async () => {
    const [bad, good] = [newStream(), newStream()];
    const events = await view.append(bad, [1, poison, 3].map(event));
    const others = await view.append(good, [10, 20].map(event));
    // Each try is by another projector with a connection of its own: the count is in the table.
    for (let tries = 1; tries <= 2; tries += 1) {
      const quarantine = new Quarantine(view.dynamodb, view.quarantine.table);
      expect(await deliver([...events, ...others], { quarantine })).toStrictEqual(failed(events[1], events[2]));
      expect(await recordOf(bad)).toMatchObject({ state: "failing", attempts: tries, revision: 1n });
    }
    expect(await deliver([...events, ...others])).toStrictEqual(nothingFailed);
    expect(await recordOf(bad)).toMatchObject({
      state: "quarantined",
      reason: "failed 3 times",
      attempts: 3,
      revision: 1n,
      waitingTo: 2n,
      firstError: "TypeError: cannot take it",
      lastError: "TypeError: cannot take it",
    });
    // Later events of the stream wait behind it without being tried, alone or with the event itself delivered again.
    const more = await view.append(bad, [4, 5].map(event));
    expect(await deliver(more)).toStrictEqual(nothingFailed);
    expect(await deliver([...events, ...more.slice(0, 1)])).toStrictEqual(nothingFailed);
    expect(await recordOf(bad)).toMatchObject({ waitingTo: 4n, attempts: 3 });
    expect(await check()).toMatchObject([{ kind: "quarantined", stream: bad, revision: 1n }]);
    expect(await redrive(bad, broken)).toMatchObject([{ outcome: "still-failing", revision: 1n }]);
    expect(await recordOf(bad)).toMatchObject({ attempts: 4, revision: 1n, waitingTo: 4n });

    expect(await redrive()).toStrictEqual([{ outcome: "released", events: 4 }]);
    expect(await recordOf(bad)).toBeUndefined();
    expect(await view.contentsOf(await view.generation("live"))).toStrictEqual(
      await view.expectedOf(await view.generation("live")),
    );
    expect(await check()).toStrictEqual([]);
    expect(await deliver(await view.append(bad, [event(6)]))).toStrictEqual(nothingFailed);
    expect(await check()).toStrictEqual([]);
  });

  it("waits from its very first event on, when it is that one", async () => {
    const stream = newStream();
    await quarantined(stream, poison, 2);
    expect(await recordOf(stream)).toMatchObject({ revision: 0n, waitingTo: 1n });
    expect(await redrive(stream)).toStrictEqual([{ outcome: "released", events: 2 }]);
    expect(await check()).toStrictEqual([]);
  });

  it("waits at the next event that cannot be applied, when a redrive has come that far", async () => {
    const stream = newStream();
    await quarantined(stream, 1, poison, 3, poison + 1_000, 5);
    const mendsFirst = {
      ...projection,
      changes: (each: Parameters<typeof projection.changes>[0]) => {
        if (JSON.stringify(each.data).includes((poison + 1_000).toString())) throw new TypeError("nor this");
        return projection.changes(each);
      },
      // Of the same shape as the projection it stands for.
    } as Projection;
    expect(await redrive(stream, mendsFirst)).toMatchObject([{ outcome: "still-failing", revision: 3n }]);
    expect(await recordOf(stream)).toMatchObject({
      revision: 3n,
      waitingTo: 4n,
      attempts: 1,
      lastError: "TypeError: nor this",
    });
    expect(await deliver(await view.append(stream, [event(6)]))).toStrictEqual(nothingFailed);
    expect(await redrive(stream)).toStrictEqual([{ outcome: "released", events: 3 }]);
    expect(await check()).toStrictEqual([]);
  });

  it("goes on to its end when it was deleted for good meanwhile: a tombstone is nothing that waits", async () => {
    const stream = newStream();
    await view.append(stream, [1, poison].map(event));
    await view.client.tombstoneStream(stream);
    const delivered: StoredEvent[] = [];
    for await (const each of view.eventStore.readAll(startOfAll)) if (each.stream === stream) delivered.push(each);
    expect(delivered.map(({ type }) => type).at(-1)).toBe("$streamDeleted");
    for (let tries = 0; tries < 3; tries += 1) await deliver(delivered);
    expect(await recordOf(stream)).toMatchObject({ state: "quarantined", revision: 1n, waitingTo: 1n });
    expect(await redrive(stream)).toStrictEqual([{ outcome: "released", events: 1 }]);
    expect(await check()).toStrictEqual([]);
  });

  it("is given up by age, and never where there is no limit", async () => {
    const [old, endless] = [newStream(), newStream()];
    const byAge = retryLimitsSchema.parse({ maximumRetryAttempts: -1, maximumRecordAgeInSeconds: 60 });
    const events = await view.append(old, [event(poison)]);
    expect(await deliver(events, { limits: byAge })).toStrictEqual(failed(events[0]));
    const seen = await recordOf(old);
    const hourAgo = new Date(Date.now() - 3_600_000);
    await view.quarantine.moveOn(seen ?? expect.fail("no record"), {
      ...(seen ?? expect.fail("no record")),
      firstFailedAt: hourAgo.toISOString(),
    });
    expect(await deliver(events, { limits: byAge })).toStrictEqual(nothingFailed);
    expect(await recordOf(old)).toMatchObject({
      state: "quarantined",
      reason: expect.stringMatching(/^failed for 36\d\d s, 2 times$/) as unknown,
    });
    const never = retryLimitsSchema.parse({ maximumRetryAttempts: -1, maximumRecordAgeInSeconds: -1 });
    const others = await view.append(endless, [event(poison)]);
    for (let tries = 0; tries < 8; tries += 1) {
      expect(await deliver(others, { limits: never })).toStrictEqual(failed(others[0]));
    }
    expect(await recordOf(endless)).toMatchObject({ state: "failing", attempts: 8 });
    await redrive();
    expect(await view.deliver(others)).toStrictEqual(nothingFailed);
    expect(await check()).toStrictEqual([]);
  });

  it("is not given up for another event that failed before, or for want of a store", async () => {
    const stream = newStream();
    const first = await view.append(stream, [event(poison)]);
    await deliver(first);
    await deliver(first);
    // Repaired meanwhile: the next that fails is another one.
    expect(await view.deliver(first)).toStrictEqual(nothingFailed);
    const second = await view.append(stream, [event(poison)]);
    expect(await deliver(second)).toStrictEqual(failed(second[0]));
    expect(await recordOf(stream)).toMatchObject({ state: "failing", attempts: 1, revision: 1n });
    expect(await view.deliver(second)).toStrictEqual(nothingFailed);
  });

  it("is given up when it ends the invocation each time, without being looked at", async () => {
    const stream = newStream();
    const [one, two] = await view.append(stream, [1, poison].map(event));
    if (one === undefined || two === undefined) throw new Error("nothing was appended");
    expect(await deliver([one])).toStrictEqual(nothingFailed);
    const { dynamodb, eventStore, catalog, quarantine } = view;
    const context: ProjectorContext = { dynamodb, eventStore, catalog, quarantine, limits, log };
    const count = () => countFailure(context, versions, { ...two, error: "timed out" });
    expect([await count(), await count(), await count()]).toStrictEqual(["failed", "failed", "waiting"]);
    expect(await recordOf(stream)).toMatchObject({ state: "quarantined", revision: 1n, lastError: "timed out" });
    expect(await redrive(stream)).toStrictEqual([{ outcome: "released", events: 1 }]);
    // What was applied before the function ended is not given up.
    expect(await count()).toBe("waiting");
    expect(await recordOf(stream)).toBeUndefined();
  });

  it("has a later event applied, not acknowledged unseen, when its record is gone by the time the event would wait", async () => {
    const stream = newStream();
    await quarantined(stream, 1, poison, 3);
    const record = await recordOf(stream);
    if (record === undefined) throw new Error("nothing was quarantined");
    // As a redrive does at its end; the mark that the writer has just read still stands.
    expect(await view.quarantine.release(record)).toBe("released");
    const later = await view.append(stream, [event(4)]);
    expect(await view.deliver(later, { limits })).toStrictEqual(nothingFailed);
    expect(await check()).toStrictEqual([]);
  });

  it("is told to a reader that waits for it", async () => {
    const stream = newStream();
    await quarantined(stream, 1, poison);
    const { dynamodb, eventStore, catalog, quarantine } = view;
    const context: ProjectorContext = { dynamodb, eventStore, catalog, quarantine, limits, log };
    const ask = async (revision: bigint) => (await catchUp(context, versions, { stream, revision })).catchUp;
    expect([await ask(0n), await ask(1n), await ask(2n)]).toStrictEqual(["applied", "quarantined", "beyond-head"]);
    // Asking is no try: a reader who waits asks many times.
    const failing = newStream();
    await view.append(failing, [event(poison)]);
    for (let asks = 0; asks < 5; asks += 1) {
      expect(await catchUp(context, versions, { stream: failing, revision: 0n })).toStrictEqual({ catchUp: "failed" });
    }
    expect(await recordOf(failing)).toBeUndefined();
    expect(await view.deliver(await view.append(failing, [event(2)]))).toStrictEqual(nothingFailed);
    expect(await catchUp(context, versions, { stream: "other-1", revision: 0n })).toStrictEqual({
      catchUp: "outside-view",
    });
    await redrive(stream);
    expect(await ask(1n)).toBe("applied");
  });

  it("loses nothing when new events race a redrive", async () => {
    const streams = Array.from({ length: 4 }, newStream);
    for (const stream of streams) await quarantined(stream, 1, poison, 3);
    const work = streams.map(async (stream, index) => {
      for (let more = 0; more < 12; more += 1) {
        const events = await view.append(stream, [event(index + more)]);
        expect(await view.deliver(events, { limits })).toStrictEqual(nothingFailed);
      }
    });
    const redrives = [redrive(), redrive(), redrive()];
    await Promise.all([...work, ...redrives]);
    await redrive();
    expect(await operations().list(view.name)).toStrictEqual([]);
    expect(await check()).toStrictEqual([]);
  });

  it("waits where the log ends for it, when what waits was scavenged meanwhile", async () => {
    const stream = newStream();
    await quarantined(stream, 1, poison, 3);
    const { dynamodb, catalog, quarantine, catalogTable } = view;
    let reads = 0;
    const scavenged = new (class extends EventStore {
      override async *readStream(...read: Parameters<EventStore["readStream"]>): ReturnType<EventStore["readStream"]> {
        for await (const each of super.readStream(...read)) if (each.revision < 1n) yield each;
      }
      override async *readAll(...read: Parameters<EventStore["readAll"]>): ReturnType<EventStore["readAll"]> {
        reads += 1;
        for await (const each of super.readAll(...read)) if (each.stream !== stream || each.revision < 1n) yield each;
      }
    })(view.client);
    const withoutThem = new QuarantineOperations(
      { dynamodb, eventStore: scavenged, catalog, quarantine, catalogTable },
      { views: new Map([[view.name, [projection]]]), processes: new Map() },
    );
    const outcomes: Redriven["outcome"][] = [];
    for await (const { outcome } of withoutThem.redrive(view.name, stream)) outcomes.push(outcome);
    expect(outcomes).toStrictEqual([
      {
        outcome: "still-failing",
        revision: 1n,
        error: `StreamHoleError: revision 1 of ${stream} is no longer in the store: it was scavenged`,
      },
    ]);
    expect(reads).toBe(1);
    expect(await recordOf(stream)).toMatchObject({ revision: 1n, waitingTo: 2n, attempts: 4 });
    await redrive(stream);
  });

  describe("whose event is discarded", () => {
    const reasonFor = "made by a program that is no longer there";
    let shared: ViewForReplay;

    // A log of their own, which the faulty projection can be rebuilt from.
    beforeEach(async () => {
      shared = view;
      view = await ViewForReplay.start(projection);
      await view.replay().run();
    });

    afterEach(async () => {
      await view.stop();
      view = shared;
    });

    it("goes on behind it, here and in every rebuild", async () => {
      const stream = newStream();
      const events = await quarantined(stream, 1, poison, 3);
      await expect(view.replay({}, versions).run()).rejects.toThrow(ReplayEventError);
      expect(await operations(broken).discard(view.name, stream, ` ${reasonFor} `)).toMatchObject({
        subject: view.name,
        stream,
        revision: 1n,
        reason: reasonFor,
        lastError: "TypeError: cannot take it",
      });
      expect(await recordOf(stream)).toMatchObject({ revision: 2n, waitingTo: 2n });
      const later = await view.append(stream, [event(4)]);
      expect(await deliver(later)).toStrictEqual(nothingFailed);
      expect(await redrive(stream, broken)).toStrictEqual([{ outcome: "released", events: 2 }]);
      const left = await view.quarantine.decisions(view.name);
      expect(left.map(({ revision }) => revision)).toStrictEqual([1n]);
      const rowsOf = async () => (await view.contentsOf(await view.generation("live"))).rows;
      const before = await rowsOf();
      const differencesOf = async () =>
        (await checkView(view, view.name, versions, { waitForGuardsMs: 0 })).differences;
      expect(await differencesOf()).toStrictEqual([]);
      // Built, verified and compared without the event, by code that could not take it.
      const { built } = await view.replay({}, versions).run();
      expect(built?.comparison?.differences ?? []).toStrictEqual([]);
      expect(await rowsOf()).toStrictEqual(before);
      expect(await differencesOf()).toStrictEqual([]);
      // The event itself comes again, as every acknowledged one may.
      expect(await deliver(events)).toStrictEqual(nothingFailed);
      expect(await rowsOf()).toStrictEqual(before);
    });

    it("is followed by another such event, which is discarded too", async () => {
      const stream = newStream();
      await quarantined(stream, 1, poison, poison, 4);
      await operations(broken).discard(view.name, stream, reasonFor);
      expect(await redrive(stream, broken)).toMatchObject([{ outcome: "still-failing", revision: 2n }]);
      await operations(broken).discard(view.name, stream, reasonFor);
      expect(await redrive(stream, broken)).toStrictEqual([{ outcome: "released", events: 1 }]);
      // The guards' positions included.
      expect((await checkView(view, view.name, versions, { waitForGuardsMs: 0 })).differences).toStrictEqual([]);
    });

    it("was the last: nothing waits any more", async () => {
      const stream = newStream();
      await quarantined(stream, 1, poison);
      await operations(broken).discard(view.name, stream, reasonFor);
      expect(await recordOf(stream)).toBeUndefined();
      expect(await deliver(await view.append(stream, [event(3)]))).toStrictEqual(nothingFailed);
      expect((await checkView(view, view.name, versions, { waitForGuardsMs: 0 })).differences).toStrictEqual([]);
    });

    it("is not followed by one that nobody has tried: a discard that is sent twice takes one event", async () => {
      const stream = newStream();
      await quarantined(stream, poison, 2, 3);
      await operations().discard(view.name, stream, reasonFor);
      await expect(operations().discard(view.name, stream, reasonFor)).rejects.toThrow(
        `event 1@${stream} has not been tried since the one before it was discarded: redrive it first`,
      );
      expect(await redrive(stream, broken)).toStrictEqual([{ outcome: "released", events: 2 }]);
    });

    it("was followed by another, of which it is told when and how it first failed", async () => {
      const stream = newStream();
      const [, second] = await quarantined(stream, poison, poison + 1_000_000);
      await operations().discard(view.name, stream, reasonFor);
      expect(await redrive(stream, broken)).toMatchObject([{ outcome: "still-failing", revision: 1n }]);
      expect(await recordOf(stream)).toMatchObject({
        attempts: 1,
        position: second?.position,
        reason: "failed when its stream was redriven",
      });
      await operations().discard(view.name, stream, reasonFor);
      expect(await recordOf(stream)).toBeUndefined();
      expect((await checkView(view, view.name, versions, { waitForGuardsMs: 0 })).differences).toStrictEqual([]);
    });

    it("was missing when a later one failed: the guard stands at its own place in the log", async () => {
      const stream = newStream();
      const [, , last] = await view.append(stream, [poison, 2, 3].map(event));
      if (last === undefined) throw new Error("nothing was appended");
      for (let tries = 0; tries < 3; tries += 1) await deliver([last]);
      await operations().discard(view.name, stream, reasonFor);
      expect(await recordOf(stream)).toMatchObject({ revision: 1n, waitingTo: 2n });
      await view.client.setStreamMetadata(stream, { truncateBefore: 2 });
      // What truncation hides is read from the guard's position on.
      expect(await redrive(stream)).toStrictEqual([{ outcome: "released", events: 2 }]);
      expect((await checkView(view, view.name, versions, { waitForGuardsMs: 0 })).differences).toStrictEqual([]);
    });

    it("is followed by one that the stream hides, and that by another such event: it waits at the second, with the hidden one applied", async () => {
      const stream = newStream();
      await quarantined(stream, poison, 2, poison, 4);
      await operations(broken).discard(view.name, stream, reasonFor);
      await view.client.setStreamMetadata(stream, { truncateBefore: 2 });
      expect(await redrive(stream, broken)).toMatchObject([{ outcome: "still-failing", revision: 2n }]);
      expect(await recordOf(stream)).toMatchObject({ revision: 2n, waitingTo: 3n, attempts: 1 });
      await operations(broken).discard(view.name, stream, reasonFor);
      expect(await redrive(stream, broken)).toStrictEqual([{ outcome: "released", events: 1 }]);
      expect((await checkView(view, view.name, versions, { waitForGuardsMs: 0 })).differences).toStrictEqual([]);
    });

    it("is not, while a generation stands still that may hold it, or wait at it when it goes on", async () => {
      const stream = newStream();
      await view.replay().start();
      await quarantined(stream, 1, poison, 3);
      await view.replay().pause();
      const { id } = await view.generation("joined");
      await expect(operations(broken).discard(view.name, stream, reasonFor)).rejects.toThrow(
        `generation ${id} of ${view.name} is paused, and may hold the event or wait at it when it goes on: resume it first`,
      );
      await view.replay().abort();
      await operations(broken).discard(view.name, stream, reasonFor);
      expect(await redrive(stream, broken)).toStrictEqual([{ outcome: "released", events: 1 }]);
    });

    it("says why, and is one that waits", async () => {
      const stream = newStream();
      await quarantined(stream, poison);
      const discard = (of: string, reason: string) => operations().discard(view.name, of, reason);
      await expect(discard(stream, " ")).rejects.toThrow(/^say why, in 3 to 1000 characters/);
      await expect(discard(newStream(), reasonFor)).rejects.toThrow(DiscardRefusedError);
      await expect(operations().discard("nothing", stream, reasonFor)).rejects.toThrow(
        `there is no view or process "nothing": use one of ${view.name}`,
      );
      await redrive(stream);
    });

    it("may not be in the rows of another generation", async () => {
      const stream = newStream();
      // A soaking generation, made by what can take the event.
      await view.replay().run();
      const soaking = await view.generation("soaking");
      const [bad] = await quarantined(stream, poison);
      if (bad === undefined) throw new Error("nothing was appended");
      const { dynamodb, eventStore } = view;
      await redriveOnly(soaking.id, stream);
      await applyEvents({ dynamodb, eventStore, projection, generation: soaking }, [bad]);
      await expect(operations().discard(view.name, stream, reasonFor)).rejects.toThrow(
        `event 0@${stream} is in the rows of generation ${soaking.id} of ${view.name}: make that one live, or abort or retire it first`,
      );
      await redrive(stream);
      expect(await check()).toStrictEqual([]);
    });

    /** As if the event had never failed in this generation. */
    async function redriveOnly(generation: string, stream: string): Promise<void> {
      const record = await view.quarantine.read(viewTarget(view.name, generation), stream);
      if (record !== undefined) await view.quarantine.release(record);
    }
  });

  it("keeps a generation that it waits in from becoming live, as long as it has gone on in the one that is", async () => {
    await view.replay().run();
    const stream = newStream();
    const events = await quarantined(stream, 1, poison, 3);
    const [soaking, live] = [await view.generation("soaking"), await view.generation("live")];
    // It waits in both: nobody sees it go back.
    await view.replay().rollback();
    await view.replay().rollback();
    const { dynamodb, eventStore } = view;
    await applyEvents({ dynamodb, eventStore, projection, generation: live }, events);
    await expect(view.replay().rollback()).rejects.toThrow(
      `rollback of generation ${soaking.id} of ${view.name} is refused: ${stream} waits in it at revision 1, which the live one has: redrive it first`,
    );
    await redrive();
    await view.replay().rollback();
    expect(await check()).toStrictEqual([]);
    await view.replay().retire();
  });

  it("waits in no generation that is gone", async () => {
    const stream = newStream();
    await quarantined(stream, 1, poison);
    const live = await view.generation("live");
    onTestFinished(async () => {
      await redrive();
    });
    await view.replay().run();
    // A projector that has not seen the swap lets another event wait while the records go.
    const quarantine = new (class extends Quarantine {
      override async *recordsOf(target: string): ReturnType<Quarantine["recordsOf"]> {
        for await (const record of super.recordsOf(target)) {
          await this.waitBehind(target, record.stream, record.waitingTo + 1n);
          yield record;
        }
      }
    })(view.dynamodb, view.quarantine.table);
    await view.replay({ quarantine }).retire();
    expect(await view.quarantine.read(viewTarget(view.name, live.id), stream)).toBeUndefined();
    expect(await operations().list()).toStrictEqual([]);
  });
});

it("a change of what an event means is not looked at when it is discarded", () => {
  const [{ projection }] = kinds;
  const event = { type: "Changed", data: {}, stream: "account-1", revision: 3n, position: { commit: 1n, prepare: 1n } };
  const stored: StoredEvent = {
    ...event,
    data: "not what the type says",
    id: randomUUID(),
    metadata: {},
    recordedAt: new Date(),
  };
  expect(() => changesOf(projection, stored)).toThrow();
  expect(changesOf({ ...projection, isDiscarded: ({ revision }) => revision === 3n }, stored)).toStrictEqual([]);
});
