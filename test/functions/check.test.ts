import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import { deleteGenerationTable } from "../../engine/views/generation-table.ts";
import { viewNames } from "../../projections/registry.ts";
import { OrderViews } from "./order-views.ts";
import { twoOrders } from "./two-orders.ts";
import { rejection } from "../local/eventstoredb/event-store-for-test.ts";

const schedule = {
  version: "0",
  id: "b",
  "detail-type": "Scheduled Event",
  source: "aws.events",
  account: "123456789012",
  time: "2026-01-01T00:00:00Z",
  region: "eu-central-1",
  resources: ["arn:aws:events:eu-central-1:123456789012:rule/check"],
  detail: {},
};

const metricSchema = z.object({
  _aws: z.object({ Timestamp: z.int(), CloudWatchMetrics: z.array(z.unknown()) }),
  Deployment: z.string(),
  View: z.string(),
});

describe("the function check", () => {
  let views: OrderViews;
  let check: (event: unknown) => Promise<unknown>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    Object.assign(process.env, {
      EVENTSTORE_CONNECTION_STRING: views.server.connectionString,
      DYNAMODB_ENDPOINT: inject("dynamodbEndpoint"),
      AWS_REGION: "eu-central-1",
      TABLE_PREFIX: views.tablePrefix,
      LOG_LEVEL: "silent",
    });
    check = (await import("../../functions/check.ts")).handler;
    await views.place("a");
    await views.place("b");
    await views.deliver();
  });

  afterAll(() => views.stop());
  afterEach(() => vi.restoreAllMocks());

  /** What it writes to standard output, line by line. */
  const printed = (): string[] => {
    const lines: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      lines.push(String(text));
      return true;
    });
    return lines;
  };

  it.each([schedule, {}, null, undefined])("checks every view when invoked with %j", async (event) => {
    printed();
    expect(await check(event)).toStrictEqual({ views: twoOrders });
  });

  it("checks one view by hand", async () => {
    printed();
    expect(await check({ view: "sales-by-month" })).toStrictEqual({ views: twoOrders.slice(1, 2) });
  });

  it("names the known views when asked for another, and refuses an event that it does not understand", async () => {
    expect(await rejection(check({ view: "no-such-view" }))).toMatchObject({
      code: "UNKNOWN_VIEW",
      message: `there is no view "no-such-view": use one of ${viewNames.join(", ")}`,
    });
    for (const event of [{ veiw: "sales-by-month" }, { view: 1 }, "sales-by-month"]) {
      expect(await rejection(check(event))).toMatchObject({ code: "CHECK_EVENT_INVALID" });
    }
  });

  it("writes one metric document a view", async () => {
    const lines = printed();
    await check({});
    const documents = lines.map((line) => metricSchema.parse(JSON.parse(line)));
    const deployment = views.tablePrefix.slice(0, -1);
    expect(documents.map(({ Deployment, View }) => [Deployment, View])).toStrictEqual(
      viewNames.map((view) => [deployment, view]),
    );
    expect(lines.every((line) => line.endsWith("}\n"))).toBe(true);
  });

  it("ends with an error that names the view that differs, after all were checked", async () => {
    const extra = { partition: "no", sort: "order" };
    await views.put("order-summary", extra, { status: { S: "placed" } });
    const lines = printed();
    const error = await rejection(check(schedule));
    await views.remove("order-summary", extra);
    expect(error).toMatchObject({
      name: "ViewsDriftedError",
      code: "VIEWS_DRIFTED",
      message:
        "not what the events say, or not known to be: order-summary has 1 differences and 0 undecided rows. See docs/consistency.md",
    });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { View: "order-summary", FailedChecks: 0, Rows: 3, Differences: 1, UndecidedRows: 0 },
      ...twoOrders.slice(1).map(({ view, rows }) => ({ View: view, FailedChecks: 0, Rows: rows, Differences: 0 })),
    ]);
  });

  it("ends with an error for a view that could not be checked, after all were", async () => {
    await deleteGenerationTable(views.dynamodb, views.tableOf("order-summary"));
    const lines = printed();
    expect(await rejection(check(schedule))).toMatchObject({
      code: "VIEWS_DRIFTED",
      cause: { code: "LIVE_TABLE_MISSING" },
    });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { View: "order-summary", FailedChecks: 1 },
      ...twoOrders.slice(1).map(({ view, rows }) => ({ View: view, FailedChecks: 0, Rows: rows })),
    ]);
  });
});
