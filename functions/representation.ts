/** What the representations of all views have in common: they are read from a row, and say its stream's revision. */
import * as z from "zod";
import type { Row } from "../engine/views/view-reader.ts";

/** A revision may be beyond what a JSON number holds exactly. */
export const representedRevision = z.bigint().transform((revision) => revision.toString());

/** A row as the schema shows it: what the row holds for the sake of an index or of a sum is left out. */
export function represented<Schema extends z.ZodType>(schema: Schema, { attributes, revision }: Row): z.output<Schema> {
  return schema.parse({ ...attributes, revision });
}
