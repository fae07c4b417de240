import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OrderDesk, type Patience } from "../../../local/sample-data/order-desk.ts";
import { OrdersApi, problem } from "./orders-api.ts";

const orderOf = (orderId: string) => ({ orderId, customerId: "VINET", orderedAt: "1996-07-04T00:00:00Z", lines: [] });
const noPatience: Patience = { first: 0, later: 0, untold: 0 };
const allPatience: Patience = { first: 0, later: 60_000, untold: 0 };
const unavailable = problem(503, "EVENT_STORE_UNAVAILABLE", "the event store does not answer");
const placed = { status: 201 };

describe("placing an order", () => {
  let api: OrdersApi;
  let told: string[];
  let going: AbortController;

  beforeEach(async () => {
    api = new OrdersApi(() => placed);
    told = [];
    going = new AbortController();
    await api.open();
  });

  afterEach(() => api.close());

  const desk = (patience: Patience) => new OrderDesk(new URL("/orders", api.url), (line) => told.push(line), patience);
  const failure = (placing: Promise<void>): Promise<unknown> =>
    placing.then(
      () => "placed",
      (error: unknown) => error,
    );

  it.each([
    [
      problem(409, "ORDER_ALREADY_PLACED", "another request placed it"),
      "order 10248 was refused: another request placed it (409 ORDER_ALREADY_PLACED)",
    ],
    [
      problem(400, "INVALID_REQUEST", "2 fields are wrong: see errors", {
        errors: [
          { pointer: "/customerId", message: "is missing" },
          { field: "Idempotency-Key", message: "is too long" },
        ],
      }),
      "order 10248 was refused: 2 fields are wrong: see errors (400 INVALID_REQUEST); " +
        "/customerId is missing; Idempotency-Key is too long",
    ],
    [
      { status: 404, body: "<html>no such page</html>" },
      "order 10248 was refused: status 404 and no reason given: is it Tidemark's API?",
    ],
    [
      { status: 409, body: { message: "conflict" } },
      "order 10248 was refused: status 409 and no reason given: is it Tidemark's API?",
    ],
  ])("that is refused fails at once, with the reason in words", async (answer, message) => {
    api.answering = () => answer;
    expect(await failure(desk(allPatience).place(orderOf("10248"), going.signal))).toMatchObject({
      code: "ORDER_REFUSED",
      message,
    });
    expect(api.received).toStrictEqual([{ orderId: "10248", key: "import-10248" }]);
  });

  it.each([
    problem(409, "CONCURRENT_CHANGE", "others kept changing it"),
    unavailable,
    { status: 429 },
    { status: 502, body: "<html>bad gateway</html>" },
  ])("is tried again under the same key when it may go well later (%j)", async (answer) => {
    api.answering = (_, all) => (all.length < 3 ? answer : placed);
    await desk({ ...allPatience, untold: 60_000 }).place(orderOf("10248"), going.signal);
    const request = { orderId: "10248", key: "import-10248" };
    expect({ received: api.received, told }).toStrictEqual({ received: [request, request, request], told: [] });
  });

  it("fails soon where nothing has ever listened", async () => {
    await api.close();
    expect(await failure(desk(allPatience).place(orderOf("10248"), going.signal))).toMatchObject({
      code: "API_UNAVAILABLE",
      message: `nothing answers at ${api.url}/orders (ECONNREFUSED): is npm start running?`,
    });
  });

  it("waits for an API that went away after an order, says so once, and goes on when it is back", async () => {
    const placing = desk(allPatience);
    await placing.place(orderOf("1"), going.signal);
    await api.close();
    const waiting = Promise.all(["2", "3"].map((id) => placing.place(orderOf(id), going.signal)));
    await expect.poll(() => told).toHaveLength(1);
    await api.open();
    await waiting;
    expect(told).toStrictEqual([`waiting for ${api.url}/orders to take orders (ECONNREFUSED); gives up after 60 s`]);
    expect(new Set(api.received.map(({ orderId }) => orderId))).toStrictEqual(new Set(["1", "2", "3"]));
  });

  it("waits for an API that answers that it cannot yet, and gives up in the end", async () => {
    api.answering = () => unavailable;
    expect(await failure(desk(noPatience).place(orderOf("1"), going.signal))).toMatchObject({
      code: "API_UNAVAILABLE",
      message:
        `${api.url}/orders has taken no order for 0 s ` +
        "(the event store does not answer (503 EVENT_STORE_UNAVAILABLE)): is npm start running?",
    });
  });

  it("gives up also after it has said that it waits", async () => {
    api.answering = () => unavailable;
    const placing = desk({ first: 0, later: 2_000, untold: 0 });
    expect(await failure(placing.place(orderOf("1"), going.signal))).toMatchObject({ code: "API_UNAVAILABLE" });
    expect(told).toStrictEqual([
      `waiting for ${api.url}/orders to take orders ` +
        "(the event store does not answer (503 EVENT_STORE_UNAVAILABLE)); gives up after 2 s",
    ]);
  });

  it("ends with the signal's reason, under way as well as between two tries", async () => {
    const reason = new Error("enough");
    api.answering = () => {
      going.abort(reason);
      return undefined;
    };
    expect(await failure(desk(allPatience).place(orderOf("1"), going.signal))).toBe(reason);
    expect(api.received).toHaveLength(1);
    const pausing = new AbortController();
    const patient = new OrderDesk(new URL("/orders", api.url), () => pausing.abort(reason), allPatience);
    api.answering = () => unavailable;
    expect(await failure(patient.place(orderOf("2"), pausing.signal))).toBe(reason);
  });
});
