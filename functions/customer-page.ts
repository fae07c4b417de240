/** A customer's orders or invoices by date, page by page: what the queries of both have in common. */
import type * as z from "zod";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import type { HttpResponse } from "../engine/http/http-function.ts";
import type { Projection } from "../engine/views/projection.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { datedPageSchema, rowPage } from "./row-page.ts";

export const customerPageSchema = datedPageSchema.extend({ customerId: customerIdSchema });

/** Reads the index `by-customer`, which the view has to have. Throws ViewsUnavailableError and CursorError. */
export function customerPage(
  { name }: Projection,
  { customerId, order, ...page }: z.output<typeof customerPageSchema>,
  representation: (row: Row) => unknown,
): Promise<HttpResponse> {
  const index = { name: "by-customer", partition: "customerId" };
  return rowPage(name, { partition: customerId, index, descending: order === "desc", ...page }, representation);
}
