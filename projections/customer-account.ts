import { billingEventTypes } from "../domain/billing/events.ts";
import { customersEventTypes } from "../domain/customers/events.ts";
import type { Money } from "../domain/kernel/money.ts";
import { orderingEventTypes } from "../domain/ordering/events.ts";
import {
  defineSharedProjection,
  type RowAttributes,
  type RowKey,
  type RowValue,
  type SharedRowChange,
} from "../engine/views/projection.ts";

const { CustomerRegistered, CustomerDetailsChanged, CreditLimitSet, CustomerSuspended, CustomerReinstated } =
  customersEventTypes;
const { CreditReserved, CreditReleased } = customersEventTypes;
const { OrderPlaced, OrderRejected, OrderCancelled, OrderCompleted } = orderingEventTypes;
const { InvoiceIssued, PaymentRecorded, CreditNoteIssued, InvoiceVoided } = billingEventTypes;

const owned = ["customerId", "name", "creditLimit", "reserved", "status"] as const;

type AccountChange = SharedRowChange<(typeof owned)[number]>;

/**
 * One row a customer, of three contexts: who they are and what of their credit is reserved, which their own stream says, and
 * what is open, which the streams of their orders and invoices add up to.
 *
 * The row is that of the customer and not of a currency, because an order may be in another currency than the limit, and the
 * customer's stream does not know which there are. So each currency has sums of its own in the row, and all are read at once.
 *
 * What is overdue is no part of it: a payment does not say whether its invoice was, and which of the two comes first is not
 * known here.
 */
export const customerAccount = defineSharedProjection({
  name: "customer-account",
  version: 1,
  categories: ["customer", "order", "invoice"],
  owned,
  eventTypes: {
    ...{ CustomerRegistered, CustomerDetailsChanged, CreditLimitSet, CustomerSuspended, CustomerReinstated },
    ...{ CreditReserved, CreditReleased },
    ...{ OrderPlaced, OrderRejected, OrderCancelled, OrderCompleted },
    ...{ InvoiceIssued, PaymentRecorded, CreditNoteIssued, InvoiceVoided },
  },
  on: {
    CustomerRegistered: ({ data: { customerId, name, creditLimit } }) => {
      const reserved = { amount: 0, currency: creditLimit.currency };
      return [own(customerId, { customerId, name, creditLimit: { ...creditLimit }, reserved, status: "active" })];
    },
    CustomerDetailsChanged: ({ data: { customerId, name } }) => [own(customerId, { name })],
    CreditLimitSet: ({ data: { customerId, creditLimit } }) => [own(customerId, { creditLimit: { ...creditLimit } })],
    CustomerSuspended: ({ data: { customerId } }) => [own(customerId, { status: "suspended" })],
    CustomerReinstated: ({ data: { customerId } }) => [own(customerId, { status: "active" })],
    CreditReserved: ({ data: { customerId, reserved } }) => [own(customerId, { reserved: { ...reserved } })],
    CreditReleased: ({ data: { customerId, reserved } }) => [own(customerId, { reserved: { ...reserved } })],

    OrderPlaced: ({ data }) => [openOrder(data, 1)],
    OrderRejected: ({ data }) => [openOrder(data, -1)],
    OrderCancelled: ({ data }) => [openOrder(data, -1)],
    OrderCompleted: ({ data }) => [openOrder(data, -1)],

    InvoiceIssued: ({ data: { customerId, total } }) => [receivable(customerId, total, total.amount)],
    PaymentRecorded: ({ data: { customerId, amount } }) => [receivable(customerId, amount, 0 - amount.amount)],
    // What was paid already is given back, and was not to be received any more.
    CreditNoteIssued: ({ data: { customerId, amount, refund } }) => [
      receivable(customerId, amount, refund.amount - amount.amount),
    ],
    InvoiceVoided: ({ data: { customerId, total } }) => [receivable(customerId, total, 0 - total.amount)],
  },
});

export function accountKey(customerId: string): RowKey {
  return { partition: customerId, sort: "account" };
}

/** What the customer's own stream says. */
function own(customerId: string, set: AccountChange["set"] & object): AccountChange {
  return { key: accountKey(customerId), set };
}

type Sum = "openOrders" | "openOrdersTotal" | "receivables";

/** The attribute that holds a sum of one currency, for example `receivables:USD`. */
function attributeOf(sum: Sum, { currency }: Pick<Money, "currency">): `${Sum}:${string}` {
  return `${sum}:${currency}`;
}

interface OrderOfCustomer {
  readonly customerId: string;
  readonly total: Money;
}

function openOrder({ customerId, total }: OrderOfCustomer, sign: 1 | -1): AccountChange {
  const add = {
    [attributeOf("openOrders", total)]: sign,
    [attributeOf("openOrdersTotal", total)]: sign * total.amount,
  };
  return { key: accountKey(customerId), add };
}

function receivable(customerId: string, money: Money, amount: number): AccountChange {
  return { key: accountKey(customerId), add: { [attributeOf("receivables", money)]: amount } };
}

/** The sums of a row by currency, in the order of the currencies' codes; a sum that nothing was added to is 0. */
export function sumsByCurrency(attributes: RowAttributes): readonly (Readonly<Record<Sum, RowValue>> & {
  readonly currency: string;
})[] {
  const currencies = Object.keys(attributes).flatMap((name) => /:([A-Z]{3})$/.exec(name)?.[1] ?? []);
  const sumIn = (sum: Sum, currency: string): RowValue => attributes[attributeOf(sum, { currency })] ?? 0;
  return [...new Set(currencies)].sort().map((currency) => ({
    currency,
    openOrders: sumIn("openOrders", currency),
    openOrdersTotal: sumIn("openOrdersTotal", currency),
    receivables: sumIn("receivables", currency),
  }));
}
