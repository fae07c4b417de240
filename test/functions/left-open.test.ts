/** What a body may leave open: ids are made and follow from the key, dates are the present. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { idFromKey } from "../../engine/commands/idempotency.ts";
import { billingCases } from "./billing-cases.ts";
import { ContextApi, essence } from "./context-api.ts";
import { type ContextCases, type Request, withId } from "./context-cases.ts";
import { customersCases } from "./customers-cases.ts";
import { logisticsCases } from "./logistics-cases.ts";
import { orderingCases } from "./ordering-cases.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The request without these fields of its body. */
function without([route, body]: Request, ...fields: readonly string[]): Request {
  return [route, Object.fromEntries(Object.entries(body ?? {}).filter(([name]) => !fields.includes(name)))];
}

function requestOf(cases: ContextCases, route: string): Request {
  const found = cases.accepted.find(({ request }) => request[0] === route);
  if (found === undefined) throw new Error(`no case of ${route}`);
  return found.request;
}

const creations = [orderingCases, customersCases, billingCases, logisticsCases].map((cases) => ({
  ...cases,
  create: without(requestOf(cases, `POST ${cases.collection}`), cases.idName),
}));

const issue = requestOf(billingCases, "POST /invoices");
const pay = requestOf(billingCases, "POST /invoices/{invoiceId}/record-payment");
const credit = requestOf(billingCases, "POST /invoices/{invoiceId}/issue-credit-note");
const schedule = requestOf(logisticsCases, "POST /shipments");
const dispatch = requestOf(logisticsCases, "POST /shipments/{shipmentId}/dispatch");
const deliver = requestOf(logisticsCases, "POST /shipments/{shipmentId}/deliver");

describe("what a body leaves open", () => {
  let api: ContextApi;

  beforeAll(async () => {
    api = await ContextApi.started();
  });

  afterAll(() => api.stop());

  describe.each(creations)("the id of what $context creates", (cases) => {
    const { category, collection, idName, create } = cases;
    const created = async (headers: Record<string, string> = {}) => {
      const { status, headers: answered, body } = await api.send(cases, create, "unused", { headers });
      return { status, location: answered["location"], id: (body as Record<string, string>)[idName] ?? "" };
    };

    it("follows from the key", async () => {
      const key = randomUUID();
      const id = idFromKey(category, key);
      const answer = { status: 201, location: `${collection}/${id}`, id };
      expect(await created({ "idempotency-key": key })).toStrictEqual(answer);
      expect(await created({ "idempotency-key": key })).toStrictEqual(answer);
      expect(await api.events(cases, id)).toHaveLength(1);
    });

    it("is a new one at every request without a key", async () => {
      const [one, other] = [await created(), await created()];
      expect(one.id).toMatch(uuid);
      expect(other.id).toMatch(uuid);
      expect(other.id).not.toBe(one.id);
      expect(await api.events(cases, one.id)).toHaveLength(1);
    });
  });

  describe.each([
    { idName: "paymentId", request: without(pay, "paymentId") },
    {
      idName: "creditNoteId",
      request: [credit[0], { ...credit[1], creditNoteId: undefined, amount: { amount: 1, currency: "USD" } }],
    },
  ] as const)("the $idName", ({ idName, request }) => {
    const issued = async (): Promise<string> => {
      const id = randomUUID();
      await api.send(billingCases, issue, id);
      return id;
    };
    const made = async (id: string, headers: Record<string, string> = {}): Promise<string> => {
      const { status, body } = await api.send(billingCases, request, id, { headers });
      expect(status).toBe(200);
      return (body as Record<string, string>)[idName] ?? "";
    };
    const stored = async (id: string): Promise<unknown[]> =>
      (await api.events(billingCases, id)).slice(1).map(({ data }) => (data as Record<string, unknown>)[idName]);

    it("follows from the key and the invoice, so that a resend counts once", async () => {
      const [id, other] = [await issued(), await issued()];
      const headers = { "idempotency-key": randomUUID() };
      const first = await made(id, headers);
      expect(first).toMatch(uuid);
      expect(await made(id, headers)).toBe(first);
      expect(await stored(id)).toStrictEqual([first]);
      expect(await made(other, headers)).not.toBe(first);
    });

    it("is a new one at every request without a key", async () => {
      const id = await issued();
      const [first, second] = [await made(id), await made(id)];
      expect(second).not.toBe(first);
      expect(await stored(id)).toStrictEqual([first, second]);
    });
  });

  it.each([
    { cases: orderingCases, given: [], request: requestOf(orderingCases, "POST /orders"), field: "orderedAt" },
    { cases: billingCases, given: [], request: issue, field: "issuedAt" },
    { cases: billingCases, given: [issue], request: pay, field: "receivedAt" },
    { cases: logisticsCases, given: [schedule], request: dispatch, field: "dispatchedAt" },
    { cases: logisticsCases, given: [schedule, dispatch], request: deliver, field: "deliveredAt" },
  ])("$field is the present, and that of the first time in a resend", async ({ cases, given, request, field }) => {
    const id = randomUUID();
    for (const before of given) await api.send(cases, before, id);
    const headers = { "idempotency-key": randomUUID() };
    const from = new Date().toISOString();
    const first = await api.send(cases, without(request, field), id, { headers });
    const until = new Date().toISOString();
    expect(essence(await api.send(cases, without(request, field), id, { headers }))).toStrictEqual(essence(first));
    const [event, ...others] = (await api.events(cases, id)).slice(given.length);
    const date = String((event?.data as Record<string, unknown>)[field]);
    expect([from, date, until].toSorted()).toStrictEqual([from, date, until]);
    expect(others).toStrictEqual([]);
  });

  it("a credit note without an amount credits all, and its answer names no note where nothing was left", async () => {
    const id = randomUUID();
    await api.send(billingCases, issue, id);
    const first = await api.send(billingCases, without(credit, "creditNoteId"), id);
    const { creditNoteId } = first.body as { creditNoteId: string };
    expect(first.body).toStrictEqual({ invoiceId: id, creditNoteId, revision: "1" });
    const again = await api.send(billingCases, without(credit, "creditNoteId"), id);
    expect(again.body).toStrictEqual({ invoiceId: id, revision: "1" });
    expect((await api.events(billingCases, id)).at(-1)?.data).toMatchObject(
      withId({ invoiceId: "@id", creditNoteId }, id),
    );
  });
});
