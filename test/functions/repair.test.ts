/** The function that puts a view right by hand: what it is asked for, what it logs, and that it does not believe itself. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { salesPartition } from "../../projections/sales-by-month.ts";
import { rejection } from "../local/eventstoredb/event-store-for-test.ts";
import { createLogger } from "../../engine/http/logger.ts";
import { OrderViews } from "./order-views.ts";

/** What the function writes to its log, and, in the same order, to standard output. */
let written: Record<string, unknown>[] = [];
const write = (line: string): void => void written.push(JSON.parse(line) as Record<string, unknown>);

// The log goes around `process.stdout`; here it ends in the same list.
vi.mock("../../functions/function-logger.ts", () => ({
  functionLogger: (name: string) => createLogger(name, { level: "info", destination: { write } }),
}));

const july = { partition: salesPartition, sort: "1996-07#USD" };
const right = { orders: { N: "2" }, revenue: { N: "2400" } };
const wrong = { orders: { N: "2" }, revenue: { N: "2399" } };

describe("the function repair", () => {
  let views: OrderViews;
  let repair: (event: unknown) => Promise<unknown>;

  beforeAll(async () => {
    const endpoint = inject("dynamodbEndpoint");
    views = await OrderViews.made(endpoint);
    views.setEnvironment(endpoint);
    repair = (await import("../../functions/repair.ts")).handler;
    await views.place("a");
    await views.place("b");
    await views.deliver();
  });

  afterAll(() => views.stop());

  beforeEach(() => {
    written = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      write(String(text));
      return true;
    });
  });
  afterEach(() => vi.restoreAllMocks());

  it("puts right what differs, with what it was and is in the log before and after, and checks again", async () => {
    await views.put("sales-by-month", july, wrong);
    const repaired = {
      what: "row-repaired",
      key: july,
      before: { orders: 2, revenue: 2_399 },
      after: { orders: 2, revenue: 2_400 },
    };
    expect(await repair({ view: "sales-by-month" })).toStrictEqual({ view: "sales-by-month", repairs: [repaired] });
    expect(written).toMatchObject([
      { msg: "view is not known to be what its events say", differenceCount: 1 },
      { View: "sales-by-month", Differences: 1 },
      { msg: "about to be repaired", view: "sales-by-month", ...repaired },
      { msg: "repaired", view: "sales-by-month", ...repaired },
      { msg: "view agrees with its events" },
      { View: "sales-by-month", Differences: 0 },
    ]);
  });

  it("puts right one row of several, and says that the view still differs only where it looked", async () => {
    await views.put("sales-by-month", july, wrong);
    await views.put("sales-by-month", { ...july, sort: "never" }, right);
    expect(await repair({ view: "sales-by-month", row: "months / 1996-07#USD" })).toMatchObject({
      repairs: [{ what: "row-repaired", key: july }],
    });
    expect(await repair({ view: "sales-by-month" })).toMatchObject({
      repairs: [{ what: "row-repaired", key: { sort: "never" }, after: {} }],
    });
  });

  it("writes nothing to a view that is right", async () => {
    expect(await repair({ view: "order-summary" })).toStrictEqual({ view: "order-summary", repairs: [] });
    expect(written).toMatchObject([{ msg: "view agrees with its events" }, { View: "order-summary", Differences: 0 }]);
  });

  it("ends with an error where something is left, which the log names", async () => {
    await views.append("order-c", [{ type: "OrderPlaced", data: { orderId: "c" } }]);
    expect(await rejection(repair({ view: "sales-by-month" }))).toMatchObject({
      code: "VIEWS_DRIFTED",
      message:
        "not what the events say, or not known to be: sales-by-month has 1 differences and 0 undecided rows. See docs/consistency.md",
    });
    expect(written).toMatchObject([
      { differenceCount: 1 },
      { Differences: 1 },
      { msg: "left as it is", what: "left", why: "deploy code that can take the event" },
      { differenceCount: 1 },
      { Differences: 1 },
    ]);
  });

  it.each([
    [{ source: "aws.events" }],
    [{}],
    [null],
    [{ view: 1 }],
    [{ view: "sales-by-month", sample: 10 }],
    [{ view: "sales-by-month", repair: true }],
  ])("is asked by hand for one view, and not with %j", async (event) => {
    expect(await rejection(repair(event))).toMatchObject({
      code: "CHECK_EVENT_INVALID",
      message:
        'the event is not understood: send {"view": "<name>"}, perhaps with "row": "<key>", or with the "sample" and "seed" of a check',
    });
    expect(written).toStrictEqual([]);
  });

  it("names the views that there are when asked for another", async () => {
    expect(await rejection(repair({ view: "nothing" }))).toMatchObject({ code: "UNKNOWN_VIEW" });
  });
});
