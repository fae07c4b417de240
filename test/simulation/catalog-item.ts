import { z } from "zod";
import type { Item } from "./dynamodb-values.ts";

const text = z.object({ S: z.string() }).transform(({ S }) => S);

const generationSchema = z.object({ M: z.object({ table: text, role: text, blocked: text.optional() }) });
const itemSchema = z.object({ generations: z.object({ L: z.array(generationSchema) }) });

export interface CatalogGeneration {
  readonly table: string;
  readonly role: string;
  readonly isBlocked: boolean;
}

/** The catalog's table also holds how far replays have come. */
export const isCatalogItem = ({ sk }: Item): boolean => sk !== undefined && "S" in sk && sk.S === "catalog";

/** The generations that an item of the catalog tells of, read by none of the engine's code: that one is judged by it. */
export function generationsIn(item: Item | undefined): readonly CatalogGeneration[] {
  if (item === undefined) return [];
  const { generations } = itemSchema.parse(item);
  return generations.L.map(({ M: { table, role, blocked } }) => ({ table, role, isBlocked: blocked !== undefined }));
}

const writtenRoles: ReadonlySet<string> = new Set(["joined", "soaking", "live"]);

export const isWritten = ({ role, isBlocked }: CatalogGeneration): boolean => writtenRoles.has(role) && !isBlocked;
