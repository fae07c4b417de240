/** An invoice as JSON: its state is JSON as it is. What does not add up was not written by this code and is refused. */
import { z } from "zod";
import { addMoney, sameMoney } from "../kernel/money.ts";
import { moneySchema } from "../kernel/schemas.ts";
import type { StateSnapshot } from "../kernel/state-snapshot.ts";
import { invoiceIssuedSchema } from "./events.ts";
import { creditNoteIdSchema, paymentIdSchema } from "./ids.ts";
import type { Invoice } from "./invoice-state.ts";

const standingInvoiceSchema = z
  .strictObject({
    status: z.enum(["open", "overdue", "settled", "void"]),
    issued: invoiceIssuedSchema,
    total: moneySchema,
    paid: moneySchema,
    open: moneySchema,
    credited: moneySchema,
    payments: z.array(z.strictObject({ id: paymentIdSchema, amount: moneySchema })),
    creditNotes: z.array(z.strictObject({ id: creditNoteIdSchema, amount: moneySchema })),
  })
  .refine(({ total, paid, open, credited }) => sameMoney(total, addMoney(addMoney(paid, open), credited)), {
    error: "paid, open and credited do not add up to the total",
  });

const invoiceSchema = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("unknown") }),
  standingInvoiceSchema,
]);

export const invoiceSnapshot: StateSnapshot<Invoice> = {
  write: (invoice) => invoice,
  read: (json) => invoiceSchema.parse(json),
};
