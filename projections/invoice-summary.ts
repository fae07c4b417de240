import { billingEventTypes } from "../domain/billing/events.ts";
import { type Money, zeroMoney } from "../domain/kernel/money.ts";
import { defineOnePerStreamProjection, type RowAttributes } from "../engine/views/projection.ts";

/**
 * One row an invoice: what it claims, what of that is paid, credited and open. Listed by customer, newest first.
 *
 * `total` is the sum of `paid` (payments less refunds), `credited` and the amount that is `open`; of a void invoice all are
 * nothing, as in billing. `paid` and `credited` are bare amounts in the currency of `total`, because a row can add to no other.
 */
export const invoiceSummary = defineOnePerStreamProjection({
  name: "invoice-summary",
  version: 1,
  category: "invoice",
  eventTypes: billingEventTypes,
  rowOf: (invoiceId) => ({ partition: invoiceId, sort: "invoice" }),
  indexes: [{ name: "by-customer", partition: "customerId", sort: "placement" }],
  on: {
    InvoiceIssued: ({ data: { invoiceId, orderId, customerId, goods, freight, total, issuedAt, dueAt } }) => ({
      set: {
        invoiceId,
        orderId,
        customerId,
        goods: { ...goods },
        freight: { ...freight },
        total: { ...total },
        paid: 0,
        credited: 0,
        status: "open",
        issuedAt,
        dueAt,
        // Two invoices of one customer may bear the same date; the id makes the place in the list unique.
        placement: `${issuedAt}#${invoiceId}`,
        ...openAfter(total),
      },
    }),
    PaymentRecorded: ({ data: { amount, open } }) => ({ set: openAfter(open), add: { paid: amount.amount } }),
    InvoiceOverdue: () => ({ set: { status: "overdue" } }),
    InvoiceVoided: ({ data: { total, reason } }) => {
      const nothing = zeroMoney(total.currency);
      return { set: { status: "void", total: { ...nothing }, open: { ...nothing }, voidReason: reason } };
    },
    CreditNoteIssued: ({ data: { amount, refund, open } }) => ({
      set: openAfter(open),
      add: { credited: amount.amount, paid: 0 - refund.amount },
    }),
  },
});

/** With nothing open it is settled; as long as something is, it stays what it was, open or overdue. */
function openAfter(open: Money): RowAttributes {
  return { open: { ...open }, ...(open.amount === 0 ? { status: "settled" } : {}) };
}
