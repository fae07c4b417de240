import { z } from "zod";
import { parsePosition } from "../../engine/event-store/position.ts";
import type { Item } from "./dynamodb-values.ts";

const text = z.object({ S: z.string() }).transform(({ S }) => S);
const position = text.transform(parsePosition).optional();

const generationSchema = z.object({
  M: z.object({
    id: text,
    table: text,
    role: text,
    blocked: text.optional(),
    verifiedTo: position,
    sealedTo: position,
  }),
});
const itemSchema = z.object({ generations: z.object({ L: z.array(generationSchema) }) });

export type CatalogGeneration = z.output<typeof generationSchema>["M"];

/** The catalog's table also holds how far replays have come. */
export const isCatalogItem = ({ sk }: Item): boolean => sk !== undefined && "S" in sk && sk.S === "catalog";

/** The generations that an item of the catalog tells of, read by none of the engine's code: that one is judged by it. */
export function generationsIn(item: Item | undefined): readonly CatalogGeneration[] {
  if (item === undefined) return [];
  return itemSchema.parse(item).generations.L.map(({ M }) => M);
}

const writtenRoles: ReadonlySet<string> = new Set(["joined", "soaking", "live"]);

export const isWritten = ({ role, blocked }: CatalogGeneration): boolean =>
  writtenRoles.has(role) && blocked === undefined;
