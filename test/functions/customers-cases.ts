/** What the context of customers is asked in the tests of its routes. */
import { type ContextCases, reason, type Request } from "./context-cases.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });
const eur = (amount: number) => ({ amount, currency: "EUR" });
const customerId = "@id";
const body = { customerId, name: "Vins et alcools Chevalier", creditLimit: usd(10_000) };
const details = { name: "Vins Chevalier", contact: "Paul Henriot" };

const register: Request = ["POST /customers", body];
const changeDetails: Request = ["POST /customers/{customerId}/change-details", details];
const setLimit = (creditLimit: object): Request => ["POST /customers/{customerId}/set-credit-limit", { creditLimit }];
const suspend: Request = ["POST /customers/{customerId}/suspend", reason];
const reinstate: Request = ["POST /customers/{customerId}/reinstate"];
const reserve = (orderId: string, amount: object): Request => [
  "POST /customers/{customerId}/reserve-credit",
  { orderId, amount },
];
const release = (orderId: string): Request => ["POST /customers/{customerId}/release-credit", { orderId }];

export const customersCases: ContextCases = {
  context: "customers",
  category: "customer",
  collection: "/customers",
  idName: "customerId",
  notFound: "CUSTOMER_NOT_FOUND",
  mayBeEmpty: ["POST /customers/{customerId}/reinstate"],
  accepted: [
    {
      given: [],
      request: register,
      stored: { type: "CustomerRegistered", data: body },
      wrong: [
        [{ ...body, name: " ", creditLimit: usd(-1) }, "/name", "/creditLimit/amount"],
        [{ ...body, creditLimit: usd(1_000_000_000_000_001) }, "/creditLimit/amount"],
        [{ ...body, customerId: "../x" }, "/customerId"],
      ],
    },
    {
      given: [register],
      request: changeDetails,
      stored: { type: "CustomerDetailsChanged", data: { customerId, ...details } },
      wrong: [
        [{ ...details, contact: "" }, "/contact"],
        [{}, "/name"],
      ],
    },
    {
      given: [register],
      request: setLimit(usd(5_000)),
      stored: {
        type: "CreditLimitSet",
        data: { customerId, creditLimit: usd(5_000), previousLimit: usd(10_000) },
      },
      wrong: [[{ creditLimit: { amount: 1.5, currency: "usd" } }, "/creditLimit/amount", "/creditLimit/currency"]],
    },
    {
      given: [register],
      request: suspend,
      stored: { type: "CustomerSuspended", data: { customerId, ...reason } },
      wrong: [[{}, "/reason"]],
    },
    {
      given: [register, suspend],
      request: reinstate,
      stored: { type: "CustomerReinstated", data: { customerId } },
    },
    {
      given: [register, reserve("1", usd(4_000))],
      request: reserve("2", usd(6_000)),
      stored: {
        type: "CreditReserved",
        data: { customerId, orderId: "2", amount: usd(6_000), reserved: usd(10_000) },
      },
      wrong: [[{ orderId: "", amount: usd(-1) }, "/orderId", "/amount/amount"]],
    },
    {
      given: [register, reserve("1", usd(4_000))],
      request: release("1"),
      stored: { type: "CreditReleased", data: { customerId, orderId: "1", amount: usd(4_000), reserved: usd(0) } },
      wrong: [[{}, "/orderId"]],
    },
    {
      given: [register],
      request: release("never-reserved"),
      stored: {
        type: "CreditReleased",
        data: { customerId, orderId: "never-reserved", amount: usd(0), reserved: usd(0) },
      },
    },
  ],
  repeated: [
    { given: [register, changeDetails], request: changeDetails },
    { given: [register], request: setLimit(usd(10_000)) },
    { given: [register, suspend], request: suspend },
    { given: [register], request: reinstate },
    { given: [register, reserve("1", usd(4_000))], request: reserve("1", usd(4_000)) },
    { given: [register, reserve("1", usd(4_000)), release("1")], request: release("1") },
  ],
  refused: [
    { given: [register], request: register, refusal: [409, "CUSTOMER_ALREADY_REGISTERED"] },
    { given: [register, suspend], request: reserve("1", usd(1)), refusal: [409, "CUSTOMER_SUSPENDED"] },
    { given: [register], request: reserve("1", usd(10_001)), refusal: [409, "CREDIT_LIMIT_EXCEEDED"] },
    { given: [register], request: reserve("1", eur(1)), refusal: [422, "CREDIT_CURRENCY_MISMATCH"] },
    { given: [register], request: setLimit(eur(10_000)), refusal: [422, "CREDIT_CURRENCY_MISMATCH"] },
    {
      given: [register, reserve("1", usd(4_000))],
      request: setLimit(usd(3_999)),
      refusal: [409, "LIMIT_BELOW_RESERVED"],
    },
    {
      given: [register, reserve("1", usd(4_000)), release("1")],
      request: reserve("1", usd(4_000)),
      refusal: [409, "RESERVATION_RELEASED"],
    },
    {
      given: [register, reserve("1", usd(4_000))],
      request: reserve("1", usd(4_001)),
      refusal: [409, "RESERVATION_DIFFERS"],
    },
  ],
};
