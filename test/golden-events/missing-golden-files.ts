/** What has to be recorded and is not: found from the types and the examples that are there. */
import { type EventType, readEventData } from "../../engine/event-store/event-types.ts";
import { exactDifference } from "../../engine/testing/exact-difference.ts";
import type { ContextEvents } from "./contexts.ts";
import {
  asStored,
  examplePath,
  exampleSchema,
  type GoldenFiles,
  type GoldenVersion,
  jsonSchemaOf,
  schemaPath,
  upcastPath,
  upcastTo,
  versionsTo,
} from "./golden-files.ts";

/** An example that cannot be recorded: nothing is written. */
export class GoldenExampleError extends Error {
  readonly code = "GOLDEN_EXAMPLE";
  override readonly name = "GoldenExampleError";
}

/** The schemas of current versions and the upcast data of examples that are not there yet, by path. */
export function missingGoldenFiles(contexts: readonly ContextEvents[], files: GoldenFiles): Map<string, unknown> {
  const derived = contexts.flatMap(({ context, eventTypes }) =>
    Object.entries(eventTypes).flatMap(([type, definition]) => derivedFiles(context, type, definition, files)),
  );
  return new Map(derived.filter(([path, value]) => value !== undefined && !files.has(path)));
}

function derivedFiles(context: string, type: string, definition: EventType, files: GoldenFiles): [string, unknown][] {
  const current: GoldenVersion = { context, type, version: definition.version };
  const upcast = versionsTo(definition.version).flatMap((version): [string, unknown][] => {
    const of = { ...current, version };
    const text = files.get(examplePath(of));
    if (text === undefined) return [];
    const { data } = exampleSchema.parse(JSON.parse(text));
    const later = versionsTo(definition.version).slice(version);
    return later.map((to) => [upcastPath(of, to), upcastTo(definition, data, version, to)]);
  });
  return [[schemaPath(current), jsonSchemaOf(definition)], ...upcast];
}

/** The example of the current version of `type` with these data. Throws {@link GoldenExampleError}. */
export function newExample(
  contexts: readonly ContextEvents[],
  files: GoldenFiles,
  context: string,
  type: string,
  data: unknown,
): [path: string, example: unknown] {
  const types = contexts.find((each) => each.context === context)?.eventTypes;
  if (types === undefined) throw new GoldenExampleError(`no context ${context}: list it in contexts.ts`);
  const definition = Object.hasOwn(types, type) ? types[type] : undefined;
  if (definition === undefined) throw new GoldenExampleError(`no event type ${type} in ${context}`);
  const path = examplePath({ context, type, version: definition.version });
  if (files.has(path)) throw new GoldenExampleError(`${path} is there: an example is never changed`);
  const example = { type, data, metadata: { schemaVersion: definition.version } };
  const difference = exactDifference(readEventData(types, asStored(example)), data);
  if (difference !== undefined) {
    throw new GoldenExampleError(
      `the schema of ${type} writes these data otherwise: give them as written\n${difference}`,
    );
  }
  return [path, example];
}
