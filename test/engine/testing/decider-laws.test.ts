/** Each law of deciders is watched: one that breaks it is found, with the fewest commands that show it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { EventTypeDefinitionError } from "../../../engine/event-store/event-types.ts";
import {
  deciding,
  eventTypes,
  evolving,
  explore,
  faultOf,
  sound,
  type Tank,
  type TankCommand,
  type TankDecider,
  type TankEvent,
  type TankExploration,
  type TankRejection,
} from "./tank.ts";

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
        Object.assign(event.data, { litres: -1 });
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
