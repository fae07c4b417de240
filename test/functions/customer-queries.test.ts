/** Queries of customers over HTTP, on real servers. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { OrderViews } from "./order-views.ts";
import { tagOf } from "./tag-of.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("queries of customers", () => {
  let views: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    functions = await loadFunctions();
  });

  afterAll(() => views.stop());

  const shown = ({ status, headers, body }: TestAnswer) => ({ status, etag: headers["etag"], body });

  describe("GET /customers/{customerId}", () => {
    const get = (customerId: string): Promise<TestAnswer> =>
      invoke(functions.getCustomer, { route: "GET /customers/{customerId}", pathParameters: { customerId } });

    const registered = (customerId: string) => ({
      type: "CustomerRegistered",
      data: { customerId, name: "Vins et alcools", creditLimit: usd(500) },
    });

    it("shows the customer, and its revision as the tag", async () => {
      await views.append("customer-VINET", [
        registered("VINET"),
        { type: "CreditReserved", data: { customerId: "VINET", orderId: "1", amount: usd(200), reserved: usd(200) } },
      ]);
      await views.deliver();
      expect(shown(await get("VINET"))).toStrictEqual({
        status: 200,
        etag: tagOf(1),
        body: {
          customerId: "VINET",
          name: "Vins et alcools",
          creditLimit: usd(500),
          reserved: usd(200),
          status: "active",
          revision: "1",
        },
      });
    });

    it("shows whom to ask for, and why a customer is suspended", async () => {
      await views.append("customer-TOMSP", [
        registered("TOMSP"),
        { type: "CustomerDetailsChanged", data: { customerId: "TOMSP", name: "Toms", contact: "Karin Josephs" } },
        { type: "CustomerSuspended", data: { customerId: "TOMSP", reason: "unpaid" } },
      ]);
      await views.deliver();
      expect(shown(await get("TOMSP"))).toStrictEqual({
        status: 200,
        etag: tagOf(2),
        body: {
          customerId: "TOMSP",
          name: "Toms",
          contact: "Karin Josephs",
          creditLimit: usd(500),
          reserved: usd(0),
          status: "suspended",
          suspensionReason: "unpaid",
          revision: "2",
        },
      });
    });

    it("is a 404 for an unknown customer and a 400 for an impossible id", async () => {
      expect(await get("NOBODY")).toMatchObject({
        status: 404,
        body: { code: "CUSTOMER_NOT_FOUND", detail: "there is no customer NOBODY" },
      });
      expect(await get("_guard#x")).toMatchObject({ status: 400, body: { errors: [{ field: "customerId" }] } });
    });
  });
});

async function loadFunctions() {
  return {
    getCustomer: (await import("../../functions/get-customer.ts")).handler,
  };
}
