/** A customer's account as the API shows it, from a row of `customer-account`. */
import * as z from "zod";
import { moneySchema } from "../domain/kernel/schemas.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { sumsByCurrency } from "../projections/customer-account.ts";

/** A sum that a `number` does not hold exactly is a `bigint`. */
const sumSchema = z.int().or(z.bigint());

const sumsSchema = z.array(
  z
    .object({ currency: z.string(), openOrders: z.int(), openOrdersTotal: sumSchema, receivables: sumSchema })
    .transform(({ currency, openOrders, openOrdersTotal, receivables }) => ({
      currency,
      openOrders,
      openOrdersTotal: { amount: openOrdersTotal, currency },
      receivables: { amount: receivables, currency },
    })),
);

const customerSchema = z.object({
  customerId: z.string(),
  name: z.string(),
  status: z.enum(["active", "suspended"]),
  creditLimit: moneySchema,
  /** For orders under way; never more than the limit. */
  reserved: moneySchema,
});

export type AccountRepresentation = z.output<typeof customerSchema> & {
  /** By currency, those in which something is open. */
  readonly open: z.output<typeof sumsSchema>;
};

/** Undefined as long as only orders or invoices of the customer have arrived, and not who that is. */
export function accountRepresentation({ attributes }: Row): AccountRepresentation | undefined {
  if (attributes["customerId"] === undefined) return undefined;
  const sums = sumsByCurrency(attributes).filter(
    ({ openOrders, openOrdersTotal, receivables }) => openOrders !== 0 || openOrdersTotal !== 0 || receivables !== 0,
  );
  return { ...customerSchema.parse(attributes), open: sumsSchema.parse(sums) };
}
