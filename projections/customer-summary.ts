import { customersEventTypes } from "../domain/customers/events.ts";
import { defineOnePerStreamProjection } from "../engine/views/projection.ts";

/** All but `ReservationBarred`, which says nothing of a customer that a reader could see. */
const eventTypes = {
  CustomerRegistered: customersEventTypes.CustomerRegistered,
  CustomerDetailsChanged: customersEventTypes.CustomerDetailsChanged,
  CreditLimitSet: customersEventTypes.CreditLimitSet,
  CustomerSuspended: customersEventTypes.CustomerSuspended,
  CustomerReinstated: customersEventTypes.CustomerReinstated,
  CreditReserved: customersEventTypes.CreditReserved,
  CreditReleased: customersEventTypes.CreditReleased,
};

/** One row a customer: who they are, what they may owe us and what of it is reserved, and whether we deal with them. */
export const customerSummary = defineOnePerStreamProjection({
  name: "customer-summary",
  version: 1,
  category: "customer",
  eventTypes,
  rowOf: (customerId) => ({ partition: customerId, sort: "customer" }),
  on: {
    CustomerRegistered: ({ data: { customerId, name, creditLimit } }) => ({
      set: {
        customerId,
        name,
        creditLimit: { ...creditLimit },
        reserved: { amount: 0, currency: creditLimit.currency },
        status: "active",
      },
    }),
    // All details are replaced: a contact that is not given is gone.
    CustomerDetailsChanged: ({ data: { name, contact } }) =>
      contact === undefined ? { set: { name }, remove: ["contact"] } : { set: { name, contact } },
    CreditLimitSet: ({ data: { creditLimit } }) => ({ set: { creditLimit: { ...creditLimit } } }),
    CustomerSuspended: ({ data: { reason } }) => ({ set: { status: "suspended", suspensionReason: reason } }),
    CustomerReinstated: () => ({ set: { status: "active" }, remove: ["suspensionReason"] }),
    CreditReserved: ({ data: { reserved } }) => ({ set: { reserved: { ...reserved } } }),
    CreditReleased: ({ data: { reserved } }) => ({ set: { reserved: { ...reserved } } }),
  },
});
