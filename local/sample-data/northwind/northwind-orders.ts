/** The Northwind orders as requests to place them. */
import { parse } from "csv-parse/sync";
import { readFile } from "node:fs/promises";
import { z } from "zod";

export interface OrderRequest {
  readonly orderId: string;
  readonly customerId: string;
  readonly orderedAt: string;
  readonly lines: readonly {
    readonly productId: string;
    readonly quantity: number;
    readonly unitPrice: { readonly amount: number; readonly currency: "USD" };
    readonly discountPercent: number;
  }[];
}

const orderSchema = z.object({ orderID: z.string(), customerID: z.string(), orderDate: z.string() });

/** A decimal of at most two places as a whole number of hundredths; no binary fraction comes in between. */
const hundredths = z
  .string()
  .regex(/^\d+(\.\d{1,2})?$/)
  .transform((text) => {
    const [whole = "0", fraction = ""] = text.split(".");
    return Number(whole) * 100 + Number(fraction.padEnd(2, "0"));
  });

const lineSchema = z.object({
  orderID: z.string(),
  productID: z.string(),
  unitPrice: hundredths,
  quantity: z.coerce.number().int(),
  discount: hundredths,
});

/** All 830, by business date. */
export async function northwindOrders(): Promise<OrderRequest[]> {
  const lines = Map.groupBy(z.array(lineSchema).parse(await rows("order-details.csv")), ({ orderID }) => orderID);
  return z
    .array(orderSchema)
    .parse(await rows("orders.csv"))
    .map(({ orderID, customerID, orderDate }) => ({
      orderId: `northwind-${orderID}`,
      customerId: customerID,
      orderedAt: `${orderDate.replace(" ", "T")}Z`,
      lines: (lines.get(orderID) ?? []).map(({ productID, quantity, unitPrice, discount }) => ({
        productId: productID,
        quantity,
        unitPrice: { amount: unitPrice, currency: "USD" as const },
        discountPercent: discount,
      })),
    }))
    .sort((left, right) => (left.orderedAt < right.orderedAt ? -1 : left.orderedAt > right.orderedAt ? 1 : 0));
}

async function rows(file: string): Promise<unknown> {
  const text = await readFile(new URL(file, import.meta.url), "utf8");
  // Commas in names and addresses are not quoted, so a line may have more fields than columns; what is read here stands
  // before them.
  const parsed: unknown = parse(text, { columns: true, relax_column_count_more: true, relax_quotes: true });
  return parsed;
}
