/** Ids that only billing gives out. They follow the kernel's rule for ids. */
import { idSchema } from "../kernel/schemas.ts";

export type InvoiceId = string & { readonly brand: "InvoiceId" };
export type PaymentId = string & { readonly brand: "PaymentId" };
export type CreditNoteId = string & { readonly brand: "CreditNoteId" };

// The brand marks a string that has passed the pattern; the transforms are the only places that hand it out.
export const invoiceIdSchema = idSchema.transform((value) => value as InvoiceId);
export const paymentIdSchema = idSchema.transform((value) => value as PaymentId);
export const creditNoteIdSchema = idSchema.transform((value) => value as CreditNoteId);
