/**
 * The customer: who they are, how much they may owe us, and whether we deal with them at all.
 *
 * - A customer has a credit limit in one currency, the one it was registered with, for good: what is reserved could not be
 *   compared with a limit in another.
 * - Credit is reserved for an order at most once and released at most once. What is reserved never passes the limit: a limit
 *   reached exactly is kept, one minor unit more is refused, and no limit is set below what is reserved.
 * - A released reservation stays released. Requests may arrive late and twice; a late one must not hold credit that nobody
 *   would release again, so released orders are remembered for ever, those included for which nothing was reserved yet, and
 *   those of a customer who is registered only afterwards.
 * - A suspended customer reserves nothing more. What is reserved stays, can be released, and asking for it again is answered
 *   as before: a resend must not turn into a refusal.
 * - Asking for what is so already changes nothing.
 */
import { Map } from "immutable";
import type { Decider, Decision, Rejection } from "../kernel/decider.ts";
import type { CustomerId, OrderId } from "../kernel/ids.ts";
import { addMoney, isMore, type Money, moneyText, sameMoney, subtractMoney, zeroMoney } from "../kernel/money.ts";
import type {
  BarReservation,
  ChangeCustomerDetails,
  CustomerCommand,
  RegisterCustomer,
  ReleaseCredit,
  ReserveCredit,
  SetCreditLimit,
  SuspendCustomer,
} from "./commands.ts";
import type { CustomerEvent } from "./events.ts";
import { ReleasedOrders } from "./released-orders.ts";

export { customerSnapshot } from "./customer-snapshot.ts";

export interface RegisteredCustomer {
  readonly status: "active" | "suspended";
  readonly customerId: CustomerId;
  readonly name: string;
  readonly contact?: string;
  readonly creditLimit: Money;
  /** The sum of the reservations. */
  readonly reserved: Money;
  /** Persistent collections: a customer has thousands of orders, and copying all of them for each event would not do. */
  readonly reservations: Map<OrderId, Money>;
  readonly released: ReleasedOrders;
}

export interface UnknownCustomer {
  readonly status: "unknown";
  readonly released: ReleasedOrders;
}

export type Customer = UnknownCustomer | RegisteredCustomer;

export type CustomerRejection = Rejection<
  | "CUSTOMER_NOT_FOUND"
  | "CUSTOMER_ALREADY_REGISTERED"
  | "CUSTOMER_SUSPENDED"
  | "CREDIT_LIMIT_EXCEEDED"
  | "CREDIT_CURRENCY_MISMATCH"
  | "LIMIT_BELOW_RESERVED"
  | "RESERVATION_RELEASED"
  | "RESERVATION_DIFFERS"
>;

type CustomerDecision = Decision<CustomerEvent, CustomerRejection>;

export const customerDecider: Decider<Customer, CustomerCommand, CustomerEvent, CustomerRejection> = {
  initialState: { status: "unknown", released: ReleasedOrders.none },

  evolve(customer, event) {
    if (event.type === "CustomerRegistered") return registered(customer.released, event.data);
    if (event.type === "ReservationBarred") {
      return { ...customer, released: customer.released.add(event.data.orderId) };
    }
    return customer.status === "unknown" ? customer : changed(customer, event);
  },

  decide(customer, command) {
    if (command.type === "RegisterCustomer") return register(customer, command);
    if (command.type === "BarReservation") return bar(customer, command);
    if (customer.status === "unknown") {
      return { rejection: "CUSTOMER_NOT_FOUND", message: "there is no such customer: register it first" };
    }
    switch (command.type) {
      case "ChangeCustomerDetails":
        return changeDetails(customer, command);
      case "SetCreditLimit":
        return setCreditLimit(customer, command);
      case "SuspendCustomer":
        return suspend(customer, command);
      case "ReinstateCustomer":
        return reinstate(customer);
      case "ReserveCredit":
        return reserve(customer, command);
      case "ReleaseCredit":
        return release(customer, command);
    }
  },
};

type Registered = Extract<CustomerEvent, { type: "CustomerRegistered" }>;
type Details = Extract<CustomerEvent, { type: "CustomerDetailsChanged" }>["data"];

type Barred = Extract<CustomerEvent, { type: "ReservationBarred" }>;

function registered(
  released: ReleasedOrders,
  { customerId, name, creditLimit }: Registered["data"],
): RegisteredCustomer {
  const reserved = zeroMoney(creditLimit.currency);
  return { status: "active", customerId, name, creditLimit, reserved, reservations: Map(), released };
}

function changed(customer: RegisteredCustomer, event: Exclude<CustomerEvent, Registered | Barred>): RegisteredCustomer {
  switch (event.type) {
    case "CustomerDetailsChanged":
      return withDetails(customer, event.data);
    case "CreditLimitSet":
      return { ...customer, creditLimit: event.data.creditLimit };
    case "CustomerSuspended":
      return { ...customer, status: "suspended" };
    case "CustomerReinstated":
      return { ...customer, status: "active" };
    case "CreditReserved": {
      const { orderId, amount, reserved } = event.data;
      return { ...customer, reserved, reservations: customer.reservations.set(orderId, amount) };
    }
    case "CreditReleased": {
      const { orderId, reserved } = event.data;
      const reservations = customer.reservations.delete(orderId);
      return { ...customer, reserved, reservations, released: customer.released.add(orderId) };
    }
  }
}

/** All details are replaced: a contact that is not given is gone. */
function withDetails(customer: RegisteredCustomer, { name, contact }: Details): RegisteredCustomer {
  const { status, customerId, creditLimit, reserved, reservations, released } = customer;
  const told = contact === undefined ? {} : { contact };
  return { status, customerId, name, ...told, creditLimit, reserved, reservations, released };
}

function register(customer: Customer, { customerId, name, creditLimit }: RegisterCustomer): CustomerDecision {
  if (customer.status === "unknown") return [{ type: "CustomerRegistered", data: { customerId, name, creditLimit } }];
  const message = `customer ${customerId} is registered: change its details, or use another id`;
  return { rejection: "CUSTOMER_ALREADY_REGISTERED", message };
}

function changeDetails(customer: RegisteredCustomer, { name, contact }: ChangeCustomerDetails): CustomerDecision {
  if (name === customer.name && contact === customer.contact) return [];
  const { customerId } = customer;
  return [
    { type: "CustomerDetailsChanged", data: { customerId, name, ...(contact === undefined ? {} : { contact }) } },
  ];
}

function setCreditLimit(customer: RegisteredCustomer, { creditLimit }: SetCreditLimit): CustomerDecision {
  const { customerId, creditLimit: previousLimit, reserved } = customer;
  if (creditLimit.currency !== previousLimit.currency) return otherCurrency(customer, creditLimit);
  if (sameMoney(creditLimit, previousLimit)) return [];
  if (isMore(reserved, creditLimit)) {
    const message = `${moneyText(reserved)} are reserved: release some first, or set no lower limit than that`;
    return { rejection: "LIMIT_BELOW_RESERVED", message };
  }
  return [{ type: "CreditLimitSet", data: { customerId, creditLimit, previousLimit } }];
}

function suspend({ status, customerId }: RegisteredCustomer, { reason }: SuspendCustomer): CustomerDecision {
  return status === "suspended" ? [] : [{ type: "CustomerSuspended", data: { customerId, reason } }];
}

function reinstate({ status, customerId }: RegisteredCustomer): CustomerDecision {
  return status === "active" ? [] : [{ type: "CustomerReinstated", data: { customerId } }];
}

/** What is known of the order comes first, so that a resend is answered like the request it repeats. */
function reserve(customer: RegisteredCustomer, command: ReserveCredit): CustomerDecision {
  const { orderId, amount } = command;
  const held = customer.reservations.get(orderId);
  if (held !== undefined) return sameMoney(held, amount) ? [] : reservationDiffers(orderId, held);
  if (customer.released.has(orderId)) {
    const message = `the reservation for order ${orderId} was released and stays so: place another order`;
    return { rejection: "RESERVATION_RELEASED", message };
  }
  return reserveAnew(customer, command);
}

function reserveAnew(customer: RegisteredCustomer, { orderId, amount }: ReserveCredit): CustomerDecision {
  const { status, customerId, creditLimit, reserved } = customer;
  if (status === "suspended") {
    const message = `customer ${customerId} is suspended: reinstate it before it reserves credit`;
    return { rejection: "CUSTOMER_SUSPENDED", message };
  }
  if (amount.currency !== creditLimit.currency) return otherCurrency(customer, amount);
  // Compared with what is free and not the sum with the limit: the sum of an order and what is reserved may not be exact.
  const free = subtractMoney(creditLimit, reserved);
  if (isMore(amount, free)) {
    const message = `${moneyText(free)} of the credit limit are free, not ${moneyText(amount)}: release or raise it`;
    return { rejection: "CREDIT_LIMIT_EXCEEDED", message };
  }
  return [{ type: "CreditReserved", data: { customerId, orderId, amount, reserved: addMoney(reserved, amount) } }];
}

/** Also of what was never reserved: the request to reserve it may still be under way, and must find it released. */
function release(customer: RegisteredCustomer, { orderId }: ReleaseCredit): CustomerDecision {
  const { customerId, reserved, reservations, released } = customer;
  if (released.has(orderId)) return [];
  const amount = reservations.get(orderId) ?? zeroMoney(reserved.currency);
  return [{ type: "CreditReleased", data: { customerId, orderId, amount, reserved: subtractMoney(reserved, amount) } }];
}

/** A customer who is not registered has nothing to release, but may be registered before the late request comes. */
function bar(customer: Customer, { customerId, orderId }: BarReservation): CustomerDecision {
  if (customer.status !== "unknown") return release(customer, { type: "ReleaseCredit", orderId });
  if (customer.released.has(orderId)) return [];
  return [{ type: "ReservationBarred", data: { customerId, orderId } }];
}

function reservationDiffers(orderId: OrderId, held: Money): CustomerRejection {
  const message = `${moneyText(held)} are reserved for order ${orderId}: release them before another amount is asked for`;
  return { rejection: "RESERVATION_DIFFERS", message };
}

function otherCurrency({ creditLimit }: RegisteredCustomer, { currency }: Money): CustomerRejection {
  const message = `the customer's credit is in ${creditLimit.currency}, not ${currency}: convert the amount`;
  return { rejection: "CREDIT_CURRENCY_MISMATCH", message };
}
