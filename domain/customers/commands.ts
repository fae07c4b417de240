/** What one can ask of a customer. The schemas are the edge: what passes them is a command the decider understands. */
import { z } from "zod";
import type { CustomerId, OrderId } from "../kernel/ids.ts";
import { amountSchema, currencySchema, customerIdSchema, orderIdSchema, reasonSchema } from "../kernel/schemas.ts";

const nameSchema = z.string().trim().min(1).max(200);

/** Ten million million units of 100 minor units each: what is reserved never passes it, so every sum stays exact. */
export const maximumCreditLimit = 1_000_000_000_000_000;

const creditLimitSchema = z.strictObject({
  amount: z.int().min(0).max(maximumCreditLimit),
  currency: currencySchema,
});

/** The body of a request to register a customer. */
export const registerCustomerSchema = z.strictObject({
  customerId: customerIdSchema.optional(),
  name: nameSchema,
  creditLimit: creditLimitSchema,
});

/** The body of a request to change a customer's details: all of them, so a contact left out is taken away. */
export const changeCustomerDetailsSchema = z.strictObject({
  name: nameSchema,
  /** Whom to ask for, and how to reach them. */
  contact: z.string().trim().min(1).max(200).optional(),
});

/** The body of a request to set a customer's credit limit. */
export const setCreditLimitSchema = z.strictObject({ creditLimit: creditLimitSchema });

/** The body of a request to suspend a customer. */
export const suspendCustomerSchema = z.strictObject({ reason: reasonSchema });

/** The body of a request to reinstate a customer: there is nothing to say. */
export const reinstateCustomerSchema = z.strictObject({});

/** The body of a request to reserve credit for an order. */
export const reserveCreditSchema = z.strictObject({ orderId: orderIdSchema, amount: amountSchema });

/** The body of a request to release what is reserved for an order. */
export const releaseCreditSchema = z.strictObject({ orderId: orderIdSchema });

export interface RegisterCustomer extends Omit<z.output<typeof registerCustomerSchema>, "customerId"> {
  readonly type: "RegisterCustomer";
  readonly customerId: CustomerId;
}

export interface ChangeCustomerDetails extends z.output<typeof changeCustomerDetailsSchema> {
  readonly type: "ChangeCustomerDetails";
}

export interface SetCreditLimit extends z.output<typeof setCreditLimitSchema> {
  readonly type: "SetCreditLimit";
}

export interface SuspendCustomer extends z.output<typeof suspendCustomerSchema> {
  readonly type: "SuspendCustomer";
}

export interface ReinstateCustomer {
  readonly type: "ReinstateCustomer";
}

export interface ReserveCredit extends z.output<typeof reserveCreditSchema> {
  readonly type: "ReserveCredit";
}

export interface ReleaseCredit extends z.output<typeof releaseCreditSchema> {
  readonly type: "ReleaseCredit";
}

/**
 * Releases what is reserved for an order, and lets nothing be reserved for it any more, also where the customer is not even
 * registered yet. Asked by whoever carries the order, who is done with it; people release credit of customers that there are.
 */
export interface BarReservation {
  readonly type: "BarReservation";
  readonly customerId: CustomerId;
  readonly orderId: OrderId;
}

export type CustomerCommand =
  | RegisterCustomer
  | ChangeCustomerDetails
  | SetCreditLimit
  | SuspendCustomer
  | ReinstateCustomer
  | ReserveCredit
  | ReleaseCredit
  | BarReservation;
