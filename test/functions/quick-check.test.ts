/** The function that looks, every 15 minutes, whether what moved has arrived; projectors are asked by the Invoke API. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { viewNames } from "../../projections/registry.ts";
import { rejection } from "../local/eventstoredb/event-store-for-test.ts";
import { InvokedFunctions } from "./invoked-functions.ts";
import { OrderViews } from "./order-views.ts";

describe("the function quick-check", () => {
  const functions = new InvokedFunctions();
  let views: OrderViews;
  let quickCheck: (event: unknown) => Promise<unknown>;

  beforeAll(async () => {
    const endpoint = inject("dynamodbEndpoint");
    views = await OrderViews.made(endpoint);
    views.setEnvironment(endpoint);
    Object.assign(process.env, { LAMBDA_ENDPOINT: await functions.start(), FUNCTION_PREFIX: "test-" });
    quickCheck = (await import("../../functions/quick-check.ts")).handler;
    const { handler } = await import("../../functions/project-sales-by-month.ts");
    functions.handlers.set("test-project-sales-by-month", handler);
    await views.place("a");
    await views.deliver();
  });

  let written: string[] = [];
  beforeEach(() => {
    written = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    functions.behave = "runs";
    functions.invoked.length = 0;
  });

  afterEach(() => vi.restoreAllMocks());

  afterAll(async () => {
    await functions.stop();
    await views.stop();
  });

  it.each([{ source: "aws.events" }, {}, null])("finds every view complete, asked with %j", async (event) => {
    expect(await quickCheck(event)).toMatchObject({ views: viewNames.map((view) => ({ view, healed: 0 })) });
    expect(functions.invoked).toStrictEqual([]);
    expect(written.map((line) => JSON.parse(line) as unknown)).toMatchObject(
      viewNames.map((View) => ({ View, StreamsForgotten: 0, StreamsMissing: 0 })),
    );
  });

  it("has a projector apply what never arrived, and says so", async () => {
    await views.place("b");
    expect(await quickCheck({ view: "sales-by-month" })).toStrictEqual({
      views: [{ view: "sales-by-month", streams: 1, healed: 1 }],
    });
    expect(functions.invoked).toStrictEqual(["test-project-sales-by-month"]);
    expect(JSON.parse(written[0] ?? "")).toMatchObject({ StreamsMoved: 1, StreamsForgotten: 1, StreamsMissing: 0 });
    expect(await quickCheck({ view: "sales-by-month" })).toMatchObject({ views: [{ streams: 0, healed: 0 }] });
  }, 60_000);

  it("ends with an error where a projector cannot be had, and looks at the same again", async () => {
    await views.place("c");
    functions.behave = "is not there";
    const error = await rejection(quickCheck({ view: "sales-by-month" }));
    expect(error).toMatchObject({
      code: "EVENTS_MISSING",
      message: "sales-by-month lacks events of 1 streams: see the log and docs/consistency.md",
    });
    expect(JSON.parse(written[0] ?? "")).toMatchObject({ StreamsForgotten: 0, StreamsMissing: 1 });
    functions.behave = "runs";
    expect(await quickCheck({ view: "sales-by-month" })).toMatchObject({ views: [{ streams: 1, healed: 1 }] });
  }, 60_000);

  it("refuses what it is not asked for", async () => {
    expect(await rejection(quickCheck({ view: 1 }))).toMatchObject({ code: "CHECK_EVENT_INVALID" });
    expect(await rejection(quickCheck({ view: "nothing" }))).toMatchObject({ code: "UNKNOWN_VIEW" });
  });
});
