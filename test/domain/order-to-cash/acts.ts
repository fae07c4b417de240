/** What people do in the scenarios, each thing once and whenever its context lets them. */
import { paymentIdSchema, creditNoteIdSchema } from "../../../domain/billing/ids.ts";
import type { Customer } from "../../../domain/customers/customer.ts";
import { customerDecider } from "../../../domain/customers/customer.ts";
import type { CustomerEvent } from "../../../domain/customers/events.ts";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../../../domain/kernel/schemas.ts";
import type { ContextCommand } from "../../../domain/order-to-cash/translations/context-commands.ts";
import { type Act, caseOf, newCase, type World } from "./world.ts";

export const customerId = customerIdSchema.parse("VINET");
export const [first, second] = [orderIdSchema.parse("1"), orderIdSchema.parse("2")] as const;

const usd = (amount: number) => ({ amount, currency: "USD" });
const long = "1996-07-04T00:00:00.000Z";
export const goods = 1000;
export const freight = 50;

/** A customer who can afford so many orders of {@link goods}; without a number, nobody is registered. */
export function worldOf(
  orderIds: readonly (typeof first)[],
  affordable?: number,
  { failures = 0, retries = 0 } = {},
): World {
  const registered: CustomerEvent[] =
    affordable === undefined
      ? []
      : [{ type: "CustomerRegistered", data: { customerId, name: "Vins", creditLimit: usd(affordable * goods) } }];
  const customer = registered.reduce<Customer>(
    (state, event) => customerDecider.evolve(state, event),
    customerDecider.initialState,
  );
  return { customer, cases: orderIds.map(newCase), acted: [], failures, retries };
}

const always =
  (command: ContextCommand): Act["asks"] =>
  () =>
    command;

const ofCustomer = (name: string, command: Extract<ContextCommand, { to: "customers" }>["command"]): Act => ({
  name,
  asks: always({ to: "customers", id: customerId, command }),
});

/** What can be done about one order. */
export function actsOn(orderId: typeof first) {
  const ordering = (name: string, command: Extract<ContextCommand, { to: "ordering" }>["command"]): Act => ({
    name: `${name} ${orderId}`,
    asks: always({ to: "ordering", id: orderId, command }),
  });
  const logistics = (name: string, command: Extract<ContextCommand, { to: "logistics" }>["command"]): Act => ({
    name: `${name} ${orderId}`,
    asks: always({ to: "logistics", id: orderId, command }),
  });
  const billing = (name: string, command: Extract<ContextCommand, { to: "billing" }>["command"]): Act => ({
    name: `${name} ${orderId}`,
    asks: always({ to: "billing", id: orderId, command }),
  });
  const pay = (id: string, amount: number) =>
    billing(`the customer pays ${amount} for`, {
      type: "RecordPayment",
      paymentId: paymentIdSchema.parse(id),
      amount: usd(amount),
      receivedAt: long,
    });
  const reason = "by hand";
  return {
    place: ordering("the customer places", {
      type: "PlaceOrder",
      orderId,
      customerId,
      orderedAt: long,
      lines: [{ productId: productIdSchema.parse("11"), quantity: 1, unitPrice: usd(goods), discountPercent: 0 }],
    }),
    cancel: ordering("the customer cancels", { type: "CancelOrder" }),
    confirmByHand: ordering("sales confirms", { type: "ConfirmOrder" }),
    completeByHand: ordering("sales completes", { type: "CompleteOrder" }),
    rejectByHand: ordering("sales rejects", { type: "RejectOrder", reason }),
    dispatch: logistics("the warehouse dispatches", {
      type: "DispatchShipment",
      carrier: "Speedy",
      freight: usd(freight),
      dispatchedAt: long,
    }),
    deliver: logistics("the carrier delivers", { type: "DeliverShipment", deliveredAt: long }),
    lose: logistics("the carrier loses", { type: "ReportShipmentLost", reason }),
    callOff: logistics("logistics calls off", { type: "CancelShipment", reason }),
    payAll: pay("all", goods + freight),
    payPart: pay("part", 300),
    payRest: {
      name: `the customer pays the rest of ${orderId}`,
      asks: (world: World): ContextCommand | undefined => {
        const { invoice } = caseOf(world, orderId);
        if (!("open" in invoice) || invoice.open.amount === 0) return undefined;
        const paymentId = paymentIdSchema.parse("rest");
        const command = { type: "RecordPayment", paymentId, amount: invoice.open, receivedAt: long } as const;
        return { to: "billing", id: orderId, command };
      },
    },
    withdrawInvoice: billing("bookkeeping voids the invoice of", { type: "VoidInvoice", reason }),
    creditPart: billing("bookkeeping credits 200 of", {
      type: "IssueCreditNote",
      creditNoteId: creditNoteIdSchema.parse("part"),
      amount: usd(200),
      reason,
    }),
    creditRest: billing("bookkeeping credits all that is left of", {
      type: "IssueCreditNote",
      creditNoteId: creditNoteIdSchema.parse("rest"),
      reason,
    }),
  };
}

export const customerActs = {
  register: ofCustomer("the customer is registered", {
    type: "RegisterCustomer",
    customerId,
    name: "Vins",
    creditLimit: usd(goods),
  }),
  suspend: ofCustomer("the customer is suspended", { type: "SuspendCustomer", reason: "by hand" }),
  reinstate: ofCustomer("the customer is reinstated", { type: "ReinstateCustomer" }),
  raiseLimit: ofCustomer("the limit is raised", { type: "SetCreditLimit", creditLimit: usd(2 * goods) }),
};
