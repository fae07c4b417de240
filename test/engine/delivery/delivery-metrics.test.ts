/** The numbers of delivery as documents of the embedded metric format. */
import { describe, expect, it } from "vitest";
import type { LagReport } from "../../../engine/delivery/lag.ts";
import { lagMetrics, measurementMetrics } from "../../../engine/delivery/lag-metrics.ts";
import { SubscriberMetrics } from "../../../engine/delivery/subscriber-metrics.ts";
import type { SubscriptionStatus } from "../../../engine/delivery/subscription.ts";

const now = new Date("2026-01-01T00:01:00.000Z");
const oldestAt = new Date("2026-01-01T00:00:58.500Z");

const parsed = (document: string | undefined): unknown => JSON.parse(document ?? "null");

/** What CloudWatch is told to make of a document. */
const directive = (dimensions: readonly string[], counts: readonly string[], seconds: readonly string[] = []) => ({
  Timestamp: now.getTime(),
  CloudWatchMetrics: [
    {
      Namespace: "Tidemark",
      Dimensions: [dimensions],
      Metrics: [
        ...counts.map((Name) => ({ Name, Unit: "Count" })),
        ...seconds.map((Name) => ({ Name, Unit: "Seconds" })),
      ],
    },
  ],
});

const late: LagReport = {
  group: "tidemark-dev-project-sums",
  view: "sums",
  generation: { id: "g1", version: 2 },
  outcome: { lag: { events: 3, bound: "at least", oldestAt } },
};
const idle: LagReport = { group: "tidemark-dev-remind", outcome: { lag: { events: 0, bound: "exact" } } };
const untold: LagReport = { group: "tidemark-dev-project-gone", view: "gone", outcome: { error: new Error("down") } };

describe("the metrics of a lag", () => {
  it("are events and seconds, of a view with what tells them apart in the log", () => {
    expect(parsed(lagMetrics("tidemark-dev", "project-sums", late, now))).toStrictEqual({
      _aws: directive(["Deployment", "View"], ["LagEvents"], ["LagSeconds"]),
      Deployment: "tidemark-dev",
      View: "sums",
      Bound: "at least",
      Generation: "g1",
      LagEvents: 3,
      LagSeconds: 1.5,
    });
  });

  it("are of the function where it keeps no view, and numbers also where nothing lags", () => {
    expect(parsed(lagMetrics("tidemark-dev", "remind", { ...idle, quarantined: 4 }, now))).toStrictEqual({
      _aws: directive(["Deployment", "Function"], ["LagEvents", "Quarantined"], ["LagSeconds"]),
      Deployment: "tidemark-dev",
      Function: "remind",
      Bound: "exact",
      LagEvents: 0,
      Quarantined: 4,
      LagSeconds: 0,
    });
  });

  it("are none where it could not be told, which the number of those that could be shows", () => {
    expect(lagMetrics("tidemark-dev", "project-gone", untold, now)).toBeUndefined();
    expect(parsed(measurementMetrics("tidemark-dev", [late, { ...idle, quarantined: 3 }, untold], now))).toStrictEqual({
      _aws: directive(["Deployment"], ["MeasuredSubscriptions", "QuarantinedStreams"]),
      Deployment: "tidemark-dev",
      MeasuredSubscriptions: 2,
      QuarantinedStreams: 3,
    });
  });
});

describe("the metrics of a subscriber", () => {
  const status = (name: string, change: Partial<SubscriptionStatus> = {}): SubscriptionStatus => ({
    name,
    group: `${name}.order`,
    connected: true,
    held: 0,
    inFlight: 0,
    waiting: 0,
    batchesPerSecond: 0,
    eventsPerSecond: 0,
    acknowledged: 0,
    invocations: 0,
    failedInvocations: 0,
    ...change,
  });

  it("are what it holds now and what it has done since they were last written, of each subscription", () => {
    const documents: unknown[] = [];
    let seen: readonly SubscriptionStatus[] = [];
    const metrics = new SubscriberMetrics({
      deployment: "tidemark-dev",
      prefix: "tidemark-dev-",
      status: () => seen,
      write: (document) => documents.push(parsed(document)),
    });
    const document = (Subscription: string, numbers: object) => ({
      _aws: directive(
        ["Deployment", "Subscription"],
        ["Connected", "Held", "InFlight", "WaitingForRetry", "Acknowledged", "Batches", "FailedBatches"],
        ["OldestHeldSeconds"],
      ),
      Deployment: "tidemark-dev",
      Subscription,
      ...{ Connected: 1, Held: 0, InFlight: 0, WaitingForRetry: 0, Acknowledged: 0, Batches: 0, FailedBatches: 0 },
      OldestHeldSeconds: 0,
      ...numbers,
    });

    const busy = { held: 5, inFlight: 3, waiting: 2, oldestHeldAt: oldestAt.toISOString() };
    seen = [status("tidemark-dev-project-sums", { ...busy, acknowledged: 10, invocations: 4, failedInvocations: 1 })];
    metrics.write(now);
    seen = [
      status("tidemark-dev-project-sums", { acknowledged: 15, invocations: 6, failedInvocations: 1 }),
      status("tidemark-dev-remind", { connected: false }),
    ];
    metrics.write(now);
    expect(documents).toStrictEqual([
      document("project-sums", {
        ...{ Held: 5, InFlight: 3, WaitingForRetry: 2, Acknowledged: 10, Batches: 4, FailedBatches: 1 },
        OldestHeldSeconds: 1.5,
      }),
      document("project-sums", { Acknowledged: 5, Batches: 2 }),
      document("remind", { Connected: 0 }),
    ]);
  });
});
