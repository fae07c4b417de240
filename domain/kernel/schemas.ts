/** Shapes that every context's commands and events share, checked at the edge and again on every read of an event. */
import { z } from "zod";
import { isCurrency } from "./currency.ts";
import { type CustomerId, idPattern, idRule, type OrderId, type ProductId } from "./ids.ts";

/** An id before a context says whose: it brands what passes as its own. */
export const idSchema = z.string().regex(idPattern, `must be ${idRule}`);

// The brand marks a string that has passed the pattern; the transforms are the only places that hand it out.
export const orderIdSchema = idSchema.transform((value) => value as OrderId);
export const customerIdSchema = idSchema.transform((value) => value as CustomerId);
export const productIdSchema = idSchema.transform((value) => value as ProductId);

export const currencySchema = z
  .string()
  .refine(isCurrency, "must be an ISO 4217 currency code in upper case, for example USD");

/** An amount of up to ten million units (of 100 minor units each): with {@link maximumQuantity} every sum stays exact. */
export const priceSchema = z.strictObject({
  amount: z.int().min(0).max(1_000_000_000),
  currency: currencySchema,
});

/** An amount of up to what the largest order comes to: a price can be added to it and the sum is still exact. */
export const amountSchema = z.strictObject({
  amount: z.int().min(0).max(9_000_000_000_000_000),
  currency: currencySchema,
});

export const moneySchema = z.strictObject({ amount: z.int(), currency: currencySchema });

export const maximumQuantity = 100_000;

/** Pieces of one product, at least one. */
export const quantitySchema = z.int().min(1).max(maximumQuantity);

/** What a person gives as the reason of a decision. */
export const reasonSchema = z.string().trim().min(1).max(500);

/**
 * An instant: ISO 8601 with a zone, any precision; kept in UTC with milliseconds. In UTC too it has a year of four digits:
 * what one schema has let through must pass it again when the event is read.
 */
export const instantSchema = z.iso
  .datetime({ offset: true, error: "must be an ISO 8601 instant with a zone, for example 1996-07-04T00:00:00Z" })
  .transform((text) => new Date(text).toISOString())
  .refine((instant) => /^\d/.test(instant), "must lie in the years 0000 to 9999 of UTC");

/** An instant that others are counted from, as the due date is from the dispatch: they must have a year of four digits too. */
export const countedFromSchema = instantSchema.refine((instant) => instant < "9999", "must lie before the year 9999");
