/** The functions that keep, prepare and rebuild the views, on real servers, in the order in which a deployment meets them. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import { encodePayload, encodeRecord } from "../../engine/delivery/event-record.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { formatPosition } from "../../engine/event-store/position.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { categoriesOf } from "../../engine/views/projection.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { createFixedTables } from "../../local/system/fixed-tables.ts";
import { InvokeApi } from "../engine/delivery/invoke-api.ts";
import { invoke } from "../engine/http/api-gateway.ts";
import { rejection } from "../local/eventstoredb/event-store-for-test.ts";
import { triggers } from "../../functions/subscriptions.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import { runTidemark } from "../system/started-system.ts";
import { order } from "./orders.ts";

const tablePrefix = `operations-${randomUUID().slice(0, 8)}-`;

const otherViews = viewNames.slice(2);
/** The others read streams that these tests have none of. */
const groupOf = (name: string): string | undefined =>
  triggers((each) => `tidemark-test-${each}`).find((trigger) => trigger.name === name)?.settings.group;
const viewsOfOrders = viewNames.filter((view) => categoriesOf(versionsOf(view)[0]).includes("order"));

/** The context of an invocation that has so long to go. */
const remaining = (milliseconds: number) => ({ getRemainingTimeInMillis: () => milliseconds });
const plenty = remaining(120_000);

const metricSchema = z.object({
  ...{ Deployment: z.string(), Subscription: z.string() },
  ...{ Connected: z.int(), Held: z.int(), Acknowledged: z.int() },
});

const responseSchema = z.object({ batchItemFailures: z.array(z.unknown()) });

describe("the operations of a deployment", () => {
  const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  let server: EventStoreServer;
  let store: EventStore;
  let api: InvokeApi;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
    api = await InvokeApi.start();
    await createFixedTables(dynamodb, tablePrefix);
    Object.assign(process.env, {
      EVENTSTORE_CONNECTION_STRING: server.connectionString,
      DYNAMODB_ENDPOINT: inject("dynamodbEndpoint"),
      LAMBDA_ENDPOINT: api.endpoint,
      FUNCTION_PREFIX: "tidemark-test-",
      AWS_REGION: "eu-central-1",
      TABLE_PREFIX: tablePrefix,
      LOG_LEVEL: "silent",
    });
    functions = await loadFunctions();
    for (const orderId of ["first", "second"]) {
      const body = { ...order, orderId, orderedAt: "1996-07-04T00:00:00Z" };
      expect((await invoke(functions.ordering, { route: "POST /orders", body })).status).toBe(201);
    }
  });

  afterAll(async () => {
    await store.dispose();
    await api.stop();
    await server.stop();
    dynamodb.destroy();
  });

  const sales = async (): Promise<unknown> => (await invoke(functions.sales, { method: "GET" })).body;
  const inJuly = (orders: number) => ({
    items: [{ month: "1996-07", orders, revenue: { amount: orders * 15_120, currency: "USD" } }],
  });

  async function orderEvents(): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const event of store.readAll()) if (event.stream.startsWith("order-")) events.push(event);
    return events;
  }

  it("prepare builds what is missing, from events that are there already, and changes nothing the second time", async () => {
    const outcome = (each: string) => ({
      views: [...viewNames.map((view) => ({ view, outcome: each }))],
    });
    expect(await functions.prepare({}, remaining(900_000))).toStrictEqual(outcome("prepared"));
    expect(await sales()).toStrictEqual(inJuly(2));
    expect(await functions.prepare({}, remaining(900_000))).toStrictEqual(outcome("present"));
  });

  it("a projector applies a batch once, however often it comes", async () => {
    const body = { ...order, orderId: "third", orderedAt: "1996-07-04T00:00:00Z" };
    await invoke(functions.ordering, { route: "POST /orders", body });
    const payload: unknown = JSON.parse(encodePayload((await orderEvents()).map(encodeRecord)));
    for (let times = 0; times < 2; times += 1) {
      expect(await functions.projectSales(payload)).toStrictEqual({ batchItemFailures: [] });
      expect(await functions.projectSummary(payload)).toStrictEqual({ batchItemFailures: [] });
    }
    expect(await sales()).toStrictEqual(inJuly(3));
  });

  it("a projector refuses what is no batch", async () => {
    expect(await rejection(functions.projectSales({ Records: [] }))).toMatchObject({ code: "BATCH_FORMAT" });
  });

  it("replay rebuilds a view by hand, and says what it did", async () => {
    expect(await functions.replay({ view: "sales-by-month", from: "0/0" }, plenty)).toMatchObject({
      view: "sales-by-month",
      outcome: "live",
      version: 1,
      from: "0/0",
      verified: { rows: 1, guards: 3, scavengedStreams: 0 },
      comparedWithLive: { same: 1, damaged: 0, changed: 0, undecided: 0, differences: [] },
      seamEvents: 0,
    });
    expect(await sales()).toStrictEqual(inJuly(3));
  });

  it("replay from an offset leaves out what was before", async () => {
    const last = (await orderEvents()).at(-1);
    const from = last === undefined ? "" : formatPosition(last.position);
    expect(await functions.replay({ view: "sales-by-month", from }, plenty)).toMatchObject({
      outcome: "live",
      from,
      comparedWithLive: { same: 0, damaged: 0, changed: 0, otherOffset: 1 },
    });
    // A reader may go on for a second with what it knew.
    await expect.poll(sales).toStrictEqual(inJuly(1));
    expect(await functions.replay({ view: "sales-by-month", action: "rollback" }, plenty)).toMatchObject({
      outcome: "rolled-back",
    });
    await expect.poll(sales).toStrictEqual(inJuly(3));
    expect(await functions.replay({ view: "sales-by-month", action: "retire" }, plenty)).toMatchObject({
      outcome: "retired",
    });
  });

  it("replay that runs out of time stops, and the schedule takes it up", async () => {
    expect(await functions.replay({ action: "resume" }, plenty)).toStrictEqual([
      { view: "order-summary", outcome: "nothing-to-resume" },
      { view: "sales-by-month", outcome: "nothing-to-resume" },
      ...otherViews.map((view) => ({ view, outcome: "nothing-to-resume" })),
    ]);
    const interrupted = { view: "order-summary", outcome: "interrupted" };
    expect(await functions.replay({ view: "order-summary" }, remaining(0))).toStrictEqual({
      ...interrupted,
      continues: true,
    });
    // It has asked for another invocation of itself. That one brings nothing on, and asks for no third one.
    const [continuation] = api.asynchronous.splice(0);
    expect(continuation).toMatchObject({ action: "continue", views: ["order-summary"], autoSwap: true });
    expect(await functions.replay(continuation, remaining(0))).toStrictEqual({ ...interrupted, continues: false });
    expect(api.asynchronous).toStrictEqual([]);
    expect(await functions.replay({ action: "resume" }, plenty)).toMatchObject([
      { view: "order-summary", outcome: "live", verified: { rows: 3, guards: 3 } },
      { view: "sales-by-month", outcome: "nothing-to-resume" },
      ...otherViews.map((view) => ({ view, outcome: "nothing-to-resume" })),
    ]);
  });

  it("replay goes on in an invocation of its own until it is done", async () => {
    await functions.replay({ view: "order-summary" }, remaining(0));
    const [continuation] = api.asynchronous.splice(0);
    expect(await functions.replay(continuation, plenty)).toMatchObject({ view: "order-summary", outcome: "live" });
  });

  it("replay takes every action that the command takes, on one view or several", async () => {
    const answers = [];
    for (const request of [
      { view: "sales-by-month", action: "preview" },
      { views: ["sales-by-month", "order-summary"], action: "start", rate: 10_000, soakHours: 24 },
      { view: "sales-by-month", action: "pause" },
      { view: "sales-by-month", action: "resume" },
      { view: "sales-by-month", action: "verify" },
      { view: "sales-by-month", action: "swap" },
      { view: "order-summary", action: "abort" },
      { view: "sales-by-month", action: "start", as: "july" },
      { view: "sales-by-month", action: "status", as: "july" },
      { view: "sales-by-month", action: "retire", as: "july" },
    ]) {
      answers.push(await functions.replay(request, plenty));
    }
    expect(answers).toMatchObject([
      { view: "sales-by-month", outcome: "previewed", rows: 1, comparedWithLive: { same: 1 } },
      [
        { view: "sales-by-month", outcome: "ready" },
        { view: "order-summary", outcome: "ready" },
      ],
      { outcome: "paused" },
      { view: "sales-by-month", outcome: "ready" },
      { view: "sales-by-month", rows: 1, checked: { outcome: "agrees" } },
      { view: "sales-by-month", outcome: "live" },
      { view: "order-summary", outcome: "aborted" },
      { view: "sales-by-month@july", outcome: "frozen" },
      { view: "sales-by-month@july", generations: [{ role: "frozen" }] },
      { view: "sales-by-month@july", outcome: "retired" },
    ]);
    const [started] = [await functions.replay({ view: "sales-by-month", action: "start" }, plenty)];
    expect(started).toMatchObject({ outcome: "ready" });
    const page = await functions.replay({ view: "sales-by-month", action: "verify", format: "html" }, plenty);
    expect(page).toMatchObject({ html: expect.stringContaining("<title>Replay of sales-by-month") as string });
    await functions.replay({ view: "sales-by-month", action: "abort" }, plenty);
    await functions.replay({ view: "sales-by-month", action: "retire" }, plenty);
  });

  it("replay that is asked to go on late, or twice, begins nothing", async () => {
    await functions.replay({ view: "order-summary" }, remaining(0));
    const [continuation] = api.asynchronous.splice(0);
    await functions.replay({ view: "order-summary", action: "abort" }, plenty);
    const nothing = { view: "order-summary", outcome: "nothing-to-resume" };
    expect(await functions.replay(continuation, plenty)).toStrictEqual(nothing);
    await functions.replay({ view: "order-summary" }, remaining(0));
    const [second] = api.asynchronous.splice(0);
    expect(await functions.replay(second, plenty)).toMatchObject({ outcome: "live" });
    expect(await functions.replay(second, plenty)).toStrictEqual(nothing);
  });

  it("replay that is resumed by hand and runs out of time goes on by itself too", async () => {
    await functions.replay({ view: "order-summary", action: "start" }, remaining(0));
    api.asynchronous.splice(0);
    const resume = { view: "order-summary", action: "resume" };
    expect(await functions.replay(resume, remaining(0))).toMatchObject({ outcome: "interrupted", continues: true });
    const [continuation] = api.asynchronous.splice(0);
    expect(await functions.replay(continuation, plenty)).toMatchObject({ outcome: "ready" });
    expect(await functions.replay({ view: "order-summary", action: "abort" }, plenty)).toMatchObject({
      outcome: "aborted",
    });
  });

  it("replay of a view that is named twice is one replay", async () => {
    const views = ["order-summary", "order-summary"];
    expect(await functions.replay({ views, action: "start" }, plenty)).toMatchObject({
      view: "order-summary",
      outcome: "ready",
    });
    await functions.replay({ view: "order-summary", action: "abort" }, plenty);
  });

  it("replay by schedule that brings nothing on in a whole invocation fails, so that somebody is told", async () => {
    await functions.replay({ view: "order-summary" }, remaining(0));
    api.asynchronous.splice(0);
    const error = await rejection(functions.replay({ action: "resume" }, remaining(0)));
    expect(error).toMatchObject({ errors: [{ code: "REPLAY_TOO_SLOW" }] });
    await functions.replay({ view: "order-summary", action: "abort" }, plenty);
  });

  it("are had from a machine too, by the variables that the functions have", async () => {
    const checked = await runTidemark("check", "sales-by-month", "--deployed", "--json");
    expect(checked.code).toBe(0);
    expect(JSON.parse(checked.stdout)).toMatchObject({ agrees: true, views: [{ view: "sales-by-month", guards: 3 }] });
    const started = await runTidemark("replay", "start", "sales-by-month", "--deployed", "--json");
    expect(JSON.parse(started.stdout)).toMatchObject({ view: "sales-by-month", outcome: "ready" });
    expect(await functions.replay({ view: "sales-by-month", action: "abort" }, plenty)).toMatchObject({
      outcome: "aborted",
    });
    const rows = await runTidemark("rows", "sales-by-month", "--deployed", "--json");
    expect(JSON.parse(rows.stdout)).toMatchObject({ rows: [{ attributes: { orders: 3 } }] });
    const explained = await runTidemark("explain", "sales-by-month", "1996-07#USD", "--deployed");
    expect(explained).toMatchObject({ code: 0 });
    vi.stubEnv("TABLE_PREFIX", undefined);
    const unnamed = await runTidemark("check", "sales-by-month", "--deployed");
    vi.unstubAllEnvs();
    expect(unnamed).toStrictEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("environment variables are missing or wrong: TABLE_PREFIX") as string,
    });
    expect(await runTidemark("check", "--quick", "--deployed")).toMatchObject({ code: 2 });
  });

  it("replay that was interrupted can be aborted", async () => {
    await functions.replay({ view: "order-summary" }, remaining(0));
    expect(await functions.replay({ view: "order-summary", action: "abort" }, plenty)).toMatchObject({
      outcome: "aborted",
    });
    const again = functions.replay({ view: "order-summary", action: "abort" }, plenty);
    expect(await rejection(again)).toMatchObject({ code: "NOTHING_TO_DO" });
  });

  it.each([
    [{ view: "no-such-view" }, "UNKNOWN_VIEW", `use one of order-summary, sales-by-month, ${otherViews.join(", ")}`],
    [{ view: "sales-by-month", from: "first" }, "POSITION_FORMAT", "give COMMIT/PREPARE"],
    [{ view: "sales-by-month", from: "987654321/987654321" }, "POSITION_UNKNOWN", "987654321/987654321"],
    [{ veiw: "sales-by-month" }, "REPLAY_REQUEST", 'give {"view": ...}'],
    [{ view: "sales-by-month", action: "explode" }, "REPLAY_REQUEST", '"rollback"'],
    [{ view: "sales-by-month", action: "abort", from: "0/0" }, "REPLAY_REQUEST", 'only "preview" takes'],
    [{ view: "sales-by-month", action: "rollback", from: "0/0" }, "REPLAY_REQUEST", 'only "preview" takes'],
    [{ view: "sales-by-month", action: "retire", from: "0/0" }, "REPLAY_REQUEST", 'only "preview" takes'],
    [{ view: "sales-by-month", autoSwap: false }, "REPLAY_REQUEST", "only with"],
    [{ view: "sales-by-month", views: ["order-summary"] }, "REPLAY_REQUEST", '{"views": [...]}'],
    [{ view: "sales-by-month", action: "start", rate: 0 }, "REPLAY_REQUEST", '"rate"'],
    [{ view: "sales-by-month", action: "start", until: "0/0" }, "REPLAY_NAME", "give it a name"],
    [{ view: "sales-by-month", action: "start", as: "Q 3" }, "REPLAY_NAME", "use 1 to 40 of a-z"],
    [{}, "REPLAY_REQUEST", 'give {"view": ...}'],
  ])("replay refuses %j and says what is right", async (event, code, says) => {
    const refusal = await rejection(functions.replay(event, plenty));
    expect(refusal).toMatchObject({ code, message: expect.stringContaining(says) as string });
  });

  it("the subscriber lives just under its time limit, has everything delivered, and leaves its groups", async () => {
    const invoked = new Map<string, number>();
    api.behave((events) => {
      for (const { stream } of events) invoked.set(stream, (invoked.get(stream) ?? 0) + 1);
      return { failed: [] };
    });
    const written: string[] = [];
    const output = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    const { subscriptions } = await functions.subscriber({}, remaining(33_000));
    output.mockRestore();
    const ended = { connected: false, held: 0, waiting: 0, acknowledged: 3, failedInvocations: 0 };
    expect(subscriptions).toMatchObject([
      ...viewNames.map((view) => ({
        group: [`tidemark-test-project-${view}`, ...categoriesOf(versionsOf(view)[0]).toSorted()].join("."),
        ...ended,
        acknowledged: viewsOfOrders.includes(view) ? 3 : 0,
      })),
      { group: groupOf("process-order-to-cash"), ...ended },
      { group: groupOf("write-snapshots"), ...ended, acknowledged: 0 },
    ]);
    // And tells so as metrics.
    expect(written.map((line) => metricSchema.parse(JSON.parse(line)))).toStrictEqual(
      [...viewNames.map((view) => `project-${view}`), "process-order-to-cash", "write-snapshots"].map(
        (Subscription, index) => ({
          ...{ Deployment: "tidemark-test", Subscription, Connected: 1, Held: 0 },
          Acknowledged: subscriptions[index]?.acknowledged,
        }),
      ),
    );
    // Once for each view of orders, and for the process.
    const times = viewsOfOrders.length + 1;
    expect([...invoked]).toStrictEqual([
      ["order-first", times],
      ["order-second", times],
      ["order-third", times],
    ]);
    const info = await store.client.getPersistentSubscriptionToAllInfo("tidemark-test-project-sales-by-month.order");
    expect(info.connections).toStrictEqual([]);
  });

  it("a batch response is Lambda's own", async () => {
    const payload: unknown = JSON.parse(encodePayload((await orderEvents()).map(encodeRecord)));
    expect(responseSchema.parse(await functions.projectSummary(payload))).toStrictEqual({ batchItemFailures: [] });
  });
});

/** After the environment is set: functions read it when they are loaded, or at their first call. */
async function loadFunctions() {
  return {
    ordering: (await import("../../functions/ordering.ts")).handler,
    sales: (await import("../../functions/sales-by-month.ts")).handler,
    prepare: (await import("../../functions/prepare.ts")).handler,
    projectSales: (await import("../../functions/project-sales-by-month.ts")).handler,
    projectSummary: (await import("../../functions/project-order-summary.ts")).handler,
    replay: (await import("../../functions/replay.ts")).handler,
    subscriber: (await import("../../functions/subscriber.ts")).handler,
  };
}
