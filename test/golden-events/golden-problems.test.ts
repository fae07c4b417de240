/** Each way in which stored events could stop being read is noticed, and the message says what to do. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { EventType, EventTypes } from "../../engine/event-store/event-types.ts";
import { jsonSchemaOf } from "./golden-files.ts";
import { goldenProblems } from "./golden-problems.ts";
import { GoldenExampleError, missingGoldenFiles, newExample } from "./missing-golden-files.ts";

/** It moved once: version 1 knew no unit. */
const measured = {
  version: 2,
  schema: z.strictObject({ by: z.int(), unit: z.enum(["kg", "piece"]) }),
  upcasters: [(data: unknown) => ({ ...z.object({ by: z.unknown() }).parse(data), unit: "piece" })],
} satisfies EventType;

const named = { version: 1, schema: z.strictObject({ name: z.string(), also: z.string().optional() }) };

const types = { Measured: measured, Named: named };

const contextOf = (eventTypes: EventTypes) => [{ context: "weighing", eventTypes }];

const example = (type: string, data: unknown, schemaVersion: number) => ({ type, data, metadata: { schemaVersion } });

const recorded: Readonly<Record<string, unknown>> = {
  "weighing/Measured.v1.json": example("Measured", { by: 3 }, 1),
  "weighing/Measured.v1.schema.json": { type: "object" },
  "weighing/Measured.v1.as-v2.json": { by: 3, unit: "piece" },
  "weighing/Measured.v2.json": example("Measured", { by: 3, unit: "kg" }, 2),
  "weighing/Measured.v2.schema.json": jsonSchemaOf(measured),
  "weighing/Named.v1.json": example("Named", { name: "flour" }, 1),
  "weighing/Named.v1.schema.json": jsonSchemaOf(named),
};

const filesOf = (contents: Readonly<Record<string, unknown>>): Map<string, string> =>
  new Map(Object.entries(contents).map(([path, content]) => [path, JSON.stringify(content)]));

const problemsWith = (change: EventTypes, contents: Readonly<Record<string, unknown>> = {}) =>
  goldenProblems(contextOf({ ...types, ...change }), filesOf({ ...recorded, ...contents }));

const without = (...paths: readonly string[]): Map<string, string> =>
  filesOf(Object.fromEntries(Object.entries(recorded).filter(([path]) => !paths.includes(path))));

/** The first line of each. */
const headlines = (problems: readonly string[]): (string | undefined)[] => problems.map((each) => each.split("\n")[0]);

const reshape = "correct the upcaster or the schema, or give the type a new version with an upcaster to it";
const takeBack = "it is kept for ever: take it back from the history of the repository";

describe("golden events", () => {
  it("are in order when every version of every type is recorded and is read as recorded", () => {
    expect(problemsWith({})).toStrictEqual([]);
  });

  it.each([
    [
      "weighing/Named.v1.json",
      "put the data of one into a file, with every optional field, and run node test/golden-events/add.ts weighing Named <file>",
    ],
    [
      "weighing/Measured.v2.json",
      "put the data of one into a file, with every optional field, and run node test/golden-events/add.ts weighing Measured <file>",
    ],
    ["weighing/Measured.v1.json", takeBack],
    ["weighing/Measured.v1.schema.json", takeBack],
  ])("miss an example or an old schema: %s", (path, how) => {
    expect(goldenProblems(contextOf(types), without(path))).toStrictEqual([`${path} is missing; ${how}`]);
  });

  it.each(["weighing/Named.v1.schema.json", "weighing/Measured.v2.schema.json", "weighing/Measured.v1.as-v2.json"])(
    "miss what follows from the others: %s",
    (path) => {
      const problems = goldenProblems(contextOf(types), without(path));
      expect(problems).toStrictEqual([`${path} is missing: run node test/golden-events/add.ts`]);
    },
  );

  it("miss everything of a new context", () => {
    expect(goldenProblems([{ context: "naming", eventTypes: { Named: named } }], new Map())).toHaveLength(2);
  });

  it.each([
    ["another type", "weighing/Renamed.v1.json"],
    ["a version that there is not", "weighing/Named.v2.json"],
    ["a version that there is not", "weighing/Named.v0.json"],
    ["a context that is not listed", "naming/Named.v1.json"],
    ["upcast data of the same version", "weighing/Named.v1.as-v1.json"],
    ["upcast data of a later version", "weighing/Measured.v1.as-v3.json"],
    ["nothing that has a place here", "weighing/notes.txt"],
  ])("are of %s: %s", (_, path) => {
    expect(problemsWith({}, { [path]: {} })).toStrictEqual([
      `${path} belongs to no known type and version: put its type or version back, for events of it may be stored; ` +
        "or list its context in contexts.ts, or correct its name",
    ]);
  });

  it("are of a type that was removed", () => {
    expect(headlines(goldenProblems(contextOf({ Measured: measured }), filesOf(recorded)))).toStrictEqual([
      expect.stringContaining("weighing/Named.v1.json belongs to no known type"),
      expect.stringContaining("weighing/Named.v1.schema.json belongs to no known type"),
    ]);
  });

  it.each([
    ["a field more", z.strictObject({ name: z.string(), also: z.string().optional(), more: z.string().optional() })],
    ["a field less", z.strictObject({ name: z.string() })],
    ["a field that is needed now", z.strictObject({ name: z.string(), also: z.string() })],
    ["a field of another type", z.strictObject({ name: z.union([z.string(), z.int()]), also: z.string().optional() })],
    ["a tighter rule", z.strictObject({ name: z.string().max(10), also: z.string().optional() })],
    ["fields that it does not know", z.looseObject({ name: z.string(), also: z.string().optional() })],
  ])("show a shape that changed without a new version: %s", (_, schema) => {
    const contents = { "weighing/Named.v1.json": example("Named", { name: "flour", also: "meal" }, 1) };
    const [problem, ...others] = problemsWith({ Named: { version: 1, schema } }, contents).filter((each) =>
      each.includes("another shape"),
    );
    expect(problem).toMatch(
      /^weighing\/Named\.v1\.schema\.json: Named has another shape, but no new version; raise its version to 2, add an upcaster from 1, and run node test\/golden-events\/add\.ts\n/,
    );
    expect(problem).toContain("+ actual - expected");
    expect(others).toStrictEqual([]);
  });

  it("show no other shape where fields only stand in another order", () => {
    const schema = z.strictObject({ unit: z.enum(["piece", "kg"]), by: z.int() });
    expect(problemsWith({ Measured: { ...measured, schema } })).toStrictEqual([]);
  });

  it("are no longer read", () => {
    const tighter = { version: 1, schema: z.strictObject({ name: z.string().max(4) }) };
    expect(problemsWith({ Named: tighter }, { "weighing/Named.v1.schema.json": jsonSchemaOf(tighter) })).toStrictEqual([
      expect.stringMatching(
        new RegExp(
          `^weighing/Named\\.v1\\.json can no longer be read; ${reshape}\n[^]*does not match the schema[^]*too_big`,
        ),
      ),
    ]);
  });

  it("are read to another value", () => {
    const trimmed = {
      version: 1,
      schema: z.strictObject({ name: z.string().toUpperCase(), also: z.string().optional() }),
    };
    const contents = { "weighing/Named.v1.schema.json": jsonSchemaOf(trimmed) };
    const [problem, ...others] = problemsWith({ Named: trimmed }, contents);
    expect(problem).toContain(`weighing/Named.v1.json reads to another value; ${reshape}\n`);
    expect(problem).toContain("+   name: 'FLOUR'\n  -   name: 'flour'");
    expect(others).toStrictEqual([]);
  });

  it("are upcast to another value, or no longer", () => {
    const [other, ...none] = problemsWith({ Measured: { ...measured, upcasters: [() => ({ by: 3, unit: "kg" })] } });
    expect(other).toContain(`weighing/Measured.v1.as-v2.json reads to another value; ${reshape}\n`);
    expect(other).toContain("+   unit: 'kg'\n  -   unit: 'piece'");
    expect(none).toStrictEqual([]);
    const failing = [
      (): never => {
        throw new TypeError("no unit");
      },
    ];
    expect(problemsWith({ Measured: { ...measured, upcasters: failing } })).toStrictEqual([
      `weighing/Measured.v1.as-v2.json can no longer be read; ${reshape}\n  no unit`,
    ]);
  });

  it("are upcast by one step for each version", () => {
    const missing = { version: 2, schema: measured.schema };
    expect(problemsWith({ Measured: missing })).toStrictEqual([
      "weighing: event type Measured is at version 2 with 0 upcasters: it needs 1, one from each older version to the next",
    ]);
    const schema = z.object({ by: z.int(), unit: z.string(), exact: z.literal(true) });
    const exactly = (data: unknown) => ({ ...z.object({}).loose().parse(data), exact: true });
    const version3 = { version: 3, schema, upcasters: [...measured.upcasters, exactly] };
    expect(headlines(problemsWith({ Measured: version3 }))).toStrictEqual([
      "weighing/Measured.v3.schema.json is missing: run node test/golden-events/add.ts",
      "weighing/Measured.v1.as-v3.json is missing: run node test/golden-events/add.ts",
      "weighing/Measured.v2.as-v3.json is missing: run node test/golden-events/add.ts",
      "weighing/Measured.v3.json is missing; put the data of one into a file, with every optional field, and run " +
        "node test/golden-events/add.ts weighing Measured <file>",
    ]);
    expect(
      problemsWith(
        { Measured: version3 },
        {
          "weighing/Measured.v3.schema.json": jsonSchemaOf(version3),
          "weighing/Measured.v3.json": example("Measured", { by: 3, unit: "g", exact: true }, 3),
          "weighing/Measured.v1.as-v3.json": { by: 3, unit: "piece", exact: true },
          "weighing/Measured.v2.as-v3.json": { by: 3, unit: "kg", exact: true },
        },
      ),
    ).toStrictEqual([]);
  });

  it.each([
    ["another type", example("Measured", { name: "flour" }, 1)],
    ["another version", example("Named", { name: "flour" }, 2)],
    ["no metadata", { type: "Named", data: { name: "flour" } }],
    ["something else beside", { ...example("Named", { name: "flour" }, 1), id: 1 }],
    ["nothing", undefined],
  ])("are not as they were written: %s", (_, content) => {
    expect(problemsWith({}, { "weighing/Named.v1.json": content })).toStrictEqual([
      'weighing/Named.v1.json is not as it was written, which was { "type": "Named", "data": ..., "metadata": ' +
        `{ "schemaVersion": 1 } }; ${takeBack}`,
    ]);
  });

  it("need schemas whose shape can be told", () => {
    const own = { version: 1, schema: { parse: (data: unknown) => data } };
    expect(problemsWith({ Named: own })).toStrictEqual([
      "weighing: the schema of Named is not one of zod: make it one",
    ]);
  });
});

describe("adding golden events", () => {
  const parsed = (added: Map<string, unknown>): unknown => Object.fromEntries(added);

  it("adds schemas of current versions and upcast data, nothing that is there, and no example", () => {
    expect(parsed(missingGoldenFiles(contextOf(types), filesOf(recorded)))).toStrictEqual({});
    const examples = without("weighing/Named.v1.schema.json", "weighing/Measured.v1.as-v2.json");
    expect(parsed(missingGoldenFiles(contextOf(types), examples))).toStrictEqual({
      "weighing/Named.v1.schema.json": recorded["weighing/Named.v1.schema.json"],
      "weighing/Measured.v1.as-v2.json": { by: 3, unit: "piece" },
    });
    // What version 1 took is known no more.
    expect([...missingGoldenFiles(contextOf(types), new Map()).keys()]).toStrictEqual([
      "weighing/Measured.v2.schema.json",
      "weighing/Named.v1.schema.json",
    ]);
    const changed = { ...types, Named: { version: 1, schema: z.strictObject({}) } };
    expect(parsed(missingGoldenFiles(contextOf(changed), filesOf(recorded)))).toStrictEqual({});
  });

  it("adds an example of the current version", () => {
    const files = without("weighing/Measured.v2.json");
    expect(newExample(contextOf(types), files, "weighing", "Measured", { by: 3, unit: "kg" })).toStrictEqual([
      "weighing/Measured.v2.json",
      recorded["weighing/Measured.v2.json"],
    ]);
  });

  it("changes no example, and adds none that would not be stored like that", () => {
    const add = (context: string, type: string, data: unknown) => () =>
      newExample(contextOf(types), without("weighing/Measured.v2.json"), context, type, data);
    expect(add("weighing", "Named", { name: "rye" })).toThrow(
      new GoldenExampleError("weighing/Named.v1.json is there: an example is never changed"),
    );
    expect(add("naming", "Named", {})).toThrow(new GoldenExampleError("no context naming: list it in contexts.ts"));
    expect(add("weighing", "toString", {})).toThrow(new GoldenExampleError("no event type toString in weighing"));
    expect(add("weighing", "Measured", { by: 3 })).toThrow("does not match the schema");
    const trimming = { Trimmed: { version: 1, schema: z.strictObject({ name: z.string().trim() }) } };
    expect(() => newExample(contextOf(trimming), new Map(), "weighing", "Trimmed", { name: " a" })).toThrow(
      "the schema of Trimmed writes these data otherwise: give them as written",
    );
  });
});
