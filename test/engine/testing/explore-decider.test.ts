/** The exploration shrinks what it finds to the fewest commands, and says how to repeat it. */
import assert from "node:assert";
import fc from "fast-check";
import { z } from "zod";
import { afterEach, describe, expect, it, vi } from "vitest";
import { exploreDecider } from "../../../engine/testing/explore-decider.ts";
import {
  capacity,
  commands,
  eventTypes,
  deciding,
  evolving,
  explore,
  faultOf,
  sound,
  type Tank,
  type TankCommand,
  type TankEvent,
  type TankExploration,
  told,
} from "./tank.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a sound decider", () => {
  it("passes, and the outcomes that were met are counted", () => {
    expect(
      exploreDecider({ decider: sound, eventTypes, commands, seed: 1, runs: 1, maximumCommands: 0 }),
    ).toStrictEqual({
      seed: 1,
      decided: {},
      refused: {},
      unchanged: 0,
    });
    const explored = exploreDecider({ decider: sound, eventTypes, commands, runs: 200 });
    expect(explored.decided["Filled"]).toBeGreaterThan(100);
    expect(explored.decided["Drained"]).toBeGreaterThan(100);
    expect(explored.refused["TANK_FULL"]).toBeGreaterThan(10);
    expect(explored.unchanged).toBeGreaterThan(100);
    expect(Object.keys(explored.decided).concat(Object.keys(explored.refused)).sort()).toStrictEqual([
      "Drained",
      "Filled",
      "TANK_FULL",
    ]);
  });

  it("may be asked for what its own state suggests", () => {
    const toTheBrim = fc.constant((tank: Tank, history: readonly TankEvent[]): TankCommand | undefined => {
      expect(history.map(({ data }) => data.litres)).toStrictEqual(tank.seen);
      return tank.litres === 0 || tank.litres === capacity
        ? undefined
        : { type: "Fill", litres: capacity - tank.litres };
    });
    const never = { "never quite full": (tank: Tank) => tank.litres < capacity };
    const fault = faultOf({ commands: fc.oneof(commands, toTheBrim), invariants: never });
    expect(fault.message).toContain('the invariant "never quite full" is broken\nCommands');
    expect(fault.message).toContain("  2. { type: 'Fill', litres: ");
    expect(fault.message).not.toContain("3. ");
    expect(fault.message).toContain("litres: 100, seen");
  });

  it("may hold in its state more than the state's value, when a view shows the value", () => {
    let evolved = 0;
    const remembering = evolving((tank, event) => ({ ...sound.evolve(tank, event), cached: (evolved += 1) }));
    expect(faultOf({ decider: remembering }).message).toContain("the stored history folds to another state");
    explore({ decider: remembering, view: ({ litres, seen }) => ({ litres, seen }) });
  });
});

describe("a fault", () => {
  it("is told with the fewest commands, what they decided, the state and the seed that repeats it", () => {
    const invariants = { "never more than 70 litres": ({ litres }: Tank) => litres <= 70 };
    const fault = faultOf({ invariants, seed: 7, commands: fc.constant({ type: "Fill", litres: 36 }) });
    expect(fault.code).toBe("DECIDER_FAULT");
    expect(fault.message).toBe(`the invariant "never more than 70 litres" is broken
Commands, the fewest that show it, with what was decided
  1. { type: 'Fill', litres: 36 }
    [ { type: 'Filled', data: { litres: 36 } } ]
  2. { type: 'Fill', litres: 36 }
    [ { type: 'Filled', data: { litres: 36 } } ]
State that was reached
  { litres: 72, seen: [ 36, 36 ] }
Seed: repeat with TIDEMARK_SEED=7`);
  });

  it("comes again with its seed, from the option or from TIDEMARK_SEED", () => {
    const invariants = { "never more than 70 litres": ({ litres }: Tank) => litres <= 70 };
    const found = faultOf({ invariants });
    const seed = /TIDEMARK_SEED=(\d+)$/.exec(found.message)?.[1] ?? "none";
    expect(faultOf({ invariants, seed: Number(seed) }).message).toBe(found.message);
    vi.stubEnv("TIDEMARK_SEED", seed);
    expect(faultOf({ invariants }).message).toBe(found.message);
  });

  it("is not looked for with a seed that is none", () => {
    vi.stubEnv("TIDEMARK_SEED", "abc");
    expect(() => explore({})).toThrow(
      new RangeError("TIDEMARK_SEED=abc: give the whole number that a failed test has named"),
    );
  });

  it("is another each time where no seed is given", () => {
    const seeds = [1, 2].map(() => exploreDecider({ decider: sound, eventTypes, commands, runs: 1 }).seed);
    expect(seeds[0]).not.toBe(seeds[1]);
  });

  it("of the initial state takes no command", () => {
    expect(told(faultOf({ invariants: { "never empty": ({ litres }) => litres > 0 } }))).toBe(
      `the invariant "never empty" is broken
Commands, the fewest that show it, with what was decided
  none: the initial state
State that was reached
  { litres: 0, seen: [] }`,
    );
  });

  it("of an invariant that asserts shows what the assertion found, and carries it", () => {
    const fault = faultOf({
      invariants: {
        "drained to nothing": (_, history) => {
          assert.deepStrictEqual(
            history.filter(({ type }) => type === "Drained"),
            [],
          );
          return true;
        },
      },
    });
    expect(fault.message).toContain('the invariant "drained to nothing" is broken\n  AssertionError');
    expect(fault.cause).toBeInstanceOf(assert.AssertionError);
    expect(fault.message).toContain("  2. { type: 'Drain' }");
    expect(fault.message).not.toContain("  3. ");
  });
});

describe("what cannot be explored", () => {
  // Of any shape: what a decider that the type checker has not seen can answer.
  const answering = (event: unknown): Partial<TankExploration> => ({
    decider: { ...sound, evolve: (tank) => tank, decide: () => [event] as TankEvent[] },
    eventTypes: { Filled: { version: 1, schema: z.any() } },
  });
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const throwing = (what: unknown) => (): never => {
    throw what;
  };
  const failing = throwing(new Error("no"));

  it.each<[string, Partial<TankExploration>, string]>([
    [
      "a number that JSON does not know",
      answering({ type: "Filled", data: 1n }),
      "JSON does not keep the data of Filled",
    ],
    ["data in a circle", answering({ type: "Filled", data: cyclic }), "JSON does not keep the data of Filled"],
    ["an event without data", answering({ type: "Filled" }), "JSON does not keep the data of Filled"],
    ["an event that is none", answering(null), "the exploration failed: TypeError"],
    ["a view that throws", { view: failing }, "the exploration failed: Error: no"],
    [
      "an invariant that answers later",
      { invariants: { late: async () => Promise.resolve(false) } as never },
      'the invariant "late" answered neither true nor false',
    ],
    [
      "a command that cannot be copied",
      { commands: commands.map((command) => ({ ...command, ask: failing })) },
      "the exploration failed: DataCloneError",
    ],
    [
      "a decider that throws what is no error",
      { decider: deciding(throwing(Object.create(null))) },
      "decide threw [Object: null prototype] {}",
    ],
  ])("fails: %s", (_, change, message) => {
    expect(faultOf(change).message.startsWith(message)).toBe(true);
  });

  it.each([0, -1, 1.5])("is not explored %d times", (runs) => {
    expect(() => explore({ runs })).toThrow(new RangeError(`runs: ${runs} explores nothing: give 1 or more`));
  });
});
