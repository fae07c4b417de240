/** The function that measures the lag, on all views of the deployment: the numbers that it writes while lag is made. */
import { DeleteTableCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import { triggers } from "../../functions/subscriptions.ts";
import { categoriesOf } from "../../engine/views/projection.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import { rejection } from "../local/eventstoredb/event-store-for-test.ts";
import { OrderViews } from "./order-views.ts";

const documentSchema = z.object({
  Deployment: z.string(),
  View: z.string().optional(),
  Function: z.string().optional(),
  Bound: z.string().optional(),
  Generation: z.string().optional(),
  LagEvents: z.int().optional(),
  LagSeconds: z.number().optional(),
  MeasuredSubscriptions: z.int().optional(),
  QuarantinedStreams: z.int().optional(),
  Quarantined: z.int().optional(),
});

const names = triggers((name) => name).map(({ name }) => name);

describe("the function lag", () => {
  let views: OrderViews;
  let lag: () => Promise<unknown>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    process.env["FUNCTION_PREFIX"] = "tidemark-test-";
    lag = (await import("../../functions/lag.ts")).handler;
  });

  afterAll(() => views.stop());
  afterEach(() => vi.restoreAllMocks());

  /** What it writes to standard output. */
  const written = (): string[] => {
    const lines: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      lines.push(String(text));
      return true;
    });
    return lines;
  };

  const parsed = (lines: readonly string[]) => lines.map((line) => documentSchema.parse(JSON.parse(line)));

  /** Of each subscription the events, by what its metric is named after; seconds are left to the clock. */
  async function numbers(): Promise<Record<string, string>> {
    const lines = written();
    await lag();
    vi.restoreAllMocks();
    const told: Record<string, string> = {};
    for (const { View, Function, LagEvents, Bound, LagSeconds } of parsed(lines)) {
      if (LagEvents === undefined || LagSeconds === undefined) continue;
      expect(LagEvents === 0 ? LagSeconds === 0 : LagSeconds > 0).toBe(true);
      told[View ?? Function ?? ""] = `${Bound ?? ""} ${LagEvents}`;
    }
    return told;
  }

  const nothing = Object.fromEntries(
    [...viewNames, "process-order-to-cash", "write-snapshots"].map((name) => [name, "exact 0"]),
  );

  it("writes a document a view and process, and one of how many it could measure", async () => {
    const lines = written();
    expect(await lag()).toStrictEqual({
      subscriptions: names.map((name) => ({ name, events: 0, seconds: 0 })),
    });
    expect(lines.every((line) => line.endsWith("}\n"))).toBe(true);
    const common = { Deployment: "tidemark-test", Bound: "exact", LagEvents: 0, LagSeconds: 0 };
    const counted = { ...common, Quarantined: 0 };
    expect(parsed(lines)).toStrictEqual([
      ...viewNames.map((View) => ({ ...counted, View, Generation: "g1" })),
      { ...counted, Function: "process-order-to-cash" },
      { ...common, Function: "write-snapshots" },
      { Deployment: "tidemark-test", MeasuredSubscriptions: names.length, QuarantinedStreams: 0 },
    ]);
  });

  /** What an order that was placed is lag of, so many times. */
  const orders = (events: number) => {
    const ofOrders = viewNames.filter((view) => categoriesOf(versionsOf(view)[0]).includes("order"));
    return Object.fromEntries(ofOrders.map((view) => [view, `exact ${events}`]));
  };

  it("counts what is sent and not applied, until it is", async () => {
    expect(await numbers()).toStrictEqual(nothing);
    await views.place("a");
    await new Promise((resolve) => setTimeout(resolve, 2));
    const one = { ...orders(1), "process-order-to-cash": "at most 1" };
    expect(await numbers()).toStrictEqual({ ...nothing, ...one });
    await views.place("b");
    await new Promise((resolve) => setTimeout(resolve, 2));
    const two = { ...orders(2), "process-order-to-cash": "at most 2" };
    expect(await numbers()).toStrictEqual({ ...nothing, ...two });
    await views.deliver();
    // No group has acknowledged them, and a process keeps no guards.
    expect(await numbers()).toStrictEqual({ ...nothing, "process-order-to-cash": "at most 2" });
  });

  it("ends with an error that names the view it could not measure, after all others were", async () => {
    await views.dynamodb.send(new DeleteTableCommand({ TableName: views.tableOf("sales-by-month") }));
    const lines = written();
    expect(await rejection(lag())).toMatchObject({
      name: "LagNotMeasuredError",
      code: "LAG_NOT_MEASURED",
      message: "the lag of project-sales-by-month could not be told: see the log",
      cause: expect.objectContaining({ code: "LIVE_TABLE_MISSING" }) as unknown,
    });
    const documents = parsed(lines);
    expect(documents.map(({ View }) => View)).not.toContain("sales-by-month");
    expect(documents.at(-1)).toStrictEqual({
      Deployment: "tidemark-test",
      MeasuredSubscriptions: names.length - 1,
      QuarantinedStreams: 0,
    });
  });
});
