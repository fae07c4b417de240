/** Queries of the processes of orders over HTTP, on real servers. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import {
  accepted,
  factsOf,
  noon,
  noted,
  passed,
  processHistory,
  refused,
  type Telling,
  usd,
} from "../projections/process-histories.ts";
import { OrderViews } from "./order-views.ts";
import { tagOf } from "./tag-of.ts";

describe("queries of processes", () => {
  let views: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    functions = await loadFunctions();
  });

  afterAll(() => views.stop());

  const tell = (orderId: string, tellings: readonly Telling[]): Promise<void> =>
    views.append(`orderToCash-${orderId}`, processHistory(tellings).events);

  describe("GET /order-to-cash/{orderId}", () => {
    const request = (orderId: string) => ({ route: "GET /order-to-cash/{orderId}", pathParameters: { orderId } });
    const get = (orderId: string): Promise<TestAnswer> => invoke(functions.getProcess, request(orderId));

    const received = (orderId: string) => ({ orderId, customerId: "VINET", total: usd(9_000) });
    const underWay = { carrier: "Speedy Express", freight: usd(1_000), dispatchedAt: "1996-07-16T00:00:00.000Z" };
    const unpaid = { paid: usd(0), credited: usd(0) };

    /** The answer's tag and body after the process was told all this. */
    async function shown(orderId: string, tellings: readonly Telling[]): Promise<object> {
      await tell(orderId, tellings);
      await views.deliver();
      const { status, headers, body } = await get(orderId);
      return { status, etag: headers["etag"], body };
    }

    const scheduled = (orderId: string): Telling[] => {
      const { received, planned } = factsOf(orderId);
      return [noted(received), accepted, accepted, accepted, noted(planned)];
    };
    const invoiced = (orderId: string): Telling[] => {
      const { dispatched, invoiced } = factsOf(orderId);
      return [...scheduled(orderId), noted(dispatched), accepted, noted(invoiced)];
    };

    it("shows a process at its beginning, with the request that has no answer yet", async () => {
      expect(await shown("begun", [noted(factsOf("begun").received)])).toStrictEqual({
        status: 200,
        etag: tagOf(1),
        body: {
          ...received("begun"),
          progress: "received",
          ...unpaid,
          work: { state: "pending", step: "reserve-credit", since: noon },
          revision: "1",
        },
      });
    });

    it("shows the deadline that runs, and that it has passed", async () => {
      const dueAt = "2026-03-15T12:00:00.000Z";
      const awaits = ["dispatch"];
      const body = { ...received("scheduled"), progress: "schedule-shipment", ...unpaid, awaits };
      expect(await shown("scheduled", scheduled("scheduled"))).toStrictEqual({
        status: 200,
        etag: tagOf(8),
        body: { ...body, deadline: { name: "dispatch", state: "running", dueAt }, revision: "8" },
      });
      expect(await shown("late", [...scheduled("late"), passed("dispatch")])).toStrictEqual({
        status: 200,
        etag: tagOf(9),
        body: {
          ...body,
          orderId: "late",
          deadline: { name: "dispatch", state: "passed", dueAt },
          revision: "9",
        },
      });
    });

    it("shows what is invoiced, paid, credited and open", async () => {
      const { paid, credited, delivered } = factsOf("open");
      const tellings = [noted(paid(4_000, 6_000)), noted(delivered), noted(credited(500, 0, 5_500))];
      expect(await shown("open", [...invoiced("open"), ...tellings])).toMatchObject({
        body: {
          ...received("open"),
          progress: "issue-invoice",
          ...underWay,
          deliveredAt: "1996-07-19T00:00:00.000Z",
          invoiced: usd(10_000),
          paid: usd(4_000),
          credited: usd(500),
          open: usd(5_500),
          awaits: ["payment"],
          deadline: { name: "payment", state: "running", dueAt: "2026-03-31T12:00:00.000Z" },
        },
      });
    });

    it("shows that it awaits delivery, payment, or both", async () => {
      expect(await shown("both", invoiced("both"))).toMatchObject({ body: { awaits: ["delivery", "payment"] } });
      const settled = [...invoiced("settled"), noted(factsOf("settled").paid(10_000, 0))];
      expect(await shown("settled", settled)).toMatchObject({ body: { awaits: ["delivery"], open: usd(0) } });
    });

    it("shows an invoice in its own currency, and what becomes of it after the end", async () => {
      const { lost, invoiced: sent, credited } = factsOf("abroad");
      const eur = (amount: number) => ({ amount, currency: "EUR" });
      const tellings = [...scheduled("abroad"), noted({ ...sent, data: { ...sent.data, total: eur(500) } })];
      const ended = [...tellings, noted(lost), accepted, accepted, accepted];
      const note = { ...credited(500, 0, 0).data, amount: eur(500), refund: eur(0), open: eur(0) };
      const after = noted({ type: "InvoiceCredited", data: note });
      expect(await shown("abroad", [...ended, after])).toMatchObject({
        body: { invoiced: eur(500), credited: eur(500), open: eur(0), paid: eur(0), ended: "cancelled" },
      });
    });

    it("shows nothing as open of an invoice that was withdrawn", async () => {
      const { invoiceWithdrawn } = factsOf("withdrawn");
      expect(await shown("withdrawn", [...invoiced("withdrawn"), noted(invoiceWithdrawn)])).toMatchObject({
        body: { invoiced: usd(0), ...unpaid, open: usd(0) },
      });
    });

    it("shows how a process ended, and nothing of work or deadlines any more", async () => {
      const { lost } = factsOf("lost");
      const tellings = [...invoiced("lost"), noted(lost), accepted, accepted];
      const credited = noted(factsOf("lost").credited(10_000, 0, 0));
      const answer = await shown("lost", [...tellings, credited, accepted]);
      expect(answer).toMatchObject({ status: 200 });
      const { body } = await get("lost");
      const { revision, ...process } = body as { revision: string };
      expect(answer).toMatchObject({ etag: tagOf(revision) });
      expect(process).toStrictEqual({
        ...received("lost"),
        progress: "release-credit",
        ...underWay,
        failure: "lost: fell into the sea",
        ended: "cancelled",
        invoiced: usd(10_000),
        paid: usd(0),
        credited: usd(10_000),
        open: usd(0),
      });
    });

    it("shows why a process is halted, and its tag is good for the If-Match of a retry", async () => {
      const halted = [noted(factsOf("halted").received), accepted, accepted, refused("NOT_KNOWN", "what is that?")];
      expect(await shown("halted", halted)).toStrictEqual({
        status: 200,
        etag: tagOf(6),
        body: {
          ...received("halted"),
          progress: "confirm-order",
          ...unpaid,
          work: { state: "halted", step: "schedule-shipment", since: noon, code: "NOT_KNOWN", reason: "what is that?" },
          revision: "6",
        },
      });
      const retry = (tag: string): Promise<TestAnswer> =>
        invoke(functions.retry, {
          route: "POST /order-to-cash/{orderId}/retry",
          pathParameters: { orderId: "halted" },
          headers: { "if-match": tag },
        });
      const { etag } = (await get("halted")).headers;
      expect(await retry(String(etag).replace("6", "5"))).toMatchObject({ status: 412 });
      expect(await retry(String(etag))).toMatchObject({ status: 200 });
      await views.deliver();
      expect((await get("halted")).body).toStrictEqual({
        ...received("halted"),
        progress: "schedule-shipment",
        ...unpaid,
        awaits: ["dispatch"],
        revision: "9",
      });
    });

    it("is a 404 for an unknown order, and for one of which only other facts are known", async () => {
      const answer = (orderId: string) => ({
        status: 404,
        body: { code: "PROCESS_NOT_FOUND", detail: `there is no process for order ${orderId}` },
      });
      expect(await get("unknown")).toMatchObject(answer("unknown"));
      await tell("early", [noted(factsOf("early").dispatched)]);
      await views.deliver();
      expect(await get("early")).toMatchObject(answer("early"));
      expect(await get("_guard#x")).toMatchObject({ status: 400, body: { errors: [{ field: "orderId" }] } });
    });
  });
});

async function loadFunctions() {
  return {
    getProcess: (await import("../../functions/get-order-to-cash.ts")).handler,
    retry: (await import("../../functions/order-to-cash.ts")).handler,
  };
}
