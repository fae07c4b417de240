/** What the views say of the imported sales, added up. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Northwind } from "./northwind/northwind.ts";
import type { PatientApi } from "./patient-api.ts";

/** Amounts in cents. */
export interface SaleTotals {
  readonly customers: number;
  readonly orders: number;
  readonly lines: number;
  /** Orders by state. */
  readonly byState: Readonly<Record<string, number>>;
  /** Of orders that are neither cancelled nor rejected. */
  readonly revenue: number;
  /** Invoiced beside the goods. */
  readonly freight: number;
  /** Of the invoices, what is not paid. */
  readonly receivables: number;
  readonly creditReserved: number;
}

const moneySchema = z.object({ amount: z.int() });
const orderSchema = z.object({ status: z.string(), total: moneySchema, lines: z.array(z.unknown()) });
const invoiceSchema = z.object({ freight: moneySchema, open: moneySchema });
const customerSchema = z.object({ reserved: moneySchema });

const inFlight = 8;
const mostLooks = 20;
const betweenLooksMs = 250;

export async function saleTotals(
  api: PatientApi,
  { customers, sales }: Northwind,
  signal: AbortSignal,
): Promise<SaleTotals> {
  const read = <Content>(path: string, schema: z.ZodType<Content>, until: (content: Content) => boolean) =>
    api.get({ what: path.slice(1), path, schema, until }, signal);
  // The process had ended before: ordering's own view may be a moment later.
  const expected = (isShipped: boolean): readonly string[] =>
    isShipped ? ["completed", "cancelled", "rejected"] : ["confirmed", "cancelled", "rejected"];
  const orders = await all(sales, ({ order, shipment }) =>
    read(`/orders/${order.orderId}`, orderSchema, ({ status }) => expected(shipment !== undefined).includes(status)),
  );
  const invoices = await all(
    sales.filter(({ shipment }) => shipment !== undefined),
    ({ order }) => read(`/invoices/${order.orderId}`, invoiceSchema, ({ open }) => open.amount === 0),
  );
  const reserved = async (): Promise<number> => {
    const accounts = await all(customers, ({ customerId }) =>
      read(`/customers/${customerId}`, customerSchema, () => true),
    );
    return sumOf(accounts.map((account) => account.reserved));
  };
  const open = sumOf(orders.filter(({ status }) => status === "confirmed").map(({ total }) => total));
  let creditReserved = await reserved();
  // More may be reserved for orders of others; that the last releases are not in the view yet lasts a moment only.
  for (let looks = 1; looks < mostLooks && creditReserved !== open; looks += 1) {
    await sleep(betweenLooksMs, undefined, { signal });
    creditReserved = await reserved();
  }
  const standing = orders.filter(({ status }) => status !== "cancelled" && status !== "rejected");
  return {
    customers: customers.length,
    orders: orders.length,
    lines: orders.reduce((sum, { lines }) => sum + lines.length, 0),
    byState: Object.fromEntries(
      [...Map.groupBy(orders, ({ status }) => status)].map(([status, { length }]) => [status, length]),
    ),
    revenue: sumOf(standing.map(({ total }) => total)),
    freight: sumOf(invoices.map(({ freight }) => freight)),
    receivables: sumOf(invoices.map(({ open }) => open)),
    creditReserved,
  };
}

function sumOf(sums: readonly { readonly amount: number }[]): number {
  return sums.reduce((sum, { amount }) => sum + amount, 0);
}

/** The answers in the order of `things`. */
async function all<Thing, Answer>(
  things: readonly Thing[],
  ask: (thing: Thing) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const answers = new Map<number, Answer>();
  const queue = things.entries();
  const lane = async (): Promise<void> => {
    for (const [index, thing] of queue) answers.set(index, await ask(thing));
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return [...answers].sort(([left], [right]) => left - right).map(([, answer]) => answer);
}
