import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { handler } from "../../functions/ordering.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { invoke, type TestAnswer, type TestRequest } from "../engine/http/api-gateway.ts";
import { line, order } from "./orders.ts";

describe("ordering over HTTP", () => {
  let data: string;
  let server: EventStoreServer;
  let store: EventStore;
  let ordering: typeof handler;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "tidemark-order-commands-"));
    server = await startEventStore({ dataDirectory: data });
    store = EventStore.connect(server.connectionString);
    process.env["EVENTSTORE_CONNECTION_STRING"] = server.connectionString;
    process.env["LOG_LEVEL"] = "silent";
    ordering = (await import("../../functions/ordering.ts")).handler;
  });

  afterAll(async () => {
    await store.dispose();
    await server.stop();
    await rm(data, { recursive: true, force: true });
  });

  const place = (body: unknown, headers: TestRequest["headers"] = {}): Promise<TestAnswer> =>
    invoke(ordering, { route: "POST /orders", body, headers });

  const cancel = (orderId: string, body?: unknown, headers: TestRequest["headers"] = {}): Promise<TestAnswer> =>
    invoke(ordering, {
      route: "POST /orders/{orderId}/cancel",
      pathParameters: { orderId },
      headers,
      ...(body === undefined ? {} : { body }),
    });

  async function events(orderId: string): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    for await (const event of store.readStream(`order-${orderId}`)) found.push(event);
    return found;
  }

  const essence = ({ status, headers: { location, etag }, body }: TestAnswer): object => ({
    status,
    location,
    etag,
    body,
  });

  describe("POST /orders", () => {
    it("places the order and says where it is and at which revision", async () => {
      const orderId = randomUUID();
      expect(essence(await place({ ...order, orderId, orderedAt: "1996-07-04T02:00:00+02:00" }))).toStrictEqual({
        status: 201,
        location: `/orders/${orderId}`,
        etag: '"0"',
        body: { orderId, revision: "0" },
      });
      expect((await events(orderId)).map(({ type, data: placed }) => ({ type, placed }))).toStrictEqual([
        {
          type: "OrderPlaced",
          placed: {
            orderId,
            customerId: "VINET",
            orderedAt: "1996-07-04T00:00:00.000Z",
            lines: [{ ...line, total: { amount: 15_120, currency: "USD" } }],
            total: { amount: 15_120, currency: "USD" },
          },
        },
      ]);
    });

    it("makes an id and takes the present as date where none is given", async () => {
      const before = new Date().toISOString();
      const { body } = await place(order);
      const { orderId } = body as { orderId: string };
      expect(orderId).toMatch(/^[0-9a-f-]{36}$/);
      const [placed] = await events(orderId);
      const { orderedAt } = placed?.data as { orderedAt: string };
      expect([before, orderedAt, new Date().toISOString()].toSorted()[1]).toBe(orderedAt);
    });

    it("carries correlation, cause, key and trace into the event", async () => {
      const orderId = randomUUID();
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      await place({ ...order, orderId }, { "x-correlation-id": "c-1", "idempotency-key": "k-1", traceparent });
      expect((await events(orderId)).map(({ metadata }) => metadata)).toStrictEqual([
        {
          $correlationId: "c-1",
          $causationId: expect.any(String) as unknown,
          traceparent,
          idempotencyKey: "k-1",
          idempotencyDigest: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
          schemaVersion: 1,
        },
      ]);
    });

    it("refuses an order that is there, unless it is the same request", async () => {
      const orderId = randomUUID();
      await place({ ...order, orderId }, { "idempotency-key": "k" });
      expect(await place({ ...order, orderId })).toMatchObject({
        status: 409,
        body: { code: "ORDER_ALREADY_PLACED", title: "Order already placed" },
      });
      expect(await place({ ...order, orderId }, { "idempotency-key": "k" })).toMatchObject({ status: 201 });
      expect(await events(orderId)).toHaveLength(1);
    });

    it("refuses lines of different currencies", async () => {
      const euros = { ...line, unitPrice: { amount: 1, currency: "EUR" } };
      expect(await place({ ...order, lines: [line, euros] })).toMatchObject({
        status: 422,
        body: { code: "MIXED_CURRENCIES", detail: "all lines of an order are in one currency: found USD and EUR" },
      });
    });
  });

  describe("Idempotency-Key", () => {
    it("gives a resend the first status, body, location and tag, also after the order moved on", async () => {
      const key = { "idempotency-key": randomUUID() };
      const first = await place(order, key);
      expect(essence(await place(order, key))).toStrictEqual(essence(first));
      const { orderId } = first.body as { orderId: string };
      await cancel(orderId);
      expect(essence(await place(order, key))).toStrictEqual(essence(first));
      expect(await events(orderId)).toHaveLength(2);
    });

    it("gives 20 identical requests at once one order and one answer", async () => {
      const key = { "idempotency-key": randomUUID() };
      const answers = await Promise.all(Array.from({ length: 20 }, () => place(order, key)));
      const [first] = answers;
      expect(first).toMatchObject({ status: 201, headers: { etag: '"0"' } });
      expect(new Set(answers.map((answer) => JSON.stringify(essence(answer)))).size).toBe(1);
      expect(await events((first?.body as { orderId: string }).orderId)).toHaveLength(1);
    });

    it("lets one of 20 different requests at once through, and tells the others", async () => {
      const key = { "idempotency-key": randomUUID() };
      const bodies = Array.from({ length: 20 }, (_, number) => ({
        ...order,
        lines: [{ ...line, quantity: number + 1 }],
      }));
      const answers = await Promise.all(bodies.map((body) => place(body, key)));
      expect(answers.map(({ status }) => status).toSorted()).toStrictEqual([
        201,
        ...Array.from({ length: 19 }, () => 422),
      ]);
      expect(answers.find(({ status }) => status === 422)?.body).toStrictEqual({
        type: "urn:tidemark:problem:idempotency-key-reused",
        title: "Idempotency key reused",
        status: 422,
        detail: "the key stands for another request: take a new one",
        code: "IDEMPOTENCY_KEY_REUSED",
        errors: [{ field: "Idempotency-Key", message: "was used with another body" }],
      });
      const placed = answers.find(({ status }) => status === 201)?.body as { orderId: string };
      expect(await events(placed.orderId)).toHaveLength(1);
    });

    it("is not used up by a request that was refused", async () => {
      const key = { "idempotency-key": randomUUID() };
      const orderId = randomUUID();
      expect((await cancel(orderId, {}, key)).status).toBe(404);
      await place({ ...order, orderId });
      expect((await cancel(orderId, {}, key)).status).toBe(200);
    });
  });

  describe("POST /orders/{orderId}/cancel", () => {
    it("cancels with or without a reason, and once only", async () => {
      const [one, two] = [randomUUID(), randomUUID()];
      await place({ ...order, orderId: one });
      await place({ ...order, orderId: two });
      expect(essence(await cancel(one, { reason: "changed my mind" }))).toStrictEqual({
        status: 200,
        location: undefined,
        etag: '"1"',
        body: { orderId: one, revision: "1" },
      });
      expect(await cancel(two)).toMatchObject({ status: 200, headers: { etag: '"1"' } });
      expect(await cancel(one)).toMatchObject({ status: 200, headers: { etag: '"1"' }, body: { revision: "1" } });
      expect((await events(one)).map(({ type }) => type)).toStrictEqual(["OrderPlaced", "OrderCancelled"]);
      expect((await events(one))[1]?.data).toMatchObject({ reason: "changed my mind" });
      expect((await events(two))[1]?.data).not.toHaveProperty("reason");
    });

    it("does not know an order that was never placed", async () => {
      expect(await cancel("never-placed")).toMatchObject({
        status: 404,
        body: { code: "ORDER_NOT_FOUND", title: "Order not found" },
      });
    });

    it("refuses a stale If-Match, takes the current one, and knows a resend before it looks", async () => {
      const orderId = randomUUID();
      await place({ ...order, orderId });
      expect(await cancel(orderId, {}, { "if-match": '"7"' })).toMatchObject({
        status: 412,
        body: { code: "PRECONDITION_FAILED", detail: "it is at revision 0: read it again and decide anew" },
      });
      expect(await events(orderId)).toHaveLength(1);
      const headers = { "if-match": '"0"', "idempotency-key": "k" };
      const first = await cancel(orderId, {}, headers);
      expect(first).toMatchObject({ status: 200, headers: { etag: '"1"' } });
      expect(essence(await cancel(orderId, {}, headers))).toStrictEqual(essence(first));
    });

    it("refuses an id with odd characters and a malformed If-Match", async () => {
      expect(await cancel("a b")).toMatchObject({ status: 400, body: { errors: [{ field: "orderId" }] } });
      expect(await cancel("a", {}, { "if-match": "3" })).toMatchObject({
        status: 400,
        body: { errors: [{ field: "If-Match" }] },
      });
    });
  });

  describe("bad input leaves nothing behind", () => {
    const withLine = (change: object): object => ({ ...order, lines: [{ ...line, ...change }] });

    it.each([
      ["a quantity below one", withLine({ quantity: -1 }), ["/lines/0/quantity"]],
      ["a fraction of a piece", withLine({ quantity: 1.5 }), ["/lines/0/quantity"]],
      ["a quantity beyond the largest", withLine({ quantity: 100_001 }), ["/lines/0/quantity"]],
      ["a number as text", withLine({ quantity: "1" }), ["/lines/0/quantity"]],
      ["a discount over 100", withLine({ discountPercent: 101 }), ["/lines/0/discountPercent"]],
      ["a missing discount", withLine({ discountPercent: undefined }), ["/lines/0/discountPercent"]],
      ["a negative price", withLine({ unitPrice: { amount: -1, currency: "USD" } }), ["/lines/0/unitPrice/amount"]],
      ["an unknown currency", withLine({ unitPrice: { amount: 1, currency: "XXX" } }), ["/lines/0/unitPrice/currency"]],
      ["no line", { ...order, lines: [] }, ["/lines"]],
      ["91 lines", { ...order, lines: Array.from({ length: 91 }, () => line) }, ["/lines"]],
      ["an unknown field", { ...order, total: 1, lines: [{ ...line, total: 1 }] }, ["/lines/0/total", "/total"]],
      ["an id with odd characters", { ...order, orderId: "../x" }, ["/orderId"]],
      ["an id of 65 characters", { ...order, orderId: "x".repeat(65) }, ["/orderId"]],
      ["a missing customer", { lines: [line] }, ["/customerId"]],
      ["a date without a zone", { ...order, orderedAt: "1996-07-04T00:00:00" }, ["/orderedAt"]],
      ["a date that is none", { ...order, orderedAt: "1996-02-30T00:00:00Z" }, ["/orderedAt"]],
      ["an array", [], [""]],
      ["null", null, [""]],
    ])("%s", async (_, body, pointers) => {
      const tail = await store.tail();
      const answer = await place(body);
      const { errors } = answer.body as { errors: { pointer: string }[] };
      expect([answer.status, errors.map(({ pointer }) => pointer)]).toStrictEqual([400, pointers]);
      expect(await store.tail()).toStrictEqual(tail);
    });

    it("90 lines, the largest quantity and the highest price are taken, and their sum is exact", async () => {
      const orderId = randomUUID();
      const largest = {
        ...line,
        discountPercent: 0,
        quantity: 100_000,
        unitPrice: { amount: 1_000_000_000, currency: "USD" },
      };
      const lines = Array.from({ length: 90 }, () => largest);
      expect((await place({ ...order, orderId, lines })).status).toBe(201);
      expect((await events(orderId))[0]?.data).toMatchObject({ total: { amount: 9_000_000_000_000_000 } });
    });

    it("a body of 2 MB", async () => {
      expect((await place({ ...order, padding: "x".repeat(2_000_000) })).status).toBe(413);
    });
  });

  it("answers 503 while the event store is down, and goes on by itself when it is back", async () => {
    const key = { "idempotency-key": randomUUID() };
    await server.stop();
    for (const attempt of [1, 2]) {
      expect(await place(order, key), `attempt ${attempt}`).toMatchObject({
        status: 503,
        headers: { "retry-after": "1", "content-type": "application/problem+json" },
        body: { code: "EVENT_STORE_UNAVAILABLE" },
      });
    }
    server = await startEventStore({ dataDirectory: data, port: server.port });
    expect((await place(order, key)).status).toBe(201);
  });

  it("says of a history that it cannot read that much, and no more", async () => {
    const orderId = randomUUID();
    const foreign = { id: randomUUID(), type: "OrderRenamed", data: { secret: 1 }, metadata: {} };
    await store.append(`order-${orderId}`, "no_stream", [foreign]);
    expect(await cancel(orderId)).toMatchObject({
      status: 500,
      body: {
        code: "EVENT_NOT_UNDERSTOOD",
        detail: "its history holds an event that this version cannot read",
      },
    });
    expect(await events(orderId)).toHaveLength(1);
  });
});
