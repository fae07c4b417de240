/** What holds of every customer's credit, whatever is asked in whichever order. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  changeCustomerDetailsSchema,
  type CustomerCommand,
  maximumCreditLimit,
  registerCustomerSchema,
  releaseCreditSchema,
  reserveCreditSchema,
  setCreditLimitSchema,
  suspendCustomerSchema,
} from "../../../domain/customers/commands.ts";
import { type Customer, customerDecider, customerSnapshot } from "../../../domain/customers/customer.ts";
import { type CustomerEvent, customersEventTypes } from "../../../domain/customers/events.ts";
import { customerIdSchema, orderIdSchema } from "../../../domain/kernel/schemas.ts";
import { exploreDecider } from "../../../engine/testing/explore-decider.ts";
import { amounts, orderIds, type PlainMoney, reasons, throughJson, usd } from "./arbitraries.ts";

const limits = amounts(0, maximumCreditLimit);
const names = fc.constantFrom("Vins et alcools", "Chevalier");
const register = registerCustomerSchema.required({ customerId: true });

const reserving = (orderId: string, amount: PlainMoney): CustomerCommand => ({
  type: "ReserveCredit",
  ...reserveCreditSchema.parse({ orderId, amount }),
});

/** Just what is free, and one minor unit more. */
const reservingAtTheLimit = fc.tuple(orderIds, fc.constantFrom(0, 1)).map(
  ([orderId, more]) =>
    (customer: Customer): CustomerCommand | undefined =>
      customer.status === "unknown"
        ? undefined
        : reserving(orderId, usd(customer.creditLimit.amount - customer.reserved.amount + more)),
);

const commands = fc.oneof(
  fc.record({ name: names, creditLimit: limits }).map((body): CustomerCommand => ({
    type: "RegisterCustomer",
    ...register.parse({ customerId: "VINET", ...body }),
  })),
  fc.record({ name: names, contact: names }, { requiredKeys: ["name"] }).map((body): CustomerCommand => ({
    type: "ChangeCustomerDetails",
    ...changeCustomerDetailsSchema.parse(body),
  })),
  limits.map((creditLimit): CustomerCommand => ({
    type: "SetCreditLimit",
    ...setCreditLimitSchema.parse({ creditLimit }),
  })),
  reasons.map((reason): CustomerCommand => ({ type: "SuspendCustomer", ...suspendCustomerSchema.parse({ reason }) })),
  fc.constant<CustomerCommand>({ type: "ReinstateCustomer" }),
  fc.tuple(orderIds, amounts(0, 9_000_000_000_000_000)).map(([orderId, amount]) => reserving(orderId, amount)),
  reservingAtTheLimit,
  orderIds.map((orderId): CustomerCommand => ({ type: "ReleaseCredit", ...releaseCreditSchema.parse({ orderId }) })),
  orderIds.map((orderId): CustomerCommand => ({
    type: "BarReservation",
    customerId: customerIdSchema.parse("VINET"),
    orderId: orderIdSchema.parse(orderId),
  })),
);

/** What is reserved by the events alone: sums of their own, which the decider has no part in. */
function reservedAfter(history: readonly CustomerEvent[]): bigint {
  return history.reduce((sum, event) => {
    if (event.type === "CreditReserved") return sum + BigInt(event.data.amount.amount);
    return event.type === "CreditReleased" ? sum - BigInt(event.data.amount.amount) : sum;
  }, 0n);
}

const ordersOf = (
  history: readonly CustomerEvent[],
  wanted: "CreditReserved" | "CreditReleased" | "ReservationBarred",
): string[] => history.flatMap(({ type, data }) => (type === wanted ? [data.orderId] : []));

const isDistinct = (values: readonly string[]): boolean => new Set(values).size === values.length;

/** A customer's collections are persistent ones, whose inner shape depends on how they came about. */
const seen = (customer: Customer): unknown =>
  customer.status === "unknown"
    ? { ...customer, released: [...customer.released].toSorted() }
    : { ...customer, reservations: customer.reservations.toObject(), released: [...customer.released].toSorted() };

it("what a customer has reserved is the sum of the open reservations and never above the limit", () => {
  const { decided, refused, unchanged } = exploreDecider({
    decider: customerDecider,
    eventTypes: customersEventTypes,
    commands,
    runs: 1_000,
    maximumCommands: 30,
    view: seen,
    invariants: {
      "what is reserved is the sum of the open reservations": (customer, history) =>
        customer.status === "unknown" ||
        (BigInt(customer.reserved.amount) === reservedAfter(history) &&
          customer.reservations.valueSeq().reduce((sum, { amount }) => sum + BigInt(amount), 0n) ===
            reservedAfter(history)),
      "what is reserved is within the limit and not below nothing": (customer) =>
        customer.status === "unknown" ||
        (customer.reserved.amount <= customer.creditLimit.amount && customer.reserved.amount >= 0),
      "every change says what is reserved afterwards": (_, history) =>
        history.every(
          ({ type, data }, at) =>
            (type !== "CreditReserved" && type !== "CreditReleased") ||
            BigInt(data.reserved.amount) === reservedAfter(history.slice(0, at + 1)),
        ),
      "an order is reserved for once and released once, and never reserved for after that": (_, history) => {
        const reserved = ordersOf(history, "CreditReserved");
        const released = ordersOf(history, "CreditReleased");
        const isLate = (id: string): boolean => reserved.includes(id) && released.includes(id) && order(id) === "late";
        const order = (id: string): "late" | "in time" => {
          const at = (wanted: string): number =>
            history.findIndex(({ type, data }) => type === wanted && "orderId" in data && data.orderId === id);
          return at("CreditReserved") > at("CreditReleased") ? "late" : "in time";
        };
        return isDistinct(reserved) && isDistinct(released) && !released.some(isLate);
      },
      "an order that is barred is never reserved for, and none is barred twice": (_, history) => {
        const barred = ordersOf(history, "ReservationBarred");
        return isDistinct([...barred, ...ordersOf(history, "CreditReserved")]);
      },
      "all amounts are in the currency of the first limit": (customer, history) =>
        history
          .flatMap(({ data }) => Object.values<unknown>(data))
          .filter((value) => typeof value === "object" && value !== null && "currency" in value)
          .every(({ currency }) => customer.status !== "unknown" && currency === customer.creditLimit.currency),
      "each limit follows the one before it": (_, history) => {
        const set = history.flatMap(({ type, data }) =>
          type === "CreditLimitSet" || type === "CustomerRegistered" ? [data] : [],
        );
        return set.every(
          (data, at) => !("previousLimit" in data) || data.previousLimit.amount === set[at - 1]?.creditLimit.amount,
        );
      },
      "its snapshot is the customer": (customer) => {
        const read = customerSnapshot.read(throughJson(customerSnapshot.write(customer)));
        return isDeepStrictEqual(seen(read), seen(customer));
      },
    },
  });
  expect(Object.keys(decided).toSorted()).toStrictEqual(Object.keys(customersEventTypes).toSorted());
  expect(Object.keys(refused).toSorted()).toStrictEqual([
    "CREDIT_CURRENCY_MISMATCH",
    "CREDIT_LIMIT_EXCEEDED",
    "CUSTOMER_ALREADY_REGISTERED",
    "CUSTOMER_NOT_FOUND",
    "CUSTOMER_SUSPENDED",
    "LIMIT_BELOW_RESERVED",
    "RESERVATION_DIFFERS",
    "RESERVATION_RELEASED",
  ]);
  expect(unchanged).toBeGreaterThan(0);
});
