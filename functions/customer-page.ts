/**
 * A customer's orders or invoices, newest first, page by page: what the queries of both have in common. `cursor` is in the
 * answer as long as there may be more.
 */
import * as z from "zod";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import { type HttpResponse, json } from "../engine/http/http-function.ts";
import type { Projection } from "../engine/views/projection.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { views } from "./dynamodb-connection.ts";

export const customerPageSchema = z.strictObject({
  customerId: customerIdSchema,
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/, "must be a whole number from 1 to 100")
    .default("20")
    .transform(Number),
  cursor: z.string().min(1).max(2_000).exactOptional(),
});

/** Reads the index `by-customer`, which the view has to have. Throws ViewsUnavailableError and CursorError. */
export async function customerPage(
  { name }: Projection,
  { customerId, ...page }: z.output<typeof customerPageSchema>,
  representation: (row: Row) => unknown,
): Promise<HttpResponse> {
  const { rows, cursor } = await views().reader.query(name, {
    partition: customerId,
    index: { name: "by-customer", partition: "customerId" },
    descending: true,
    ...page,
  });
  return json(200, { items: rows.map(representation), ...(cursor === undefined ? {} : { cursor }) });
}
