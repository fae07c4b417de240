/** What a check is asked for: by schedule or by hand, every view or one, all rows or some. */
import * as z from "zod";
import type { RowsAsked } from "../engine/consistency/generation-check.ts";
import { sampleSizes } from "../engine/consistency/row-sample.ts";
import { viewNames } from "../projections/registry.ts";

const scheduled = z.object({ source: z.literal("aws.events") }).transform(() => ({}));
const view = z.string().min(1);
const viewsSchema = z.union([scheduled, z.strictObject({ view: view.exactOptional() })]);

/** Of each view. */
const sample = z.int().min(sampleSizes.least).max(sampleSizes.most);
const seed = z.string().min(1).max(64);
const row = z.string().min(1);

const checkSchema = z.union([
  viewsSchema,
  z.strictObject({ view: view.exactOptional(), sample, seed: seed.exactOptional() }),
  z.strictObject({ view, row }),
]);
const repairSchema = z.union([
  z.strictObject({ view, row: row.exactOptional() }),
  z.strictObject({ view, sample, seed }),
]);

export class CheckEventError extends Error {
  readonly code = "CHECK_EVENT_INVALID";
  override readonly name = "CheckEventError";
}

/** Throws {@link CheckEventError}. */
export function viewsToCheck(event: unknown): readonly string[] {
  const asked = parsed(viewsSchema, event ?? {}, '{} or {"view": "<name>"}');
  return viewsOf(asked);
}

export interface CheckAsked {
  readonly views: readonly string[];
  /** Which rows of each view; all unless given. */
  readonly only?: RowsAsked;
}

/** Throws {@link CheckEventError}. `newSeed` is taken where a sample is asked for without one. */
export function checkAsked(event: unknown, newSeed: () => string): CheckAsked {
  const right = `{} or {"view": "<name>"}, or one of them with "sample": <rows from ${sampleSizes.least} to ${sampleSizes.most}> and perhaps "seed"; or {"view": "<name>", "row": "<key>"}`;
  const asked = parsed(checkSchema, event ?? {}, right);
  return { views: viewsOf(asked), ...rowsOf(asked, newSeed) };
}

/** Of one view, which has to be named: nothing is repaired by schedule. Throws {@link CheckEventError}. */
export function repairAsked(event: unknown): { readonly view: string; readonly only?: RowsAsked } {
  const right = '{"view": "<name>"}, perhaps with "row": "<key>", or with the "sample" and "seed" of a check';
  const asked = parsed(repairSchema, event, right);
  return { view: asked.view, ...rowsOf(asked, () => "") };
}

interface Asked {
  readonly view?: string;
  readonly sample?: number;
  readonly seed?: string;
  readonly row?: string;
}

function parsed<Schema extends z.ZodType>(schema: Schema, event: unknown, right: string): z.output<Schema> {
  const result = schema.safeParse(event);
  if (!result.success) throw new CheckEventError(`the event is not understood: send ${right}`, { cause: result.error });
  return result.data;
}

function viewsOf({ view }: Asked): readonly string[] {
  return view === undefined ? viewNames : [view];
}

function rowsOf({ sample, seed, row }: Asked, newSeed: () => string): { readonly only?: RowsAsked } {
  if (row !== undefined) return { only: { row } };
  return sample === undefined ? {} : { only: { sample, seed: seed ?? newSeed() } };
}
