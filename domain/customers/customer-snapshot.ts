/**
 * A customer as JSON. Reservations are written as pairs of order and amount, in the currency of the limit. Their sum is not
 * written but added up again; so a snapshot cannot say that more is reserved than its reservations come to.
 */
import { Map } from "immutable";
import { z } from "zod";
import type { OrderId } from "../kernel/ids.ts";
import { addMoney, isMore, type Money, zeroMoney } from "../kernel/money.ts";
import { customerIdSchema, moneySchema, orderIdSchema } from "../kernel/schemas.ts";
import type { StateSnapshot } from "../kernel/state-snapshot.ts";
import type { Customer, RegisteredCustomer } from "./customer.ts";
import { ReleasedOrders } from "./released-orders.ts";

/** Packed ids. To check each of them would take longer than all the rest of a load, and a checksum guards them already. */
const releasedSchema = z.string().regex(/^[A-Za-z0-9._~\n-]*$/);

const writtenCustomerSchema = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("unknown"), released: releasedSchema }),
  z.strictObject({
    status: z.enum(["active", "suspended"]),
    customerId: customerIdSchema,
    name: z.string(),
    contact: z.string().optional(),
    creditLimit: moneySchema,
    reservations: z.array(z.tuple([orderIdSchema, z.int().min(0)])),
    released: releasedSchema,
  }),
]);

type WrittenCustomer = Exclude<z.output<typeof writtenCustomerSchema>, { status: "unknown" }>;

export class CustomerSnapshotError extends Error {
  readonly code = "CUSTOMER_SNAPSHOT_DAMAGED";
  override readonly name = "CustomerSnapshotError";
}

export const customerSnapshot: StateSnapshot<Customer> = {
  write: (customer) =>
    customer.status === "unknown" ? { status: customer.status, released: customer.released.pack() } : written(customer),

  read(json) {
    const customer = writtenCustomerSchema.parse(json);
    if (customer.status !== "unknown") return restored(customer);
    return { status: customer.status, released: ReleasedOrders.unpack(customer.released) };
  },
};

function written(customer: RegisteredCustomer): WrittenCustomer {
  const { status, customerId, name, contact, creditLimit } = customer;
  const told = contact === undefined ? {} : { contact };
  const reservations = [...customer.reservations.map(({ amount }) => amount)];
  return { status, customerId, name, ...told, creditLimit, reservations, released: customer.released.pack() };
}

function restored({ contact, ...written }: WrittenCustomer): RegisteredCustomer {
  const { currency } = written.creditLimit;
  const reservations = Map<OrderId, Money>(written.reservations.map(([id, amount]) => [id, { amount, currency }]));
  const released = ReleasedOrders.unpack(written.released);
  const isBoth = reservations.keySeq().some((id) => released.has(id));
  if (reservations.size !== written.reservations.length || isBoth) {
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
