/**
 * A customer as JSON. Reservations are written as pairs of order and amount, in the currency of the limit. Their sum is not
 * written but added up again; so a snapshot cannot say that more is reserved than its reservations come to.
 */
import { Map, Set } from "immutable";
import { z } from "zod";
import type { OrderId } from "../kernel/ids.ts";
import { addMoney, isMore, type Money, zeroMoney } from "../kernel/money.ts";
import { customerIdSchema, moneySchema, orderIdSchema } from "../kernel/schemas.ts";
import type { StateSnapshot } from "../kernel/state-snapshot.ts";
import type { Customer, RegisteredCustomer } from "./customer.ts";

const writtenCustomerSchema = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("unknown") }),
  z.strictObject({
    status: z.enum(["active", "suspended"]),
    customerId: customerIdSchema,
    name: z.string(),
    contact: z.string().optional(),
    creditLimit: moneySchema,
    reservations: z.array(z.tuple([orderIdSchema, z.int().min(0)])),
    released: z.array(orderIdSchema),
  }),
]);

type WrittenCustomer = Exclude<z.output<typeof writtenCustomerSchema>, { status: "unknown" }>;

export class CustomerSnapshotError extends Error {
  readonly code = "CUSTOMER_SNAPSHOT_DAMAGED";
  override readonly name = "CustomerSnapshotError";
}

export const customerSnapshot: StateSnapshot<Customer> = {
  write: (customer) => (customer.status === "unknown" ? customer : written(customer)),

  read(json) {
    const customer = writtenCustomerSchema.parse(json);
    return customer.status === "unknown" ? customer : restored(customer);
  },
};

function written(customer: RegisteredCustomer): WrittenCustomer {
  const { status, customerId, name, contact, creditLimit } = customer;
  const told = contact === undefined ? {} : { contact };
  const reservations = [...customer.reservations.map(({ amount }) => amount)];
  return { status, customerId, name, ...told, creditLimit, reservations, released: [...customer.released] };
}

function restored({ contact, ...written }: WrittenCustomer): RegisteredCustomer {
  const { currency } = written.creditLimit;
  const reservations = Map<OrderId, Money>(written.reservations.map(([id, amount]) => [id, { amount, currency }]));
  const released = Set(written.released);
  if (reservations.size !== written.reservations.length || released.some((id) => reservations.has(id))) {
    throw new CustomerSnapshotError(
      "an order is reserved for twice, or reserved for and released: fold the stream instead",
    );
  }
  const reserved = reservations.reduce(addMoney, zeroMoney(currency));
  if (isMore(reserved, written.creditLimit)) {
    throw new CustomerSnapshotError("more is reserved than the credit limit: fold the stream instead");
  }
  return { ...written, ...(contact === undefined ? {} : { contact }), reserved, reservations, released };
}
