/** What the events of a customer make of its row in customer-summary. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CustomerCommand } from "../../domain/customers/commands.ts";
import { customerDecider } from "../../domain/customers/customer.ts";
import { customerIdSchema, orderIdSchema } from "../../domain/kernel/schemas.ts";
import { EventNotUnderstoodError } from "../../engine/event-store/errors.ts";
import { customerSummary } from "../../projections/customer-summary.ts";
import { historyOf, rowAfter, type StreamEvent } from "./row-of-events.ts";

const customerId = "VINET";
const usd = (amount: number) => ({ amount, currency: "USD" });

const registered = { type: "CustomerRegistered", data: { customerId, name: "Vins et alcools", creditLimit: usd(500) } };
const newRow = {
  customerId,
  name: "Vins et alcools",
  creditLimit: usd(500),
  reserved: usd(0),
  status: "active",
};

const rowOf = (...events: readonly StreamEvent[]) => rowAfter(customerSummary, customerId, events);
const key = "VINET/customer";

describe("customer-summary", () => {
  it("reads customers, one row each", () => {
    const { name, version, category, rows, indexes } = customerSummary;
    expect({ name, version, category, rows, indexes }).toStrictEqual({
      name: "customer-summary",
      version: 1,
      category: "customer",
      rows: "one-per-stream",
      indexes: undefined,
    });
  });

  it("shows a registered customer as active, with nothing reserved", () => {
    expect(rowOf(registered)).toStrictEqual({ key, row: newRow });
  });

  it("replaces all details: a contact that is not given is gone", () => {
    const named = { type: "CustomerDetailsChanged", data: { customerId, name: "Vinet", contact: "Paul Henriot" } };
    const renamed = { type: "CustomerDetailsChanged", data: { customerId, name: "Vinet SA" } };
    expect(rowOf(registered, named)).toStrictEqual({
      key,
      row: { ...newRow, name: "Vinet", contact: "Paul Henriot" },
    });
    expect(rowOf(registered, named, renamed)).toStrictEqual({ key, row: { ...newRow, name: "Vinet SA" } });
  });

  it("shows the limit that was set last", () => {
    const set = { type: "CreditLimitSet", data: { customerId, creditLimit: usd(700), previousLimit: usd(500) } };
    expect(rowOf(registered, set)).toStrictEqual({ key, row: { ...newRow, creditLimit: usd(700) } });
  });

  it("says why a customer is suspended, until it is reinstated", () => {
    const suspended = { type: "CustomerSuspended", data: { customerId, reason: "unpaid" } };
    const reinstated = { type: "CustomerReinstated", data: { customerId } };
    expect(rowOf(registered, suspended)).toStrictEqual({
      key,
      row: { ...newRow, status: "suspended", suspensionReason: "unpaid" },
    });
    expect(rowOf(registered, suspended, reinstated)).toStrictEqual({ key, row: newRow });
  });

  it("shows what is reserved for all orders after a reservation and after a release", () => {
    const first = { type: "CreditReserved", data: { customerId, orderId: "1", amount: usd(200), reserved: usd(200) } };
    const second = { type: "CreditReserved", data: { customerId, orderId: "2", amount: usd(50), reserved: usd(250) } };
    const back = { type: "CreditReleased", data: { customerId, orderId: "1", amount: usd(200), reserved: usd(50) } };
    expect(rowOf(registered, first, second)).toStrictEqual({ key, row: { ...newRow, reserved: usd(250) } });
    expect(rowOf(registered, first, second, back)).toStrictEqual({ key, row: { ...newRow, reserved: usd(50) } });
  });

  it("says what the customer itself says, whatever happened to it", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const { events, state } = historyOf(customerDecider, [register, ...commands]);
        if (state.status === "unknown") throw new Error("registered customers are known");
        const { name, contact, creditLimit, reserved, status } = state;
        const told = contact === undefined ? {} : { contact };
        const { suspensionReason, ...row } = rowAfter(customerSummary, customerId, events).row;
        expect(row).toStrictEqual({ customerId, name, ...told, creditLimit, reserved, status });
        expect(suspensionReason !== undefined).toBe(status === "suspended");
      }),
      { numRuns: 300 },
    );
  });

  it("refuses an event that is not what its type says", () => {
    for (const type of Object.keys(customerSummary.eventTypes)) {
      expect(() => rowOf({ type, data: { orderId: "1" } })).toThrow(EventNotUnderstoodError);
    }
  });
});

const register: CustomerCommand = {
  type: "RegisterCustomer",
  customerId: customerIdSchema.parse(customerId),
  name: "Vins et alcools",
  creditLimit: usd(500),
};

const amount = fc.integer({ min: 1, max: 400 }).map(usd);
const orderId = fc.constantFrom("1", "2", "3").map((id) => orderIdSchema.parse(id));
const name = fc.constantFrom("Vinet", "Vinet SA");

const command = fc.oneof<fc.Arbitrary<CustomerCommand>[]>(
  fc.record({ type: fc.constant("ChangeCustomerDetails" as const), name }),
  fc.record({ type: fc.constant("ChangeCustomerDetails" as const), name, contact: fc.constant("Paul Henriot") }),
  fc.record({ type: fc.constant("SetCreditLimit" as const), creditLimit: amount }),
  fc.record({ type: fc.constant("SuspendCustomer" as const), reason: fc.constantFrom("unpaid", "gone") }),
  fc.record({ type: fc.constant("ReinstateCustomer" as const) }),
  fc.record({ type: fc.constant("ReserveCredit" as const), orderId, amount }),
  fc.record({ type: fc.constant("ReleaseCredit" as const), orderId }),
);
