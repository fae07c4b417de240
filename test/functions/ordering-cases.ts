/** What ordering is asked in the tests of its routes. */
import { type ContextCases, reason, type Request } from "./context-cases.ts";
import { line, order } from "./orders.ts";

const orderedAt = "1996-07-04T00:00:00.000Z";
const body = { ...order, orderId: "@id", orderedAt };
const total = { amount: 15_120, currency: "USD" };
const facts = { orderId: "@id", customerId: "VINET", orderedAt, total };

const place: Request = ["POST /orders", body];
const confirm: Request = ["POST /orders/{orderId}/confirm"];
const reject: Request = ["POST /orders/{orderId}/reject", reason];
const cancel: Request = ["POST /orders/{orderId}/cancel"];
const complete: Request = ["POST /orders/{orderId}/complete"];

const withCurrency = (currency: string) => ({ ...line, unitPrice: { amount: 1, currency } });

export const orderingCases: ContextCases = {
  context: "ordering",
  category: "order",
  collection: "/orders",
  idName: "orderId",
  notFound: "ORDER_NOT_FOUND",
  mayBeEmpty: ["POST /orders/{orderId}/confirm", "POST /orders/{orderId}/cancel", "POST /orders/{orderId}/complete"],
  accepted: [
    {
      given: [],
      request: place,
      stored: { type: "OrderPlaced", data: { ...facts, lines: [{ ...line, total }] } },
      wrong: [[{ ...body, lines: [], orderedAt: "1996" }, "/orderedAt", "/lines"]],
    },
    { given: [place], request: confirm, stored: { type: "OrderConfirmed", data: facts } },
    {
      given: [place],
      request: reject,
      stored: { type: "OrderRejected", data: { ...facts, ...reason } },
      wrong: [
        [{}, "/reason"],
        [{ reason: " " }, "/reason"],
        [{ reason: "x".repeat(501) }, "/reason"],
      ],
    },
    {
      given: [place, confirm],
      request: cancel,
      stored: { type: "OrderCancelled", data: { ...facts, cancelledFrom: "confirmed" } },
      wrong: [[{ reason: "" }, "/reason"]],
    },
    {
      given: [place],
      request: ["POST /orders/{orderId}/cancel", reason],
      stored: { type: "OrderCancelled", data: { ...facts, ...reason, cancelledFrom: "placed" } },
    },
    { given: [place, confirm], request: complete, stored: { type: "OrderCompleted", data: facts } },
  ],
  repeated: [
    { given: [place, confirm], request: confirm },
    { given: [place, confirm, complete], request: confirm },
    { given: [place, confirm, complete], request: complete },
    { given: [place, reject], request: reject },
    { given: [place, cancel], request: cancel },
  ],
  refused: [
    { given: [place], request: place, refusal: [409, "ORDER_ALREADY_PLACED"] },
    {
      given: [],
      request: ["POST /orders", { ...body, lines: [withCurrency("USD"), withCurrency("EUR")] }],
      refusal: [422, "MIXED_CURRENCIES"],
    },
    { given: [place], request: complete, refusal: [409, "ORDER_NOT_CONFIRMED"] },
    { given: [place, confirm], request: reject, refusal: [409, "ORDER_ALREADY_CONFIRMED"] },
    { given: [place, reject], request: confirm, refusal: [409, "ORDER_REJECTED"] },
    { given: [place, reject], request: cancel, refusal: [409, "ORDER_REJECTED"] },
    { given: [place, cancel], request: confirm, refusal: [409, "ORDER_CANCELLED"] },
    { given: [place, cancel], request: complete, refusal: [409, "ORDER_CANCELLED"] },
    { given: [place, confirm, complete], request: cancel, refusal: [409, "ORDER_COMPLETED"] },
    { given: [place, confirm, complete], request: reject, refusal: [409, "ORDER_COMPLETED"] },
  ],
};
