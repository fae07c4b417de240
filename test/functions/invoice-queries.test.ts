/** Queries of invoices over HTTP, on real servers. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { OrderViews } from "./order-views.ts";
import { tagOf } from "./tag-of.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("queries of invoices", () => {
  let views: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    functions = await loadFunctions();
  });

  afterAll(() => views.stop());

  const shown = ({ status, headers, body }: TestAnswer) => ({ status, etag: headers["etag"], body });

  const issuedAt = "1996-07-16T00:00:00.000Z";
  const dueAt = "1996-08-15T00:00:00.000Z";
  const goods = { goods: usd(90), freight: usd(10), total: usd(100) };
  const invoiceOf = (id: string, customerId = "VINET") => ({ invoiceId: id, orderId: id, customerId });
  const issued = (id: string, change: { customerId?: string; issuedAt?: string } = {}) => ({
    type: "InvoiceIssued",
    data: { ...invoiceOf(id), ...goods, issuedAt, dueAt, ...change },
  });
  const getInvoice = (invoiceId: string): Promise<TestAnswer> =>
    invoke(functions.getInvoice, { route: "GET /invoices/{invoiceId}", pathParameters: { invoiceId } });

  describe("GET /invoices/{invoiceId}", () => {
    const paid = (id: string, paymentId: string, amount: number, open: number) => ({
      type: "PaymentRecorded",
      data: { ...invoiceOf(id), paymentId, amount: usd(amount), receivedAt: issuedAt, open: usd(open) },
    });
    const overdue = (id: string, open: number) => ({
      type: "InvoiceOverdue",
      data: { ...invoiceOf(id), open: usd(open) },
    });
    const credited = (id: string, creditNoteId: string, amount: number, refund: number) => ({
      type: "CreditNoteIssued",
      data: { ...invoiceOf(id), creditNoteId, amount: usd(amount), refund: usd(refund), open: usd(0), reason: "back" },
    });

    it("shows the invoice, and its revision as the tag", async () => {
      await views.append("invoice-shown", [issued("shown"), paid("shown", "p1", 30, 70)]);
      await views.deliver();
      expect(shown(await getInvoice("shown"))).toStrictEqual({
        status: 200,
        etag: tagOf(1),
        body: {
          ...invoiceOf("shown"),
          status: "issued",
          ...goods,
          paid: usd(30),
          credited: usd(0),
          open: usd(70),
          issuedAt,
          dueAt,
          revision: "1",
        },
      });
    });

    it.each([
      ["overdue", [overdue("overdue", 100)], { paid: usd(0), credited: usd(0), open: usd(100) }],
      ["paid", [paid("paid", "p1", 100, 0)], { paid: usd(100), credited: usd(0), open: usd(0) }],
      ["credited", [credited("credited", "c1", 100, 0)], { paid: usd(0), credited: usd(100), open: usd(0) }],
    ])("shows that an invoice is %s", async (status, events, amounts) => {
      await views.append(`invoice-${status}`, [issued(status), ...events]);
      await views.deliver();
      expect((await getInvoice(status)).body).toMatchObject({ status, total: usd(100), ...amounts });
    });

    it("takes an invoice for paid when the customer paid what was not credited, and for credited when all was given back", async () => {
      const history = [issued("mixed"), paid("mixed", "p1", 60, 40), credited("mixed", "c1", 50, 10)];
      await views.append("invoice-mixed", history);
      await views.deliver();
      const partly = { status: "paid", paid: usd(50), credited: usd(50), open: usd(0) };
      expect((await getInvoice("mixed")).body).toMatchObject(partly);
      await views.append("invoice-mixed", [credited("mixed", "c2", 50, 50)], 2n);
      await views.deliver();
      const wholly = { status: "credited", paid: usd(0), credited: usd(100), open: usd(0) };
      expect((await getInvoice("mixed")).body).toMatchObject(wholly);
    });

    it("takes an invoice of nothing for paid", async () => {
      const nothing = { goods: usd(0), freight: usd(0), total: usd(0) };
      const { type, data } = issued("nothing");
      await views.append("invoice-nothing", [{ type, data: { ...data, ...nothing } }]);
      await views.deliver();
      expect((await getInvoice("nothing")).body).toMatchObject({ status: "paid", ...nothing, open: usd(0) });
    });

    it("shows why an invoice is void, and that it claims nothing", async () => {
      const voided = {
        type: "InvoiceVoided",
        data: { ...invoiceOf("void"), total: usd(100), reason: "wrong address" },
      };
      await views.append("invoice-void", [issued("void"), voided]);
      await views.deliver();
      expect(shown(await getInvoice("void"))).toStrictEqual({
        status: 200,
        etag: tagOf(1),
        body: {
          ...invoiceOf("void"),
          status: "void",
          ...goods,
          total: usd(0),
          paid: usd(0),
          credited: usd(0),
          open: usd(0),
          issuedAt,
          dueAt,
          voidReason: "wrong address",
          revision: "1",
        },
      });
    });

    it("is a 404 for an unknown invoice and a 400 for an impossible id", async () => {
      expect(await getInvoice("unknown")).toMatchObject({
        status: 404,
        body: { code: "INVOICE_NOT_FOUND", detail: "there is no invoice unknown" },
      });
      expect(await getInvoice("_guard#x")).toMatchObject({ status: 400, body: { errors: [{ field: "invoiceId" }] } });
    });
  });

  describe("GET /invoices", () => {
    const list = (query: Record<string, string>): Promise<TestAnswer> =>
      invoke(functions.listInvoices, { route: "GET /invoices", query });
    const idsOf = ({ body }: TestAnswer): string[] =>
      (body as { items: { invoiceId: string }[] }).items.map(({ invoiceId }) => invoiceId);
    const cursorOf = ({ body }: TestAnswer): string | undefined => (body as { cursor?: string }).cursor;

    it("lists a customer's invoices, newest first, page by page, none twice and none left out", async () => {
      const dates = ["1996-07-04", "1998-05-06", "1997-01-01", "1997-01-01", "1996-12-31"];
      for (const [at, date] of dates.entries()) {
        const event = issued(`page-${at}`, { customerId: "PAGED", issuedAt: `${date}T00:00:00.000Z` });
        await views.append(`invoice-page-${at}`, [event]);
      }
      await views.deliver();
      const expected = ["page-1", "page-3", "page-2", "page-4", "page-0"];
      expect(idsOf(await list({ customerId: "PAGED" }))).toStrictEqual(expected);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const after = cursor === undefined ? {} : { cursor };
        const page = await list({ customerId: "PAGED", limit: "2", ...after });
        expect(page.status).toBe(200);
        seen.push(...idsOf(page));
        cursor = cursorOf(page);
      } while (cursor !== undefined);
      expect(seen).toStrictEqual(expected);
      expect(idsOf(await list({ customerId: "PAGED", order: "asc" }))).toStrictEqual(expected.toReversed());
    });

    it("shows an invoice as GET /invoices/{invoiceId} does", async () => {
      await views.append("invoice-alike", [issued("alike", { customerId: "ALIKE" })]);
      await views.deliver();
      const { body } = await list({ customerId: "ALIKE" });
      expect(body).toStrictEqual({ items: [(await getInvoice("alike")).body] });
    });

    it("is empty for a customer without invoices", async () => {
      expect((await list({ customerId: "NOBODY" })).body).toStrictEqual({ items: [] });
    });

    it.each([
      [{}, "customerId"],
      [{ customerId: "VINET", limit: "0" }, "limit"],
      [{ customerId: "VINET", limit: "101" }, "limit"],
      [{ customerId: "VINET", order: "newest" }, "order"],
      [{ customerId: "VINET", cursor: "bm90LWEtY3Vyc29y" }, "cursor"],
      [{ customerId: "VINET", orderId: "1" }, "orderId"],
    ])("refuses %j", async (query, field) => {
      expect(await list(query)).toMatchObject({ status: 400, body: { errors: [{ field }] } });
    });

    it("refuses a cursor of another customer", async () => {
      const cursor = cursorOf(await list({ customerId: "PAGED", limit: "1" })) ?? "";
      expect(await list({ customerId: "PAGED", cursor })).toMatchObject({ status: 200 });
      expect(await list({ customerId: "VINET", cursor })).toMatchObject({
        status: 400,
        body: { code: "CURSOR_INVALID", errors: [{ field: "cursor" }] },
      });
    });
  });
});

async function loadFunctions() {
  return {
    getInvoice: (await import("../../functions/get-invoice.ts")).handler,
    listInvoices: (await import("../../functions/list-invoices.ts")).handler,
  };
}
