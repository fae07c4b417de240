/** Every route of the four contexts: what it stores, what it answers, what it refuses. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { customerRejectionStatus } from "../../functions/customer-aggregate.ts";
import { invoiceRejectionStatus } from "../../functions/invoice-aggregate.ts";
import { orderRejectionStatus } from "../../functions/order-aggregate.ts";
import { shipmentRejectionStatus } from "../../functions/shipment-aggregate.ts";
import type { TestAnswer } from "../engine/http/api-gateway.ts";
import { billingCases } from "./billing-cases.ts";
import { ContextApi, essence } from "./context-api.ts";
import { type ContextCases, type Request, withId } from "./context-cases.ts";
import { customersCases } from "./customers-cases.ts";
import { logisticsCases } from "./logistics-cases.ts";
import { orderingCases } from "./ordering-cases.ts";

const rejectionStatus: Readonly<Record<ContextCases["context"], Readonly<Record<string, number>>>> = {
  ordering: orderRejectionStatus,
  customers: customerRejectionStatus,
  billing: invoiceRejectionStatus,
  logistics: shipmentRejectionStatus,
};

/** A body without lines is no order: the decider never sees one. */
const unreachable = ["NO_LINES"];

const all = [orderingCases, customersCases, billingCases, logisticsCases];

let api: ContextApi;

beforeAll(async () => {
  api = await ContextApi.started();
});

afterAll(() => api.stop());

describe.each(all)("$context over HTTP", (cases) => {
  const { context, collection, idName, accepted, repeated, refused, notFound, mayBeEmpty } = cases;
  const isCreation = ([route]: Request): boolean => !route.includes("{");
  const send = (...[request, id, options]: [Request, string, Parameters<ContextApi["send"]>[3]?]) =>
    api.send(cases, request, id, options);
  const count = async (id: string): Promise<number> => (await api.events(cases, id)).length;

  /** A new id, about which this was asked. */
  async function after(given: readonly Request[]): Promise<string> {
    const id = randomUUID();
    for (const request of given) expect([200, 201]).toContain((await send(request, id)).status);
    expect(await count(id)).toBe(given.length);
    return id;
  }

  const answerAt = (request: Request, id: string, revision: number, told: object = {}): object => ({
    status: isCreation(request) ? 201 : 200,
    location: isCreation(request) ? `${collection}/${id}` : undefined,
    etag: `"${revision}"`,
    body: { [idName]: id, ...told, revision: revision.toString() },
  });

  const wrongFields = ({ status, body }: TestAnswer): unknown => {
    const { code, errors } = body as { code: string; errors?: { pointer?: string; field?: string }[] };
    return { status, code, wrong: errors?.map(({ pointer, field }) => pointer ?? field) };
  };

  it("has a case for each of its routes, and for each rejection", () => {
    const asked = new Set(accepted.map(({ request: [route] }) => route));
    expect([...asked].sort()).toStrictEqual(Object.keys(api.functions[context].routes).sort());
    const codes = new Set([notFound, ...refused.map(({ refusal: [, code] }) => code)]);
    const reachable = Object.keys(rejectionStatus[context]).filter((code) => !unreachable.includes(code));
    expect([...codes].sort()).toStrictEqual(reachable.sort());
  });

  describe.each(accepted.map((accepted) => ({ ...accepted, name: accepted.request[0], type: accepted.stored.type })))(
    "$name ($type)",
    ({ given, request, stored, told, wrong = [] }) => {
      const body = request[1] ?? {};

      it("stores its event, and answers with the id and the new revision", async () => {
        const id = await after(given);
        expect(essence(await send(request, id))).toStrictEqual(answerAt(request, id, given.length, told));
        const [event, ...others] = (await api.events(cases, id)).slice(given.length);
        expect({ type: event?.type, data: event?.data }).toStrictEqual(withId(stored, id));
        expect(others).toStrictEqual([]);
      });

      it("answers a resend as the first time, and refuses its key with another body", async () => {
        const id = await after(given);
        const headers = { "idempotency-key": randomUUID() };
        const first = await send(request, id, { headers });
        expect(essence(first)).toStrictEqual(answerAt(request, id, given.length, told));
        expect(essence(await send(request, id, { headers }))).toStrictEqual(essence(first));
        const other = `${JSON.stringify(withId(body, id))} `;
        expect(wrongFields(await send(request, id, { headers, body: other }))).toStrictEqual({
          status: 422,
          code: "IDEMPOTENCY_KEY_REUSED",
          wrong: ["Idempotency-Key"],
        });
        expect(await count(id)).toBe(given.length + 1);
      });

      it("is carried out only at the revision that If-Match names", async () => {
        const id = await after(given);
        const stale = await send(request, id, { headers: { "if-match": `"${given.length}"` } });
        expect(wrongFields(stale)).toStrictEqual({ status: 412, code: "PRECONDITION_FAILED", wrong: ["If-Match"] });
        expect(await count(id)).toBe(given.length);
        if (isCreation(request)) return;
        const headers = { "if-match": `"${given.length - 1}"` };
        expect(essence(await send(request, id, { headers }))).toStrictEqual(answerAt(request, id, given.length, told));
      });

      it("takes no wrong body, names all that is wrong, and leaves nothing behind", async () => {
        const id = await after(given);
        const unknown = [{ ...body, colour: "red" }, "/colour"] as const;
        for (const [sent, ...pointers] of [unknown, ...wrong]) {
          const answer = await send([request[0], sent], id);
          expect(wrongFields(answer)).toStrictEqual({ status: 400, code: "INVALID_REQUEST", wrong: pointers });
        }
        expect(wrongFields(await send(request, id, { body: "{" }))).toMatchObject({ code: "MALFORMED_JSON" });
        expect(await count(id)).toBe(given.length);
      });

      it("takes no body for an empty one where nothing has to be said, and for none anywhere else", async () => {
        const id = await after(given);
        const { status } = await send([request[0]], id);
        const may = mayBeEmpty.includes(request[0]);
        expect({ status, events: await count(id) }).toStrictEqual(
          may ? { status: 200, events: given.length + 1 } : { status: 415, events: given.length },
        );
      });

      // What is created is not there before.
      if (isCreation(request)) return;
      it("knows nothing of what was never there, nor an impossible id", async () => {
        const id = randomUUID();
        expect(await send(request, id)).toMatchObject({ status: 404, body: { code: notFound } });
        expect(await count(id)).toBe(0);
        const impossible = wrongFields(await send(request, "a b"));
        expect(impossible).toStrictEqual({ status: 400, code: "INVALID_REQUEST", wrong: [idName] });
      });
    },
  );

  it.each(repeated.map((case_) => ({ ...case_, name: case_.request[0], times: case_.given.length })))(
    "$name succeeds and changes nothing where it is so already, after $times requests",
    async ({ given, request, told }) => {
      const id = await after(given);
      expect(essence(await send(request, id))).toStrictEqual(answerAt(request, id, given.length - 1, told));
      expect(await count(id)).toBe(given.length);
    },
  );

  it.each(refused.map((case_) => ({ ...case_, name: case_.request[0], code: case_.refusal[1] })))(
    "$name is refused with $code",
    async ({ given, request, refusal: [status, code] }) => {
      const id = await after(given);
      const answer = await send(request, id, { headers: { "idempotency-key": randomUUID() } });
      expect(wrongFields(answer)).toStrictEqual({ status, code, wrong: undefined });
      expect(await count(id)).toBe(given.length);
    },
  );
});
