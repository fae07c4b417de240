/**
 * Thousands of random schedules of a persistent subscription group: events, consumers, acknowledgements of every kind,
 * time, full buffers, slow reads, parked messages and crashes. What must hold is held by the model at every step.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { GroupSettings } from "../../../local/eventstoredb/persistent-subscriptions/settings.ts";
import { GroupModel, isReplay } from "./group-model.ts";

const fixed = { resolveLinkTos: false, extraStatistics: false, maxSubscriberCount: 0 } as const;

const groupSettings: fc.Arbitrary<GroupSettings> = fc
  .record({
    consumerStrategy: fc.constantFrom("RoundRobin" as const, "DispatchToSingle" as const, "Pinned" as const),
    startFrom: fc.constantFrom("end" as const, 0n, 21n),
    readBatchSize: fc.integer({ min: 1, max: 3 }),
    roomBeyondBatch: fc.integer({ min: 1, max: 8 }),
    liveBufferSize: fc.integer({ min: 0, max: 4 }),
    maxRetryCount: fc.integer({ min: 0, max: 3 }),
    checkPointAfter: fc.constantFrom(0, 1, 2000),
    minCheckPointCount: fc.integer({ min: 0, max: 4 }),
    maxCheckPointCount: fc.integer({ min: 1, max: 6 }),
    messageTimeout: fc.constantFrom(0, 700, 1500, 60_000),
  })
  .map(({ roomBeyondBatch, ...settings }) => ({
    ...fixed,
    ...settings,
    historyBufferSize: settings.readBatchSize + roomBeyondBatch,
  }));

type Step = (model: GroupModel) => void;

const of = (ids: readonly string[], pick: number): string | undefined => ids[pick % Math.max(1, ids.length)];
const pick = fc.nat(50);
const consumer = fc.constantFrom("a", "b", "c");

const ack = pick.map((chosen): Step => (model) => {
  const id = of(model.heldIds, chosen);
  if (id !== undefined) model.ack(id);
});
const append = fc.tuple(fc.constantFrom("x", "y", "z"), fc.boolean()).map(
  ([source, matches]): Step =>
    (model) =>
      model.append(source, matches),
);
const pause = fc.constant<Step>((model) => model.pauseReading());
const resume = fc.constant<Step>((model) => model.resumeReading());
const crash = fc.boolean().map(
  (losesLast): Step =>
    (model) =>
      model.crash(losesLast),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: append },
  { weight: 9, arbitrary: ack },
  {
    weight: 4,
    arbitrary: fc.tuple(consumer, fc.integer({ min: 1, max: 4 })).map(
      ([id, bufferSize]): Step =>
        (model) =>
          model.connect(id, bufferSize),
    ),
  },
  {
    weight: 1,
    arbitrary: consumer.map(
      (id): Step =>
        (model) =>
          model.disconnect(id),
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom("retry" as const, "unknown" as const, "park" as const, "skip" as const, "stop" as const),
        pick,
      )
      .map(([action, chosen]): Step => (model) => {
        const id = of(model.heldIds, chosen);
        if (id !== undefined) model.nack(id, action);
      }),
  },
  {
    // An acknowledgement that comes late, or twice.
    weight: 1,
    arbitrary: pick.map((chosen): Step => (model) => {
      const id = of(model.deliveredIds, chosen);
      if (id !== undefined) model.ack(id);
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(300, 700, 1000).map(
      (time): Step =>
        (model) =>
          model.wait(time),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Step>((model) => model.tick()) },
  {
    weight: 2,
    arbitrary: fc.constantFrom("written" as const, "written" as const, "failed" as const).map(
      (outcome): Step =>
        (model) =>
          model.finishParking(outcome),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Step>((model) => model.replayParked()) },
  { weight: 1, arbitrary: pause },
  { weight: 1, arbitrary: resume },
  { weight: 1, arbitrary: crash },
);

/** From here on all consumers are well and all disks write: nothing may stay owed. */
const finish = (model: GroupModel): void => {
  model.resumeReading();
  model.connect("last", 3);
  for (let round = 0; round < 2000 && model.owed.length > 0; round += 1) {
    for (const id of model.heldIds) model.ack(id);
    model.finishParking("written");
  }
  expect(model.owed).toEqual([]);
};

test("nothing is lost, sent twice for nothing or beyond a buffer, and no checkpoint passes what is owed or goes back", () => {
  fc.assert(
    fc.property(
      groupSettings,
      fc.integer({ min: 0, max: 10 }),
      fc.array(step, { maxLength: 150, size: "max" }),
      (settings, historyLength, steps) => {
        const model = new GroupModel(settings, historyLength);
        for (const one of steps) one(model);
        finish(model);
      },
    ),
    { numRuns: 3000 },
  );
});

test("with one consumer that has a buffer of 1 and no retries the order is exact, from one crash to the next", () => {
  const calm = fc.oneof(
    { weight: 6, arbitrary: append },
    { weight: 6, arbitrary: ack },
    { weight: 1, arbitrary: pause },
    { weight: 1, arbitrary: resume },
    { weight: 1, arbitrary: crash },
  );
  fc.assert(
    fc.property(
      groupSettings,
      fc.integer({ min: 0, max: 10 }),
      fc.array(calm, { maxLength: 100, size: "max" }),
      (settings, historyLength, steps) => {
        const model = new GroupModel(settings, historyLength);
        for (const one of steps) {
          model.connect("only", 1);
          one(model);
        }
        model.disconnect("only");
        const delivered = model.deliveries.filter((id) => !isReplay(id));
        for (const [index, id] of delivered.entries()) {
          const before = delivered[index - 1];
          if (before === undefined || before === "crash" || id === "crash") continue;
          expect(Number(id.slice("event-".length))).toBeGreaterThan(Number(before.slice("event-".length)));
        }
        finish(model);
      },
    ),
    { numRuns: 1000 },
  );
});

test("a live group stays live while its consumers keep up", () => {
  fc.assert(
    fc.property(groupSettings, fc.array(fc.boolean(), { maxLength: 40 }), (settings, events) => {
      const model = new GroupModel(settings, 0);
      model.connect("quick", 1);
      for (const matches of events) {
        model.append("x", matches);
        for (const id of model.heldIds) model.ack(id);
        expect(model.isLive).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});
