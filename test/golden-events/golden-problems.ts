/** What is wrong with the golden events of some contexts. Each problem says what to do about it. */
import {
  checkEventTypes,
  type EventType,
  type EventTypes,
  readEventData,
} from "../../engine/event-store/event-types.ts";
import { exactDifference, indented } from "../../engine/testing/exact-difference.ts";
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
  withoutOrder,
} from "./golden-files.ts";

const add = "node test/golden-events/add.ts";
const takeBack = "it is kept for ever: take it back from the history of the repository";

/** Empty when every version of every event type is recorded and is read as recorded. */
export function goldenProblems(contexts: readonly ContextEvents[], files: GoldenFiles): string[] {
  const known = new Set(contexts.flatMap(knownPaths));
  const unknown = [...files.keys()].filter((path) => !known.has(path)).map(unknownFile);
  return [...unknown, ...contexts.flatMap((context) => contextProblems(context, files))];
}

function knownPaths({ context, eventTypes }: ContextEvents): string[] {
  return Object.entries(eventTypes).flatMap(([type, { version: current }]) =>
    versionsTo(current).flatMap((version) => {
      const of = { context, type, version };
      const later = versionsTo(current).slice(version);
      return [examplePath(of), schemaPath(of), ...later.map((to) => upcastPath(of, to))];
    }),
  );
}

function unknownFile(path: string): string {
  const back = "put its type or version back, for events of it may be stored";
  return `${path} belongs to no known type and version: ${back}; or list its context in contexts.ts, or correct its name`;
}

function contextProblems({ context, eventTypes }: ContextEvents, files: GoldenFiles): string[] {
  try {
    checkEventTypes(eventTypes);
  } catch (error) {
    return [`${context}: ${messageOf(error)}`];
  }
  return Object.entries(eventTypes).flatMap(([type, definition]) => [
    ...schemaProblems({ context, type, version: definition.version }, definition, files),
    ...versionsTo(definition.version).flatMap((version) =>
      exampleProblems({ context, type, version }, eventTypes, definition, files),
    ),
  ]);
}

function schemaProblems(current: GoldenVersion, definition: EventType, files: GoldenFiles): string[] {
  const older = versionsTo(current.version - 1).map((version) => schemaPath({ ...current, version }));
  const lost = older.filter((path) => !files.has(path)).map((path) => `${path} is missing; ${takeBack}`);
  const path = schemaPath(current);
  const shape = jsonSchemaOf(definition);
  if (shape === undefined)
    return [...lost, `${current.context}: the schema of ${current.type} is not one of zod: make it one`];
  if (!files.has(path)) return [...lost, `${path} is missing: run ${add}`];
  const difference = exactDifference(withoutOrder(shape), withoutOrder(readJson(files, path)));
  if (difference === undefined) return lost;
  const next = current.version + 1;
  const how = `raise its version to ${next}, add an upcaster from ${current.version}, and run ${add}`;
  return [...lost, told(`${path}: ${current.type} has another shape, but no new version; ${how}`, difference)];
}

function exampleProblems(of: GoldenVersion, types: EventTypes, definition: EventType, files: GoldenFiles): string[] {
  const { context, type, version } = of;
  const current = definition.version;
  const path = examplePath(of);
  if (!files.has(path)) {
    const how = `put the data of one into a file, with every optional field, and run ${add} ${context} ${type} <file>`;
    return [`${path} is missing; ${version === current ? how : takeBack}`];
  }
  const parsed = exampleSchema.safeParse(readJson(files, path));
  if (!parsed.success || parsed.data.type !== type || parsed.data.metadata.schemaVersion !== version) {
    const shape = `{ "type": "${type}", "data": ..., "metadata": { "schemaVersion": ${version} } }`;
    return [`${path} is not as it was written, which was ${shape}; ${takeBack}`];
  }
  const example = parsed.data;
  const steps = versionsTo(current).slice(version);
  const problems = steps.flatMap((to) =>
    recordProblems(files, upcastPath(of, to), () => upcastTo(definition, example.data, version, to)),
  );
  if (problems.length > 0) return problems;
  const recorded = version === current ? example.data : readJson(files, upcastPath(of, current));
  return readProblems(path, () => readEventData(types, asStored(example)), recorded);
}

function recordProblems(files: GoldenFiles, path: string, upcast: () => unknown): string[] {
  if (!files.has(path)) return [`${path} is missing: run ${add}`];
  return readProblems(path, upcast, readJson(files, path));
}

function readProblems(path: string, read: () => unknown, recorded: unknown): string[] {
  const how = "correct the upcaster or the schema, or give the type a new version with an upcaster to it";
  let value: unknown;
  try {
    value = read();
  } catch (error) {
    return [told(`${path} can no longer be read; ${how}`, messageOf(error))];
  }
  const difference = exactDifference(value, recorded);
  return difference === undefined ? [] : [told(`${path} reads to another value; ${how}`, difference)];
}

/** What does not parse is nothing that would be expected anywhere. */
function readJson(files: GoldenFiles, path: string): unknown {
  try {
    return JSON.parse(files.get(path) ?? "");
  } catch (error) {
    return error;
  }
}

function told(problem: string, detail: string): string {
  return `${problem}\n${indented(detail)}`;
}

/** With its cause: a schema says there which field it refuses. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n${messageOf(error.cause)}`;
}
