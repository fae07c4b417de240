/** Every query of `serverless.yml`, asked again: its tag says what was read, and no answer is sent twice to who has it. */
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import type { HttpResponse } from "../../engine/http/http-function.ts";
import { liveGeneration } from "../../engine/views/catalog.ts";
import { readerCacheMs } from "../../engine/views/view-reader.ts";
import { viewNames } from "../../projections/registry.ts";
import { answerOf } from "../engine/http/api-gateway.ts";
import { accepted, factsOf, noted, processHistory, usd } from "../projections/process-histories.ts";
import { line } from "./orders.ts";
import { OrderViews } from "./order-views.ts";
import { routed } from "./routed.ts";

const moduleSchema = z.object({ handler: z.custom<Parameters<typeof answerOf>[0]>() });

const ids = { orderId: "o", customerId: "VINET", invoiceId: "o", shipmentId: "o" };

describe("a query", async () => {
  const queries = [...(await routed())].flatMap(([name, [route = ""]]) =>
    route.startsWith("GET ") ? { name, route } : [],
  );
  let views: OrderViews;
  let ahead = 0;

  beforeAll(async () => {
    const now = Date.now.bind(Date);
    vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    await begin();
    await views.deliver();
  });

  afterAll(async () => {
    vi.restoreAllMocks();
    await views.stop();
  });

  const ask = async ({ name, route }: { name: string; route: string }, tag?: string): Promise<HttpResponse> => {
    const { handler } = moduleSchema.parse(await import(`../../functions/${name}.ts`));
    const isListOfCustomer = route === "GET /orders" || route === "GET /invoices";
    return answerOf(handler, {
      route,
      pathParameters: Object.fromEntries(Object.entries(ids).filter(([name]) => route.includes(`{${name}}`))),
      headers: { "x-correlation-id": "c", ...(tag === undefined ? {} : { "if-none-match": tag }) },
      ...(isListOfCustomer ? { query: { customerId: ids.customerId } } : {}),
    });
  };
  const tagOf = ({ headers = {} }: HttpResponse): string => String(headers["etag"]);
  const tags = async (): Promise<string[]> => Promise.all(queries.map(async (query) => tagOf(await ask(query))));

  const processEvents = processHistory([noted(factsOf("o").received), accepted, accepted]).events;
  const goods = { goods: usd(90), freight: usd(10), total: usd(100) };
  const [issuedAt, dueAt] = ["1996-07-16T00:00:00.000Z", "1996-08-15T00:00:00.000Z"];
  const whose = { orderId: ids.orderId, customerId: ids.customerId };
  const facts = { ...whose, orderedAt: "1996-07-04T00:00:00.000Z", total: usd(15_120) };
  const lines = [{ ...line, total: facts.total }];

  async function begin(): Promise<void> {
    const { customerId } = whose;
    await views.append("order-o", [{ type: "OrderPlaced", data: { ...facts, lines } }]);
    await views.append("customer-VINET", [
      { type: "CustomerRegistered", data: { customerId, name: "Vins", creditLimit: usd(500) } },
    ]);
    await views.append("invoice-o", [
      { type: "InvoiceIssued", data: { invoiceId: "o", ...whose, ...goods, issuedAt, dueAt } },
    ]);
    const items = [{ productId: "11", quantity: 12 }];
    await views.append("shipment-o", [
      { type: "ShipmentScheduled", data: { shipmentId: "o", ...whose, items, currency: "USD" } },
    ]);
    await views.append("orderToCash-o", processEvents.slice(0, 1));
  }

  /** Something of every view. */
  async function goOn(): Promise<void> {
    await views.append("order-p", [{ type: "OrderPlaced", data: { ...facts, orderId: "p", lines } }]);
    await views.append("order-o", [{ type: "OrderConfirmed", data: facts }], 0n);
    await views.append(
      "customer-VINET",
      [{ type: "CustomerSuspended", data: { customerId: "VINET", reason: "unpaid" } }],
      0n,
    );
    await views.append(
      "invoice-o",
      [{ type: "InvoiceOverdue", data: { invoiceId: "o", ...whose, open: usd(100) } }],
      0n,
    );
    await views.append(
      "shipment-o",
      [
        {
          type: "ShipmentDispatched",
          data: { shipmentId: "o", ...whose, carrier: "Speedy", freight: usd(10), dispatchedAt: issuedAt },
        },
      ],
      0n,
    );
    await views.append("orderToCash-o", processEvents.slice(1), 0n);
  }

  it.each(queries)("$route has a tag, and is not sent again to who has it", async (query) => {
    const answer = await ask(query);
    expect(answer).toMatchObject({ statusCode: 200, headers: { "cache-control": "private, no-cache" } });
    const etag = tagOf(answer);
    expect(etag).toMatch(/^"(0\.)?g1\.[\w-]{16}"$/);
    expect(await ask(query, etag)).toStrictEqual({
      statusCode: 304,
      headers: { "cache-control": "private, no-cache", etag, "x-correlation-id": "c" },
    });
  });

  it("has another tag when something has happened, and another in a generation that has the same rows", async () => {
    const before = await tags();
    await goOn();
    await views.deliver();
    const moved = await tags();
    expect(moved.filter((tag, index) => tag === before[index])).toStrictEqual([]);

    const { catalog } = (await import("../../functions/dynamodb-connection.ts")).views();
    for (const view of viewNames) {
      const entry = await catalog.read(view);
      const live = liveGeneration(entry);
      if (live === undefined) throw new Error(`${view} is not live`);
      await catalog.transition(entry, [{ ...live, id: "g2" }]);
    }
    ahead = readerCacheMs + 1;
    // What a list says of itself is the same: cursors, which name their generation, are in none of these.
    expect(await tags()).toStrictEqual(moved.map((tag) => tag.replace("g1", "g2")));
  });
});
