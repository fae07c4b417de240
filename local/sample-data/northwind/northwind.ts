/** Northwind as requests to the API: who buys, what they order, and what left the house with whom. */
import { parse } from "csv-parse/sync";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { addMoney, discountedPrice, type Money } from "../../../domain/kernel/money.ts";

export interface SampleCustomer {
  readonly customerId: string;
  readonly name: string;
  readonly creditLimit: Money;
}

export interface SampleOrder {
  readonly orderId: string;
  readonly customerId: string;
  readonly orderedAt: string;
  readonly lines: readonly {
    readonly productId: string;
    readonly quantity: number;
    readonly unitPrice: Money;
    readonly discountPercent: number;
  }[];
}

export interface SampleShipment {
  readonly carrier: string;
  readonly freight: Money;
  readonly dispatchedAt: string;
}

/** An order with what became of it: one without a shipment has not left the house. */
export interface SampleSale {
  readonly order: SampleOrder;
  readonly total: Money;
  readonly shipment?: SampleShipment;
}

export interface Northwind {
  /** All 91, of whom 89 have ordered. */
  readonly customers: readonly SampleCustomer[];
  /** All 830, by business date. */
  readonly sales: readonly SampleSale[];
}

const currency = "USD";

/** A decimal of at most two places as a whole number of hundredths; no binary fraction comes in between. */
const hundredths = z
  .string()
  .regex(/^\d+(\.\d{1,2})?$/)
  .transform((text) => {
    const [whole = "0", fraction = ""] = text.split(".");
    return Number(whole) * 100 + Number(fraction.padEnd(2, "0"));
  });

/** Midnight without a zone: taken as UTC. */
const instant = z.string().transform((text) => `${text.replace(" ", "T")}Z`);

const orderSchema = z.object({
  orderID: z.string(),
  customerID: z.string(),
  orderDate: instant,
  shippedDate: z.union([z.literal("NULL").transform(() => undefined), instant]),
  shipVia: z.string(),
  freight: hundredths,
});

const lineSchema = z.object({
  orderID: z.string(),
  productID: z.string(),
  unitPrice: hundredths,
  quantity: z.coerce.number().int(),
  discount: hundredths,
});

const customerSchema = z.object({ customerID: z.string(), companyName: z.string() });
const shipperSchema = z.object({ shipperID: z.string(), companyName: z.string() });

export async function northwind(): Promise<Northwind> {
  const [orders, details, customers, shippers] = await Promise.all([
    rows("orders.csv", orderSchema),
    rows("order-details.csv", lineSchema),
    rows("customers.csv", customerSchema),
    rows("shippers.csv", shipperSchema),
  ]);
  const lines = Map.groupBy(details, ({ orderID }) => orderID);
  const carriers = new Map(shippers.map(({ shipperID, companyName }) => [shipperID, companyName]));
  const sales = orders
    .map((order) => saleOf(order, lines.get(order.orderID) ?? [], carriers.get(order.shipVia) ?? order.shipVia))
    .sort((left, right) => (left.order.orderedAt < right.order.orderedAt ? -1 : 1));
  return { customers: customers.map((customer) => customerOf(customer, sales)), sales };
}

function saleOf(
  { orderID, customerID, orderDate, shippedDate, freight }: z.output<typeof orderSchema>,
  details: readonly z.output<typeof lineSchema>[],
  carrier: string,
): SampleSale {
  const lines = details.map(({ productID, quantity, unitPrice, discount }) => ({
    productId: productID,
    quantity,
    unitPrice: { amount: unitPrice, currency },
    discountPercent: discount,
  }));
  const total = lines
    .map(({ unitPrice, quantity, discountPercent }) => discountedPrice(unitPrice, quantity, discountPercent))
    .reduce(addMoney, { amount: 0, currency });
  const order = { orderId: `northwind-${orderID}`, customerId: customerID, orderedAt: orderDate, lines };
  if (shippedDate === undefined) return { order, total };
  return { order, total, shipment: { carrier, freight: { amount: freight, currency }, dispatchedAt: shippedDate } };
}

const limitStep = 1_000_000;

/** Room for all orders of the customer at once, in full ten thousands, and for one that a visitor may have placed before. */
function customerOf(
  { customerID, companyName }: z.output<typeof customerSchema>,
  sales: readonly SampleSale[],
): SampleCustomer {
  const ordered = sales
    .filter(({ order }) => order.customerId === customerID)
    .reduce((sum, { total }) => sum + total.amount, 0);
  const amount = Math.ceil((ordered + limitStep / 2) / limitStep) * limitStep;
  return { customerId: customerID, name: companyName, creditLimit: { amount, currency } };
}

async function rows<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema>[]> {
  const text = await readFile(new URL(file, import.meta.url), "utf8");
  // Commas in names and addresses are not quoted, so a line may have more fields than columns; what is read here stands
  // before them.
  const parsed: unknown = parse(text, { columns: true, relax_column_count_more: true, relax_quotes: true });
  return z.array(schema).parse(parsed);
}
