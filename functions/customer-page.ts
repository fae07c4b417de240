/** A customer's orders or invoices, newest first, page by page: what the queries of both have in common. */
import type * as z from "zod";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import type { HttpResponse } from "../engine/http/http-function.ts";
import type { Projection } from "../engine/views/projection.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { pageSchema, rowPage } from "./row-page.ts";

export const customerPageSchema = pageSchema.extend({ customerId: customerIdSchema });

/** Reads the index `by-customer`, which the view has to have. Throws ViewsUnavailableError and CursorError. */
export function customerPage(
  { name }: Projection,
  { customerId, ...page }: z.output<typeof customerPageSchema>,
  representation: (row: Row) => unknown,
): Promise<HttpResponse> {
  const index = { name: "by-customer", partition: "customerId" };
  return rowPage(name, { partition: customerId, index, descending: true, ...page }, representation);
}
