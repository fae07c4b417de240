import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { parse } from "yaml";
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

const scheduleSchema = z
  .union([z.string().transform(() => ({})), z.object({ input: z.unknown() })])
  .transform((schedule): { readonly input?: unknown } => schedule);
const scheduledSchema = z.object({
  events: z.tuple([z.object({ schedule: scheduleSchema })], z.object({ schedule: scheduleSchema })),
});
const serviceSchema = z.object({ functions: z.object({ check: scheduledSchema, "sample-check": scheduledSchema }) });

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
    const wrong = [
      { veiw: "sales-by-month" },
      { view: 1 },
      "sales-by-month",
      { sample: 1 },
      { sample: 20_000 },
      { sample: "10" },
      { seed: "a" },
      { row: "months / 1996-07#USD" },
      { view: "sales-by-month", row: "x", sample: 2 },
      { view: "sales-by-month", repair: true },
    ];
    for (const event of wrong) {
      expect(await rejection(check(event))).toMatchObject({
        code: "CHECK_EVENT_INVALID",
        message:
          'the event is not understood: send {} or {"view": "<name>"}, or one of them with "sample": <rows from 2 to 10000> and perhaps "seed"; or {"view": "<name>", "row": "<key>"}',
      });
    }
  });

  it("understands what its schedules send, as `check` and as `sample-check`", async () => {
    printed();
    const text = await readFile(join(import.meta.dirname, "../../serverless.yml"), "utf8");
    const { functions } = serviceSchema.parse(parse(text));
    expect(await check(schedule)).toStrictEqual({ views: twoOrders });
    const answers = [];
    for (const each of functions["check"].events) answers.push(await check(each.schedule.input));
    expect(answers).toStrictEqual(twoOrders.map((view) => ({ views: [view] })));
    const { input } = functions["sample-check"].events[0].schedule;
    expect(await check(input)).toMatchObject({
      only: { sample: 100, seed: expect.stringMatching(/^\w{8}$/) as string },
      views: twoOrders,
    });
  });

  it("checks the same sample again by its seed, and one row by its name", async () => {
    const lines = printed();
    const one = await check({ sample: 2, view: "order-summary", seed: "a" });
    expect(await check({ sample: 2, view: "order-summary", seed: "a" })).toStrictEqual(one);
    const row = { view: "sales-by-month", row: "months / 1996-07#USD" };
    expect(await check(row)).toMatchObject({ only: { row: row.row }, views: [{ rows: 1, guards: 2 }] });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { View: "order-summary", SampledDifferences: 0, SampledUndecidedRows: 0 },
      { View: "order-summary", SampledDifferences: 0, SampledUndecidedRows: 0 },
      { View: "sales-by-month", SampledRows: 1, SampledDifferences: 0, SampledUndecidedRows: 0 },
    ]);
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
