/** What each command does to a customer: its details, its limit, and the credit that its orders reserve. */
import { describe, expect, it } from "vitest";
import {
  changeCustomerDetailsSchema,
  type CustomerCommand,
  maximumCreditLimit,
  registerCustomerSchema,
  reserveCreditSchema,
  setCreditLimitSchema,
  suspendCustomerSchema,
} from "../../../domain/customers/commands.ts";
import { customerDecider, type CustomerRejection } from "../../../domain/customers/customer.ts";
import { type CustomerEvent, customersEventTypes } from "../../../domain/customers/events.ts";
import { isRejection } from "../../../domain/kernel/decider.ts";
import { customerIdSchema, orderIdSchema } from "../../../domain/kernel/schemas.ts";
import { given } from "../../../engine/testing/given-when-then.ts";

const customerId = customerIdSchema.parse("VINET");
const usd = (amount: number) => ({ amount, currency: "USD" });
const eur = (amount: number) => ({ amount, currency: "EUR" });
const nothing: readonly CustomerEvent[] = [];

const register = (creditLimit = usd(1_000), name = "Vins et alcools"): CustomerCommand => ({
  type: "RegisterCustomer",
  ...registerCustomerSchema.parse({ name, creditLimit }),
  customerId,
});
const changeDetails = (name: string, contact?: string): CustomerCommand => ({
  type: "ChangeCustomerDetails",
  ...changeCustomerDetailsSchema.parse({ name, ...(contact === undefined ? {} : { contact }) }),
});
const setLimit = (creditLimit: unknown): CustomerCommand => ({
  type: "SetCreditLimit",
  ...setCreditLimitSchema.parse({ creditLimit }),
});
const suspend: CustomerCommand = {
  type: "SuspendCustomer",
  ...suspendCustomerSchema.parse({ reason: "does not pay" }),
};
const reinstate: CustomerCommand = { type: "ReinstateCustomer" };
const reserve = (orderId: string, amount: unknown): CustomerCommand => ({
  type: "ReserveCredit",
  ...reserveCreditSchema.parse({ orderId, amount }),
});
const release = (orderId: string): CustomerCommand => ({
  type: "ReleaseCredit",
  orderId: orderIdSchema.parse(orderId),
});

const registered: CustomerEvent = {
  type: "CustomerRegistered",
  data: { customerId, name: "Vins et alcools", creditLimit: usd(1_000) },
};
const detailsChanged = (name: string, contact?: string): CustomerEvent => ({
  type: "CustomerDetailsChanged",
  data: { customerId, name, ...(contact === undefined ? {} : { contact }) },
});
const limitSet = (amount: number, previous: number): CustomerEvent => ({
  type: "CreditLimitSet",
  data: { customerId, creditLimit: usd(amount), previousLimit: usd(previous) },
});
const suspended: CustomerEvent = { type: "CustomerSuspended", data: { customerId, reason: "does not pay" } };
const reinstated: CustomerEvent = { type: "CustomerReinstated", data: { customerId } };
const creditChange = (orderId: string, amount: number, reserved: number) => ({
  customerId,
  orderId: orderIdSchema.parse(orderId),
  amount: usd(amount),
  reserved: usd(reserved),
});
const reserved = (...change: Parameters<typeof creditChange>): CustomerEvent => ({
  type: "CreditReserved",
  data: creditChange(...change),
});
const released = (...change: Parameters<typeof creditChange>): CustomerEvent => ({
  type: "CreditReleased",
  data: creditChange(...change),
});

const bar = (orderId: string): CustomerCommand => ({
  type: "BarReservation",
  customerId,
  orderId: orderIdSchema.parse(orderId),
});
const barred = (orderId: string): CustomerEvent => ({
  type: "ReservationBarred",
  data: { customerId, orderId: orderIdSchema.parse(orderId) },
});

describe("registering a customer", () => {
  it("gives it a name and a limit", () => {
    given(customerDecider, []).when(register()).then([registered]);
  });

  it("is possible with no credit at all", () => {
    given(customerDecider, [])
      .when(register(usd(0)))
      .then([{ type: "CustomerRegistered", data: { customerId, name: "Vins et alcools", creditLimit: usd(0) } }]);
  });

  it.each([[[registered]], [[registered, suspended]]])("is refused when the id is in use", (history) => {
    given(customerDecider, history).when(register()).then({
      rejection: "CUSTOMER_ALREADY_REGISTERED",
      message: "customer VINET is registered: change its details, or use another id",
    });
  });

  it("takes names without space around them and limits up to the largest that stays exact", () => {
    const parse = (name: string, amount: number) =>
      registerCustomerSchema.safeParse({ name, creditLimit: usd(amount) }).data;
    expect(parse(" x ", maximumCreditLimit)).toStrictEqual({ name: "x", creditLimit: usd(1e15) });
    expect(parse("x".repeat(200), 0)).toStrictEqual({ name: "x".repeat(200), creditLimit: usd(0) });
    expect([parse("x", 1e15 + 1), parse("x", -1), parse("  ", 1), parse("x".repeat(201), 1)]).toStrictEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });
});

describe("a customer that was never registered", () => {
  it.each([changeDetails("x"), setLimit(usd(1)), suspend, reinstate, reserve("1", usd(1)), release("1")])(
    "is not found by $type",
    (command) => {
      given(customerDecider, []).when(command).then({
        rejection: "CUSTOMER_NOT_FOUND",
        message: "there is no such customer: register it first",
      });
    },
  );
});

describe("an order that is barred", () => {
  const refusal = {
    rejection: "RESERVATION_RELEASED",
    message: "the reservation for order 1 was released and stays so: place another order",
  } as const;

  it("is remembered of a customer who is not registered yet, once", () => {
    given(customerDecider, [])
      .when(bar("1"))
      .then([barred("1")]);
    given(customerDecider, [barred("1")])
      .when(bar("1"))
      .then(nothing);
    given(customerDecider, [barred("1")])
      .when(bar("2"))
      .then([barred("2")]);
  });

  it("registers nobody", () => {
    given(customerDecider, [barred("1")])
      .when(reserve("1", usd(1)))
      .thenRejected("CUSTOMER_NOT_FOUND");
    given(customerDecider, [barred("1")])
      .when(release("1"))
      .thenRejected("CUSTOMER_NOT_FOUND");
  });

  it("is not reserved for when the customer is registered afterwards", () => {
    given(customerDecider, [barred("1")])
      .when(register())
      .then([registered]);
    given(customerDecider, [barred("1"), registered])
      .when(reserve("1", usd(1)))
      .then(refusal);
    given(customerDecider, [barred("1"), registered])
      .when(reserve("2", usd(1)))
      .then([reserved("2", 1, 1)]);
    given(customerDecider, [barred("1"), registered])
      .when(bar("1"))
      .then(nothing);
  });

  it("of a registered customer is released", () => {
    given(customerDecider, [registered, reserved("1", 600, 600)])
      .when(bar("1"))
      .then([released("1", 600, 0)]);
    given(customerDecider, [registered])
      .when(bar("1"))
      .then([released("1", 0, 0)]);
  });
});

describe("changing a customer's details", () => {
  it("says all of them", () => {
    given(customerDecider, [registered])
      .when(changeDetails("Vins", "Paul Henriot"))
      .then([detailsChanged("Vins", "Paul Henriot")]);
  });

  it("takes a contact away that is left out", () => {
    const history = [registered, detailsChanged("Vins", "Paul Henriot")];
    given(customerDecider, history)
      .when(changeDetails("Vins"))
      .then([detailsChanged("Vins")]);
    given(customerDecider, [...history, detailsChanged("Vins")])
      .when(changeDetails("Vins"))
      .then(nothing);
  });

  it("changes nothing when they are the same", () => {
    given(customerDecider, [registered]).when(changeDetails("Vins et alcools")).then(nothing);
    given(customerDecider, [registered, detailsChanged("Vins", "Paul")])
      .when(changeDetails("Vins", "Paul"))
      .then(nothing);
  });

  it("leaves what is reserved as it is", () => {
    given(customerDecider, [registered, reserved("1", 600, 600), detailsChanged("Vins")])
      .when(release("1"))
      .then([released("1", 600, 0)]);
  });
});

describe("setting a credit limit", () => {
  it("says which limit it replaces", () => {
    given(customerDecider, [registered])
      .when(setLimit(usd(2_000)))
      .then([limitSet(2_000, 1_000)]);
    given(customerDecider, [registered, limitSet(2_000, 1_000)])
      .when(setLimit(usd(5)))
      .then([limitSet(5, 2_000)]);
  });

  it("changes nothing when it is the same", () => {
    given(customerDecider, [registered])
      .when(setLimit(usd(1_000)))
      .then(nothing);
  });

  it("may go down to what is reserved, not a minor unit below it", () => {
    const history = [registered, reserved("1", 600, 600)];
    given(customerDecider, history)
      .when(setLimit(usd(600)))
      .then([limitSet(600, 1_000)]);
    given(customerDecider, history)
      .when(setLimit(usd(599)))
      .then({
        rejection: "LIMIT_BELOW_RESERVED",
        message: "600 minor units of USD are reserved: release some first, or set no lower limit than that",
      });
    given(customerDecider, [...history, released("1", 600, 0)])
      .when(setLimit(usd(0)))
      .then([limitSet(0, 1_000)]);
  });

  it("is refused in another currency", () => {
    given(customerDecider, [registered])
      .when(setLimit(eur(1_000)))
      .then({
        rejection: "CREDIT_CURRENCY_MISMATCH",
        message: "the customer's credit is in USD, not EUR: convert the amount",
      });
  });

  it("is possible for a suspended customer, too", () => {
    given(customerDecider, [registered, suspended])
      .when(setLimit(usd(0)))
      .then([limitSet(0, 1_000)]);
  });
});

describe("suspending and reinstating a customer", () => {
  it("says why, and repeats nothing", () => {
    given(customerDecider, [registered]).when(suspend).then([suspended]);
    given(customerDecider, [registered, suspended]).when(suspend).then(nothing);
    given(customerDecider, [registered, suspended]).when(reinstate).then([reinstated]);
    given(customerDecider, [registered]).when(reinstate).then(nothing);
    given(customerDecider, [registered, suspended, reinstated]).when(suspend).then([suspended]);
  });
});

describe("reserving credit", () => {
  it("adds up what all orders reserve", () => {
    given(customerDecider, [registered])
      .when(reserve("1", usd(600)))
      .then([reserved("1", 600, 600)]);
    given(customerDecider, [registered, reserved("1", 600, 600)])
      .when(reserve("2", usd(300)))
      .then([reserved("2", 300, 900)]);
  });

  it("may reach the limit, and not pass it by a minor unit", () => {
    const history = [registered, reserved("1", 600, 600)];
    given(customerDecider, history)
      .when(reserve("2", usd(400)))
      .then([reserved("2", 400, 1_000)]);
    given(customerDecider, history)
      .when(reserve("2", usd(401)))
      .then({
        rejection: "CREDIT_LIMIT_EXCEEDED",
        message: "400 minor units of USD of the credit limit are free, not 401 minor units of USD: release or raise it",
      });
  });

  it("goes by the limit as it was set last", () => {
    given(customerDecider, [registered, limitSet(2_000, 1_000)])
      .when(reserve("1", usd(2_000)))
      .then([reserved("1", 2_000, 2_000)]);
    given(customerDecider, [registered, limitSet(999, 1_000)])
      .when(reserve("1", usd(1_000)))
      .then({
        rejection: "CREDIT_LIMIT_EXCEEDED",
        message:
          "999 minor units of USD of the credit limit are free, not 1000 minor units of USD: release or raise it",
      });
  });

  it("of nothing is a reservation like any other: an order may be for free", () => {
    given(customerDecider, [registered, reserved("1", 1_000, 1_000)])
      .when(reserve("2", usd(0)))
      .then([reserved("2", 0, 1_000)]);
    given(customerDecider, [registered, reserved("2", 0, 0)])
      .when(release("2"))
      .then([released("2", 0, 0)]);
  });

  it("is answered when the order's worth and what is reserved have no exact sum", () => {
    const limit = limitSet(1e15, 1_000);
    const history = [registered, limit, reserved("1", 1e15, 1e15)];
    const state = history.reduce(
      (customer, event) => customerDecider.evolve(customer, event),
      customerDecider.initialState,
    );
    const decision = customerDecider.decide(state, reserve("2", usd(9e15)));
    expect(isRejection(decision) && decision.rejection).toBe("CREDIT_LIMIT_EXCEEDED");
  });

  it("again for the same order and amount changes nothing", () => {
    given(customerDecider, [registered, reserved("1", 600, 600)])
      .when(reserve("1", usd(600)))
      .then(nothing);
  });

  it.each([usd(599), usd(601), eur(600)])(
    "of another amount for the same order is refused: $amount $currency",
    (amount) => {
      given(customerDecider, [registered, reserved("1", 600, 600)])
        .when(reserve("1", amount))
        .then({
          rejection: "RESERVATION_DIFFERS",
          message: "600 minor units of USD are reserved for order 1: release them before another amount is asked for",
        });
    },
  );

  it("in another currency is refused", () => {
    given(customerDecider, [registered])
      .when(reserve("1", eur(1)))
      .then({
        rejection: "CREDIT_CURRENCY_MISMATCH",
        message: "the customer's credit is in USD, not EUR: convert the amount",
      });
  });

  it("is refused while the customer is suspended, and possible again afterwards", () => {
    given(customerDecider, [registered, suspended])
      .when(reserve("1", usd(1)))
      .then({
        rejection: "CUSTOMER_SUSPENDED",
        message: "customer VINET is suspended: reinstate it before it reserves credit",
      });
    given(customerDecider, [registered, suspended, reinstated])
      .when(reserve("1", usd(1)))
      .then([reserved("1", 1, 1)]);
  });

  it("a second time after a release reserves nothing: the request is a late resend", () => {
    const refusal: CustomerRejection = {
      rejection: "RESERVATION_RELEASED",
      message: "the reservation for order 1 was released and stays so: place another order",
    };
    const history = [registered, reserved("1", 600, 600), released("1", 600, 0)];
    given(customerDecider, history)
      .when(reserve("1", usd(600)))
      .then(refusal);
    given(customerDecider, history)
      .when(reserve("1", usd(5)))
      .then(refusal);
    given(customerDecider, [...history, suspended])
      .when(reserve("1", usd(600)))
      .then(refusal);
  });

  it("is answered as before when a customer was suspended in between", () => {
    given(customerDecider, [registered, reserved("1", 600, 600), suspended])
      .when(reserve("1", usd(600)))
      .then(nothing);
  });
});

describe("releasing credit", () => {
  const two = [registered, reserved("1", 600, 600), reserved("2", 400, 1_000)];

  it("gives back what the order reserved, and no more", () => {
    given(customerDecider, two)
      .when(release("1"))
      .then([released("1", 600, 400)]);
    given(customerDecider, [...two, released("1", 600, 400)])
      .when(release("2"))
      .then([released("2", 400, 0)]);
  });

  it("makes room for other orders", () => {
    given(customerDecider, [...two, released("2", 400, 600)])
      .when(reserve("3", usd(400)))
      .then([reserved("3", 400, 1_000)]);
  });

  it("again changes nothing", () => {
    given(customerDecider, [...two, released("1", 600, 400)])
      .when(release("1"))
      .then(nothing);
  });

  it("of what was never reserved is remembered, so that a late request reserves nothing", () => {
    given(customerDecider, two)
      .when(release("3"))
      .then([released("3", 0, 1_000)]);
    given(customerDecider, [registered, released("3", 0, 0)])
      .when(reserve("3", usd(1)))
      .then({
        rejection: "RESERVATION_RELEASED",
        message: "the reservation for order 3 was released and stays so: place another order",
      });
  });

  it("is possible for a suspended customer, too", () => {
    given(customerDecider, [...two, suspended])
      .when(release("1"))
      .then([released("1", 600, 400)]);
  });
});

describe("the customer decider", () => {
  const history = [registered, reserved("1", 600, 600), released("1", 600, 0)];

  it("decides events that their own schemas accept after a trip through JSON", () => {
    for (const { type, data } of [
      ...history,
      detailsChanged("Vins"),
      detailsChanged("Vins", "Paul"),
      limitSet(1, 2),
      suspended,
      reinstated,
    ]) {
      const stored: unknown = JSON.parse(JSON.stringify(data));
      expect(customersEventTypes[type].schema.parse(stored)).toStrictEqual(data);
    }
  });

  it("leaves a state as it was when it evolves another from it", () => {
    const before = customerDecider.evolve(customerDecider.initialState, registered);
    const after = customerDecider.evolve(before, reserved("1", 600, 600));
    expect(customerDecider.decide(before, release("1"))).toStrictEqual([released("1", 0, 0)]);
    expect(customerDecider.decide(after, release("1"))).toStrictEqual([released("1", 600, 0)]);
  });
});
