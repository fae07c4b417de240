/**
 * Golden events: what is stored in the event store stays there for ever, so for every version of every event type there is an
 * example that has to be read for ever. In the folder of its context, where no file is ever changed or deleted:
 *
 *     OrderCancelled.v1.json          an event as version 1 wrote it: { type, data, metadata: { schemaVersion } }
 *     OrderCancelled.v1.schema.json   the JSON schema of what version 1 took, recorded while it was the current version
 *     OrderCancelled.v1.as-v2.json    what the upcaster to version 2 makes of the example's data
 *
 * `node test/golden-events/add.ts` adds what is missing.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { EventType } from "../../engine/event-store/event-types.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";

/** Texts by path: `<context>/<file>`. */
export type GoldenFiles = ReadonlyMap<string, string>;

/** The current version of a type, or an older one, of a context. */
export interface GoldenVersion {
  readonly context: string;
  readonly type: string;
  readonly version: number;
}

const start = ({ context, type, version }: GoldenVersion): string => `${context}/${type}.v${version}`;

export const examplePath = (of: GoldenVersion): string => `${start(of)}.json`;
export const schemaPath = (of: GoldenVersion): string => `${start(of)}.schema.json`;
export const upcastPath = (of: GoldenVersion, to: number): string => `${start(of)}.as-v${to}.json`;

export const exampleSchema = z.strictObject({
  type: z.string(),
  data: z.unknown(),
  metadata: z.strictObject({ schemaVersion: z.int() }),
});

export type Example = z.output<typeof exampleSchema>;

/** All files in the folders of `directory`. */
export async function readGoldenFiles(directory: string): Promise<GoldenFiles> {
  const entries = await readdir(directory, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const files = new Map<string, string>();
  for (const folder of folders) {
    for (const file of await readdir(join(directory, folder))) {
      files.set(`${folder}/${file}`, await readFile(join(directory, folder, file), "utf8"));
    }
  }
  return files;
}

/** What a type takes now, as JSON schema; undefined when its schema is not one of zod. */
export function jsonSchemaOf({ schema }: EventType): unknown {
  if (!(schema instanceof z.ZodType)) return undefined;
  // Through JSON, as it is recorded: what JSON does not keep is no part of it.
  return JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: "input" })));
}

/** A JSON schema in which the order in which fields are required, and values listed, does not count. */
export function withoutOrder(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutOrder);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).map(([name, value]: [string, unknown]): [string, unknown] => {
    const isSet = (name === "required" || name === "enum") && Array.isArray(value);
    return [name, isSet ? value.toSorted() : withoutOrder(value)];
  });
  return Object.fromEntries(entries);
}

/** `data` of version `from` taken through the upcasters to version `to`. */
export function upcastTo({ upcasters = [] }: EventType, data: unknown, from: number, to: number): unknown {
  return upcasters.slice(from - 1, to - 1).reduce((before, upcast) => upcast(before), data);
}

/** An example as the event store would give it. */
export function asStored({ type, data, metadata }: Example): StoredEvent {
  return {
    id: "00000000-0000-4000-8000-000000000000",
    stream: "golden-event",
    revision: 0n,
    position: { commit: 0n, prepare: 0n },
    type,
    data,
    metadata,
    recordedAt: new Date(0),
  };
}

/** The versions from the first to `last`. */
export const versionsTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);
