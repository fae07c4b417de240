/** The exploration finds every kind of fault, shrinks it to the fewest commands, and says how to repeat it. */
import assert from "node:assert";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { AggregateDecider } from "../../../engine/commands/aggregate.ts";
import { EventTypeDefinitionError } from "../../../engine/event-store/event-types.ts";
import { DeciderFaultError, exploreDecider, type Exploration } from "../../../engine/testing/explore-decider.ts";

interface Tank {
  readonly litres: number;
  readonly seen: readonly number[];
}

type TankCommand = { readonly type: "Fill"; readonly litres: number } | { readonly type: "Drain" };

type TankEvent =
  | { readonly type: "Filled"; readonly data: { readonly litres: number; readonly note?: string | undefined } }
  | { readonly type: "Drained"; readonly data: { readonly litres: number } };

interface TankRejection {
  readonly rejection: "TANK_FULL";
  readonly message: string;
}

type TankDecider = AggregateDecider<Tank, TankCommand, TankEvent, TankRejection>;

const capacity = 100;

const sound: TankDecider = {
  initialState: { litres: 0, seen: [] },
  evolve({ litres, seen }, { type, data }) {
    return { litres: type === "Filled" ? litres + data.litres : 0, seen: [...seen, data.litres] };
  },
  decide({ litres }, command) {
    if (command.type === "Drain") return litres === 0 ? [] : [{ type: "Drained", data: { litres } }];
    if (litres + command.litres > capacity) return { rejection: "TANK_FULL", message: "drain it first" };
    return [{ type: "Filled", data: { litres: command.litres } }];
  },
};

const eventTypes = {
  Filled: { version: 1, schema: z.strictObject({ litres: z.int().min(1), note: z.string().optional() }) },
  Drained: { version: 1, schema: z.strictObject({ litres: z.int().min(1) }) },
};

const commands: fc.Arbitrary<TankCommand> = fc.oneof(
  fc.record({ type: fc.constant("Fill" as const), litres: fc.integer({ min: 1, max: 60 }) }),
  fc.constant<TankCommand>({ type: "Drain" }),
);

type TankExploration = Exploration<Tank, TankCommand, TankEvent, TankRejection>;

const explore = (change: Partial<TankExploration>): unknown =>
  exploreDecider({ decider: sound, eventTypes, commands, ...change });

function faultOf(change: Partial<TankExploration>): DeciderFaultError {
  try {
    explore(change);
  } catch (error) {
    if (error instanceof DeciderFaultError) return error;
    throw error;
  }
  throw new Error("no fault was found");
}

/** Without its last line, which names the seed. */
const told = (fault: DeciderFaultError): string => fault.message.slice(0, fault.message.lastIndexOf("\n"));

/** With another decide, or another evolve, where the sound one would be asked. */
const deciding = (decide: TankDecider["decide"]): TankDecider => ({ ...sound, decide });
const evolving = (evolve: TankDecider["evolve"]): TankDecider => ({ ...sound, evolve });

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

describe("each law is watched:", () => {
  const failure = new Error("broken valve");
  const fail = (): never => {
    throw failure;
  };
  let calls = 0;

  const afterDrain: Partial<TankExploration> = {
    // Where only a drained tank is at fault, the fewest commands are a fill and a drain.
    commands: fc.oneof(
      fc.constant<TankCommand>({ type: "Fill", litres: 1 }),
      fc.constant<TankCommand>({ type: "Drain" }),
    ),
  };
  const filled = "  1. { type: 'Fill', litres: 1 }\n    [ { type: 'Filled', data: { litres: 1 } } ]\n";

  const onDrain = (answer: (litres: number) => ReturnType<TankDecider["decide"]>): TankDecider =>
    deciding((tank, command) =>
      command.type === "Drain" && tank.litres > 0 ? answer(tank.litres) : sound.decide(tank, command),
    );

  const evolveDrain = (answer: (tank: Tank, event: TankEvent) => Tank): TankDecider =>
    evolving((tank, event) => (event.type === "Drained" ? answer(tank, event) : sound.evolve(tank, event)));

  it.each<[string, TankDecider, string]>([
    ["decide never throws", onDrain(fail), "decide threw Error: broken valve\n"],
    ["evolve never throws", evolveDrain(fail), "evolve threw Error: broken valve\n"],
    [
      "decide answers events or a rejection",
      // What a switch without a case for the command gives at run time.
      onDrain(() => undefined as unknown as TankRejection),
      "decide answered neither events nor a rejection\n  undefined\n",
    ],
    [
      "decide answers in time, not with a promise",
      onDrain(() => Promise.resolve([]) as unknown as TankRejection),
      "decide answered neither events nor a rejection\n  Promise { [] }\n",
    ],
    [
      "evolve answers a state",
      evolveDrain(() => undefined as unknown as Tank),
      "evolve answered undefined to Drained\n",
    ],
    [
      "decide keeps its state as it is",
      deciding((tank, command) => {
        // The type forbids it; a decider written without types may do it.
        if (command.type === "Drain" && tank.litres > 0) (tank as { litres: number }).litres = 0;
        return sound.decide(tank, command);
      }),
      "decide changed what it was given\n",
    ],
    [
      "decide keeps its command as it is",
      deciding((tank, command) => {
        const decision = sound.decide(tank, command);
        if (command.type === "Drain" && tank.litres > 0) Object.assign(command, { done: true });
        return decision;
      }),
      "decide changed what it was given\n",
    ],
    [
      "evolve keeps its state as it is",
      evolveDrain((tank) => Object.assign(tank, { litres: 0 })),
      "evolve changed what it was given\n",
    ],
    [
      "evolve keeps its event as it is",
      evolveDrain((tank, event) => {
        const next = sound.evolve(tank, event);
        Object.assign(event.data, { litres: 2 });
        return next;
      }),
      "evolve changed what it was given\n",
    ],
    [
      "decide has no memory",
      onDrain((litres) => [{ type: "Drained", data: { litres: litres + (calls += 1) } }]),
      "decide answered otherwise when it was asked again\n",
    ],
    [
      "evolve has no memory",
      evolveDrain((tank, event) => ({ ...sound.evolve(tank, event), litres: (calls += 1) })),
      "the stored history folds to another state\n",
    ],
    [
      "a decided event is of a listed type",
      // Its type is not among those of the union.
      onDrain(() => [{ type: "Leaked", data: {} } as unknown as TankEvent]),
      "Leaked was decided, which is not among the event types\n",
    ],
    [
      "an event is as its schema says",
      onDrain(() => [{ type: "Drained", data: { litres: 0.5 } }]),
      "the schema of Drained refuses what was decided\n",
    ],
    [
      "JSON keeps an event: no field is undefined",
      onDrain(() => [{ type: "Filled", data: { litres: 1, note: undefined } }]),
      "JSON does not keep the data of Filled\n",
    ],
  ])("%s", (_, decider, what) => {
    const fault = faultOf({ ...afterDrain, decider });
    expect(fault.message).toContain(what);
    expect(fault.message.startsWith(what)).toBe(true);
    expect(fault.message).toContain(`${filled}  2. { type: 'Drain'`);
    expect(fault.message).not.toContain("  3. ");
    if (what.includes("valve")) expect(fault.cause).toBe(failure);
  });

  it("a schema keeps what was decided as it is", () => {
    const trimming = {
      ...eventTypes,
      Filled: { version: 1, schema: z.object({ litres: z.int().transform((n) => n - 1) }) },
    };
    expect(faultOf({ ...afterDrain, eventTypes: trimming }).message).toContain(
      "the schema of Filled changes what was decided\n",
    );
  });

  it("the choice of a command never throws", () => {
    expect(faultOf({ commands: fc.constant(fail) }).message).toContain(
      "the choice of a command threw Error: broken valve",
    );
  });

  it("event types have the upcasters that their versions need", () => {
    const wrong = { ...eventTypes, Drained: { ...eventTypes.Drained, version: 2 } };
    expect(() => explore({ eventTypes: wrong })).toThrow(EventTypeDefinitionError);
  });
});
