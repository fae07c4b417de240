/** A customer that is read back from its snapshot is the customer that was written. */
import { describe, expect, it } from "vitest";
import type { CustomerCommand } from "../../../domain/customers/commands.ts";
import { type Customer, customerDecider, customerSnapshot } from "../../../domain/customers/customer.ts";
import { CustomerSnapshotError } from "../../../domain/customers/customer-snapshot.ts";
import { isRejection } from "../../../domain/kernel/decider.ts";
import { customerIdSchema, orderIdSchema } from "../../../domain/kernel/schemas.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });
const customerId = customerIdSchema.parse("VINET");
const orderId = (number: number) => orderIdSchema.parse(`order-${number}`);

function after(...commands: readonly CustomerCommand[]): Customer {
  let customer = customerDecider.initialState;
  for (const command of commands) {
    const decision = customerDecider.decide(customer, command);
    if (isRejection(decision)) throw new Error(decision.message);
    for (const event of decision) customer = customerDecider.evolve(customer, event);
  }
  return customer;
}

const register: CustomerCommand = { type: "RegisterCustomer", customerId, name: "Vins", creditLimit: usd(1e9) };
const reserve = (number: number): CustomerCommand => ({
  type: "ReserveCredit",
  orderId: orderId(number),
  amount: usd(number),
});
const release = (number: number): CustomerCommand => ({ type: "ReleaseCredit", orderId: orderId(number) });

const bar = (number: number): CustomerCommand => ({ type: "BarReservation", customerId, orderId: orderId(number) });

const busy = after(bar(7), register, reserve(1), reserve(2), reserve(3), release(2), {
  type: "ChangeCustomerDetails",
  name: "Vins",
  contact: "Paul",
});

const throughJson = (customer: Customer): unknown => JSON.parse(JSON.stringify(customerSnapshot.write(customer)));

/** A state by what it holds: how a trie was built up is not part of it, nor the order that follows from that. */
function contents(customer: Customer): unknown {
  const released = [...customer.released].sort();
  if (customer.status === "unknown") return { ...customer, released };
  return { ...customer, reservations: Object.fromEntries(customer.reservations), released };
}

describe("a snapshot of a customer", () => {
  it("is plain JSON: pairs of order and amount, and the orders released as one text", () => {
    expect(throughJson(busy)).toStrictEqual({
      status: "active",
      customerId: "VINET",
      name: "Vins",
      contact: "Paul",
      creditLimit: usd(1e9),
      reservations: [
        ["order-1", 1],
        ["order-3", 3],
      ],
      released: "order-7\norder-2",
    });
  });

  it.each([
    ["that was never registered", customerDecider.initialState],
    ["that was never registered, and is not to be reserved for", after(bar(1), bar(2))],
    ["that has just been registered", after(register)],
    ["that has reservations, releases and a contact", busy],
    ["that is suspended", after(register, reserve(1), { type: "SuspendCustomer", reason: "does not pay" })],
  ])("%s is read back as that state", (_name, customer) => {
    expect(contents(customerSnapshot.read(throughJson(customer)))).toStrictEqual(contents(customer));
  });

  it("decides as before: what is reserved, released and unknown stays so", () => {
    const restored = customerSnapshot.read(throughJson(busy));
    for (const command of [
      reserve(1),
      reserve(2),
      reserve(4),
      reserve(7),
      release(1),
      release(2),
      release(4),
      bar(2),
      bar(4),
    ]) {
      expect(customerDecider.decide(restored, command)).toStrictEqual(customerDecider.decide(busy, command));
    }
  });

  it("holds 10,000 orders", () => {
    const numbers = Array.from({ length: 10_000 }, (_, index) => index);
    const customer = after(register, ...numbers.map(reserve), ...numbers.slice(5_000).map(release));
    const restored = customerSnapshot.read(throughJson(customer));
    expect(contents(restored)).toStrictEqual(contents(customer));
    expect(restored).toMatchObject({ reserved: usd((4_999 * 5_000) / 2) });
  });

  const good = {
    status: "active",
    customerId: "VINET",
    name: "Vins",
    creditLimit: usd(10),
    reservations: [],
    released: "",
  };

  it.each([
    null,
    {},
    { ...good, status: "closed" },
    { ...good, reserved: usd(1) },
    { ...good, creditLimit: { amount: 1.5, currency: "USD" } },
    { ...good, reservations: [["1", -1]] },
    { ...good, reservations: { 1: 5 } },
    { ...good, released: ["5"] },
    { ...good, released: "5, 6" },
    { status: "unknown" },
    { status: "unknown", released: "", name: "Vins" },
  ])("that is damaged is refused: %j", (json) => {
    expect(() => customerSnapshot.read(good)).not.toThrow();
    expect(() => customerSnapshot.read(json)).toThrow();
  });

  it("that contradicts itself is refused", () => {
    const twice = new CustomerSnapshotError(
      "an order is reserved for twice, or reserved for and released: fold the stream instead",
    );
    expect(twice.code).toBe("CUSTOMER_SNAPSHOT_DAMAGED");
    const read = (change: object) => () => customerSnapshot.read({ ...good, ...change });
    expect(read({ reservations: [["1", 5]], released: "2\n1" })).toThrow(twice);
    expect(
      read({
        reservations: [
          ["1", 1],
          ["1", 1],
        ],
      }),
    ).toThrow(twice);
    expect(
      read({
        reservations: [
          ["1", 5],
          ["2", 6],
        ],
      }),
    ).toThrow(new CustomerSnapshotError("more is reserved than the credit limit: fold the stream instead"));
    expect(
      read({
        reservations: [
          ["1", 5],
          ["2", 5],
        ],
      }),
    ).not.toThrow();
  });
});
