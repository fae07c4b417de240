import { orderingEventTypes, type OrderedLine } from "../domain/ordering/events.ts";
import { defineSharedProjection, type RowKey, type SharedRowChange } from "../engine/views/projection.ts";

const { OrderPlaced } = orderingEventTypes;

/**
 * What was ordered of each product, by currency: gross, whatever became of the orders, because a rejection or a cancellation
 * does not say of which products it was. What stands is in `sales-by-month`, which has no products.
 *
 * An order changes a row for each of its products in one transaction; it has few enough lines for that.
 */
export const productSales = defineSharedProjection({
  name: "product-sales",
  version: 1,
  categories: ["order"],
  eventTypes: { OrderPlaced },
  on: {
    OrderPlaced: ({ data: { lines } }) => lines.map((line, index) => ordered(line, isFirstOfProduct(lines, index))),
  },
});

/** All products lie in one partition, which takes about a thousand changes a second on DynamoDB. */
export const productsPartition = "products";

/** Two lines of an order may be of one product: they are one order of it. */
function isFirstOfProduct(lines: readonly OrderedLine[], index: number): boolean {
  return lines.findIndex(({ productId }) => productId === lines[index]?.productId) === index;
}

function ordered({ productId, quantity, total }: OrderedLine, isFirst: boolean): SharedRowChange {
  return {
    key: productKey(productId, total.currency),
    add: { orderedQuantity: quantity, orderedRevenue: total.amount, ordersPlaced: isFirst ? 1 : 0 },
  };
}

/** No `#` is in an id. */
function productKey(productId: string, currency: string): RowKey {
  return { partition: productsPartition, sort: `${productId}#${currency}` };
}

/** What a row's sort key says. */
export function productAndCurrency(sort: string): { productId: string; currency: string } {
  const [productId = "", currency = ""] = sort.split("#");
  return { productId, currency };
}
