/** How far an order has come on its way to cash, as the API shows it, from a row of `order-to-cash`. */
import * as z from "zod";
import type { Money } from "../domain/kernel/money.ts";
import { moneySchema } from "../domain/kernel/schemas.ts";
import { deadlineNames } from "../domain/order-to-cash/events.ts";
import { stepSchema } from "../domain/order-to-cash/requests.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { represented, representedRevision } from "./representation.ts";

const progressSchema = z.object({
  orderId: z.string(),
  customerId: z.string(),
  total: moneySchema,
  /** The last step that was accepted; `received` before the first. */
  progress: z.literal(["received", ...stepSchema.values]),
  carrier: z.string().exactOptional(),
  freight: moneySchema.exactOptional(),
  dispatchedAt: z.string().exactOptional(),
  deliveredAt: z.string().exactOptional(),
  /** Why the goods do not reach the customer. */
  failure: z.string().exactOptional(),
  ended: z.enum(["completed", "cancelled", "rejected"]).exactOptional(),
  revision: representedRevision,
});

const accountSchema = z.object({
  total: moneySchema,
  invoiced: moneySchema.exactOptional(),
  invoiceWithdrawn: z.literal(true).exactOptional(),
  paid: z.int().default(0),
  credited: z.int().default(0),
});

const workSchema = z
  .object({
    work: z.enum(["pending", "halted"]),
    step: stepSchema,
    workSince: z.string(),
    code: z.string().exactOptional(),
    reason: z.string().exactOptional(),
  })
  .transform(({ work: state, step, workSince: since, ...refusal }) => ({ state, step, since, ...refusal }));

const deadlineSchema = z
  .object({ deadline: z.enum(deadlineNames), clock: z.enum(["running", "passed"]), clockAt: z.string() })
  .transform(({ deadline: name, clock: state, clockAt: dueAt }) => ({ name, state, dueAt }));

const awaitedSchema = z.object({
  progress: stepSchema.or(z.literal("received")),
  dispatchedAt: z.string().exactOptional(),
  deliveredAt: z.string().exactOptional(),
});

/** What the process has heard of the invoice. Without one there is nothing `invoiced` or `open`. */
interface Account {
  readonly invoiced?: Money;
  /** Payments less refunds. */
  readonly paid: Money;
  readonly credited: Money;
  readonly open?: Money;
}

export type ProcessRepresentation = z.output<typeof progressSchema> &
  Account & {
    /** The request that has no outcome yet, or the one whose refusal halts the process. */
    readonly work?: z.output<typeof workSchema>;
    readonly deadline?: z.output<typeof deadlineSchema>;
    /** What people have to do before it goes on. */
    readonly awaits?: readonly Awaited[];
  };

type Awaited = "dispatch" | "delivery" | "payment";

/** Undefined as long as the process has only heard of what became of the order, and not of the order itself. */
export function processRepresentation(row: Row): ProcessRepresentation | undefined {
  const { attributes } = row;
  if (attributes["progress"] === undefined) return undefined;
  const account = accountOf(accountSchema.parse(attributes));
  const awaits = awaitedOf(attributes, account);
  return {
    ...represented(progressSchema, row),
    ...account,
    ...(attributes["work"] === undefined ? {} : { work: workSchema.parse(attributes) }),
    ...(attributes["clock"] === undefined ? {} : { deadline: deadlineSchema.parse(attributes) }),
    ...(awaits.length === 0 ? {} : { awaits }),
  };
}

function awaitedOf(attributes: Row["attributes"], { open }: Account): readonly Awaited[] {
  const { work, failure, ended } = attributes;
  const { progress, dispatchedAt, deliveredAt } = awaitedSchema.parse(attributes);
  const isShipped = progress === "schedule-shipment" || progress === "issue-invoice" || progress === "mark-overdue";
  if (!isShipped || work !== undefined || failure !== undefined || ended !== undefined) return [];
  if (dispatchedAt === undefined) return ["dispatch"];
  return [
    ...(deliveredAt === undefined ? ["delivery" as const] : []),
    ...(open?.amount === 0 ? [] : ["payment" as const]),
  ];
}

/** As in billing, what is invoiced is the sum of what is paid, credited and open, and of a withdrawn invoice all are nothing. */
function accountOf({ total, invoiced, invoiceWithdrawn, paid, credited }: z.output<typeof accountSchema>): Account {
  // An invoice that somebody issued by hand may be in another currency than the order; those who pay it pay in that.
  const { currency } = invoiced ?? total;
  const money = (amount: number): Money => ({ amount, currency });
  const known = { paid: money(paid), credited: money(credited) };
  if (invoiceWithdrawn === true) return { invoiced: money(0), ...known, open: money(0) };
  if (invoiced === undefined) return known;
  return { invoiced, ...known, open: money(invoiced.amount - paid - credited) };
}
