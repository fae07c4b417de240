/** A process is told of everything but what was given up, and of that too once it can take it: each stream in its order. */
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { itemIdentifier } from "../../../engine/delivery/event-record.ts";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import type { UntoldEvent } from "../../../engine/processes/process-batch.ts";
import { QuarantineOperations } from "../../../engine/quarantine/operations.ts";
import { Quarantine, quarantineTable } from "../../../engine/quarantine/quarantine.ts";
import { countProcessFailure, tellUnlessWaiting } from "../../../engine/quarantine/quarantined-process.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { Catalog } from "../../../engine/views/catalog.ts";
import { catalogTable } from "../../../functions/dynamodb-connection.ts";
import { createTables, unlisted, useViews } from "../views/views-for-test.ts";

const log = createLogger("test", { level: "silent" });
const limits = retryLimitsSchema.parse({ maximumRetryAttempts: 1 });
const process = "process-transfers";

describe("a process with an event that it cannot take", () => {
  const views = useViews();
  let tablePrefix: string;
  let quarantine: Quarantine;

  beforeAll(async () => {
    tablePrefix = await createTables(views.dynamodb);
    quarantine = new Quarantine(views.dynamodb, quarantineTable(tablePrefix));
  });

  const newStream = (): string => `account-${randomUUID()}`;
  const append = (stream: string, count: number) =>
    views.append(
      stream,
      Array.from({ length: count }, () => unlisted),
    );
  const failed = (...events: readonly (StoredEvent | undefined)[]) => ({
    batchItemFailures: events.flatMap((event) =>
      event === undefined ? [] : [{ itemIdentifier: itemIdentifier(event) }],
    ),
  });
  const nothingFailed = failed();

  /** A process that takes all events but these, and notes what it was told. */
  class ProcessForTest {
    readonly told: string[] = [];
    readonly refuses: Set<string>;
    error: Error = new TypeError("cannot take it");

    constructor(...refuses: readonly (StoredEvent | undefined)[]) {
      this.refuses = new Set(failed(...refuses).batchItemFailures.map((each) => each.itemIdentifier));
    }

    tell = (events: readonly StoredEvent[]): Promise<UntoldEvent[]> => {
      const untold: UntoldEvent[] = [];
      for (const event of events) {
        const item = itemIdentifier(event);
        if (this.refuses.has(item)) untold.push({ event, error: this.error, isBehind: false });
        else if (untold.length > 0 && untold[0]?.event.stream === event.stream) {
          untold.push({ event, error: this.error, isBehind: true });
        } else this.told.push(item);
      }
      return Promise.resolve(untold);
    };

    take(events: readonly StoredEvent[]) {
      return tellUnlessWaiting({ quarantine, limits, log }, process, events, this.tell);
    }

    operations(): QuarantineOperations {
      const { dynamodb, eventStore } = views;
      const catalog = new Catalog(dynamodb, catalogTable(tablePrefix));
      const context = { dynamodb, eventStore, catalog, quarantine, catalogTable: catalogTable(tablePrefix) };
      return new QuarantineOperations(context, { views: new Map(), processes: new Map([[process, this.tell]]) });
    }

    async redrive(stream: string) {
      for await (const { outcome } of this.operations().redrive(process, stream)) return outcome;
      return undefined;
    }
  }

  const items = (...events: readonly StoredEvent[]): string[] => events.map(itemIdentifier);

  it("is told of other streams, later events wait, and a redrive tells it of them in order", async () => {
    const [bad, good] = [newStream(), newStream()];
    const [zero, one, two] = await append(bad, 3);
    const others = await append(good, 2);
    if (zero === undefined || one === undefined || two === undefined) throw new Error("nothing was appended");
    const transfers = new ProcessForTest(one);
    expect(await transfers.take([zero, one, two, ...others])).toStrictEqual(failed(one, two));
    expect(await transfers.take([one, two])).toStrictEqual(nothingFailed);
    expect(await quarantine.read(process, bad)).toMatchObject({ state: "quarantined", revision: 1n, waitingTo: 2n });
    const more = await append(bad, 2);
    expect(await transfers.take([...more, one])).toStrictEqual(nothingFailed);
    expect(transfers.told).toStrictEqual(items(zero, ...others));
    expect(await transfers.redrive(bad)).toMatchObject({ outcome: "still-failing", revision: 1n });
    transfers.refuses.clear();
    expect(await transfers.redrive(bad)).toStrictEqual({ outcome: "released", events: 4 });
    expect(transfers.told).toStrictEqual(items(zero, ...others, one, two, ...more));
    expect(await quarantine.read(process, bad)).toBeUndefined();
    expect(await transfers.take(await append(bad, 1))).toStrictEqual(nothingFailed);
  });

  it("goes on behind an event that is discarded, also when that comes again", async () => {
    const stream = newStream();
    const [zero, one] = await append(stream, 2);
    if (zero === undefined || one === undefined) throw new Error("nothing was appended");
    const transfers = new ProcessForTest(zero);
    await transfers.take([zero, one]);
    await transfers.take([zero, one]);
    expect(await transfers.operations().discard(process, stream, "nobody asked for it")).toMatchObject({
      subject: process,
      revision: 0n,
    });
    expect(await transfers.redrive(stream)).toStrictEqual({ outcome: "released", events: 1 });
    expect(transfers.told).toStrictEqual(items(one));
    expect(await transfers.take([zero])).toStrictEqual(nothingFailed);
    expect(await countProcessFailure({ quarantine, limits, log }, process, { ...zero, error: "timed out" })).toBe(
      "waiting",
    );
    expect(await quarantine.read(process, stream)).toBeUndefined();
  });

  it("goes on behind an event that is discarded when both come again in one batch", async () => {
    const stream = newStream();
    const events = await append(stream, 3);
    const [zero, one, two] = events;
    if (zero === undefined || one === undefined || two === undefined) throw new Error("nothing was appended");
    const transfers = new ProcessForTest(zero);
    await transfers.take([zero]);
    await transfers.take([zero]);
    await transfers.operations().discard(process, stream, "nobody asked for it");
    expect(await quarantine.read(process, stream)).toBeUndefined();
    expect(await transfers.take(events)).toStrictEqual(failed(one, two));
    expect(await transfers.take([one, two])).toStrictEqual(nothingFailed);
    expect(transfers.told).toStrictEqual(items(one, two));
  });

  it("has nothing counted against an event that only found the store away, or waits behind another", async () => {
    const events = await append(newStream(), 2);
    const [zero] = events;
    const transfers = new ProcessForTest(zero);
    transfers.error = new EventStoreUnavailableError("no answer");
    for (let tries = 0; tries < 4; tries += 1) expect(await transfers.take(events)).toStrictEqual(failed(...events));
    expect(await quarantine.read(process, zero?.stream ?? "")).toBeUndefined();
    const isBehind = (all: readonly StoredEvent[]): Promise<UntoldEvent[]> =>
      Promise.resolve(all.map((event) => ({ event, error: new TypeError("another's"), isBehind: true })));
    const answer = await tellUnlessWaiting({ quarantine, limits, log }, process, events, isBehind);
    expect(answer).toStrictEqual(failed(...events));
    expect(await quarantine.read(process, zero?.stream ?? "")).toBeUndefined();
  });

  it("is counted against by whoever saw the function end, as long as it is not given up", async () => {
    const [zero] = await append(newStream(), 1);
    if (zero === undefined) throw new Error("nothing was appended");
    const count = () => countProcessFailure({ quarantine, limits, log }, process, { ...zero, error: "killed" });
    expect([await count(), await count(), await count()]).toStrictEqual(["failed", "waiting", "waiting"]);
    expect(await quarantine.read(process, zero.stream)).toMatchObject({ attempts: 2, lastError: "killed" });
    expect(await new ProcessForTest().redrive(zero.stream)).toStrictEqual({ outcome: "released", events: 1 });
  });
});
