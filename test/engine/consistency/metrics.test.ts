import { describe, expect, it } from "vitest";
import { checkMetrics } from "../../../engine/consistency/metrics.ts";

const report = {
  view: "sums",
  generation: "g1",
  version: 1,
  rows: 4,
  guards: 5,
  events: 6,
  differenceCount: 2,
  lateCount: 0,
  differences: [],
  undecidedCount: 1,
  undecided: [],
  scavengedStreams: 3,
};

describe("the metrics of a check", () => {
  it("are one document of the embedded metric format: a directive, its dimensions and a value for each metric", () => {
    const line = checkMetrics("tidemark-dev", { view: "sums", outcome: "differs", report }, 1_700_000_000_000);
    expect(line).not.toContain("\n");
    expect(JSON.parse(line)).toStrictEqual({
      _aws: {
        Timestamp: 1_700_000_000_000,
        CloudWatchMetrics: [
          {
            Namespace: "Tidemark",
            Dimensions: [["Deployment", "View"]],
            Metrics: [
              { Name: "FailedChecks", Unit: "Count" },
              { Name: "Rows", Unit: "Count" },
              { Name: "Guards", Unit: "Count" },
              { Name: "Events", Unit: "Count" },
              { Name: "Differences", Unit: "Count" },
              { Name: "UndecidedRows", Unit: "Count" },
              { Name: "ScavengedStreams", Unit: "Count" },
            ],
          },
        ],
      },
      Deployment: "tidemark-dev",
      View: "sums",
      FailedChecks: 0,
      Rows: 4,
      Guards: 5,
      Events: 6,
      Differences: 2,
      UndecidedRows: 1,
      ScavengedStreams: 3,
    });
  });

  it("of a check that failed claim no numbers", () => {
    const line = checkMetrics("tidemark-dev", { view: "sums", outcome: "failed", error: new Error("down") }, 1);
    expect(JSON.parse(line)).toStrictEqual({
      _aws: {
        Timestamp: 1,
        CloudWatchMetrics: [
          {
            Namespace: "Tidemark",
            Dimensions: [["Deployment", "View"]],
            Metrics: [{ Name: "FailedChecks", Unit: "Count" }],
          },
        ],
      },
      Deployment: "tidemark-dev",
      View: "sums",
      FailedChecks: 1,
    });
  });
});
