/**
 * How far each order has come on its way to cash, what its process waits for, and why it does not go on. Two lists of it are
 * what operations look at: processes with something to be done, and clocks that run or have run out. Each lies in a partition
 * of its own, which takes about a thousand changes a second on DynamoDB.
 */
import { orderToCashEventTypes } from "../domain/order-to-cash/events.ts";
import { defineOnePerStreamProjection } from "../engine/views/projection.ts";

/** A process that is about to send a request is `pending` until it has the answer; a refused one is `halted` until a retry. */
export const workList = { name: "by-work", partition: "work", sort: "workSince" } as const;

/** Deadlines are `running` until they are met or `passed`; the list is in the order in which they are due. */
export const clockList = { name: "by-clock", partition: "clock", sort: "clockAt" } as const;

/** All that the row says of work: the reason of a halt must not outlive it. */
const workAttributes = ["work", "workSince", "step", "code", "reason"];

export const orderToCash = defineOnePerStreamProjection({
  name: "order-to-cash",
  version: 1,
  category: "orderToCash",
  eventTypes: orderToCashEventTypes,
  rowOf: (orderId) => ({ partition: orderId, sort: "process" }),
  indexes: [workList, clockList],
  on: {
    OrderReceived: ({ data: { orderId, customerId, total } }) => ({
      set: { orderId, customerId, total: { ...total }, progress: "received" },
    }),
    // What follows from these two is told by the steps that the process takes.
    OrderWithdrawn: ({ data: { orderId } }) => ({ set: { orderId } }),
    DispatchPlanned: ({ data: { orderId } }) => ({ set: { orderId } }),
    GoodsDispatched: ({ data: { orderId, carrier, freight, dispatchedAt } }) => ({
      set: { orderId, carrier, freight: { ...freight }, dispatchedAt },
    }),
    GoodsDelivered: ({ data: { orderId, deliveredAt } }) => ({ set: { orderId, deliveredAt } }),
    GoodsLost: ({ data: { orderId, reason } }) => ({ set: { orderId, failure: `lost: ${reason}` } }),
    DispatchCalledOff: ({ data: { orderId, reason } }) => ({ set: { orderId, failure: `called off: ${reason}` } }),
    InvoiceSent: ({ data: { orderId, total } }) => ({ set: { orderId, invoiced: { ...total } } }),
    // Sums, because payments may be heard of before the invoice, and in any order.
    PaymentReceived: ({ data: { orderId, amount } }) => ({ set: { orderId }, add: { paid: amount.amount } }),
    InvoiceCredited: ({ data: { orderId, amount, refund } }) => ({
      set: { orderId },
      add: { credited: amount.amount, paid: 0 - refund.amount },
    }),
    InvoiceWithdrawn: ({ data: { orderId } }) => ({ set: { orderId, invoiceWithdrawn: true } }),
    CommandIntended: ({ data: { orderId, request, at } }) => ({
      set: { orderId, work: "pending", workSince: at, step: request.step },
    }),
    CommandAccepted: ({ data: { orderId, step } }) => ({ set: { orderId, progress: step }, remove: workAttributes }),
    CommandRefused: ({ data: { orderId, step, code, message, halts, at } }) =>
      halts
        ? { set: { orderId, work: "halted", workSince: at, step, code, reason: message } }
        : { set: { orderId }, remove: workAttributes },
    ProcessRetried: ({ data: { orderId } }) => ({ set: { orderId }, remove: workAttributes }),
    DeadlineSet: ({ data: { orderId, name, dueAt } }) => ({
      set: { orderId, clock: "running", clockAt: dueAt, deadline: name },
    }),
    DeadlinePassed: ({ data: { orderId, dueAt, name } }) => ({
      set: { orderId, clock: "passed", clockAt: dueAt, deadline: name },
    }),
    DeadlineLifted: ({ data: { orderId } }) => ({ set: { orderId }, remove: ["clock", "clockAt", "deadline"] }),
    ProcessEnded: ({ data: { orderId, as } }) => ({ set: { orderId, ended: as } }),
  },
});
