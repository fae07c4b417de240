/** A tank that is filled and drained: a sound decider, and others made from it that each break one law. */
import fc from "fast-check";
import { z } from "zod";
import type { AggregateDecider } from "../../../engine/commands/aggregate.ts";
import { DeciderFaultError, exploreDecider, type Exploration } from "../../../engine/testing/explore-decider.ts";

export interface Tank {
  readonly litres: number;
  readonly seen: readonly number[];
}

export type TankCommand = { readonly type: "Fill"; readonly litres: number } | { readonly type: "Drain" };

export type TankEvent =
  | { readonly type: "Filled"; readonly data: { readonly litres: number; readonly note?: string | undefined } }
  | { readonly type: "Drained"; readonly data: { readonly litres: number } };

export interface TankRejection {
  readonly rejection: "TANK_FULL";
  readonly message: string;
}

export type TankDecider = AggregateDecider<Tank, TankCommand, TankEvent, TankRejection>;

export const capacity = 100;

export const sound: TankDecider = {
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

export const eventTypes = {
  Filled: { version: 1, schema: z.strictObject({ litres: z.int().min(1), note: z.string().optional() }) },
  Drained: { version: 1, schema: z.strictObject({ litres: z.int().min(1) }) },
};

export const commands: fc.Arbitrary<TankCommand> = fc.oneof(
  fc.record({ type: fc.constant("Fill" as const), litres: fc.integer({ min: 1, max: 60 }) }),
  fc.constant<TankCommand>({ type: "Drain" }),
);

export type TankExploration = Exploration<Tank, TankCommand, TankEvent, TankRejection>;

export const explore = (change: Partial<TankExploration>): unknown =>
  exploreDecider({ decider: sound, eventTypes, commands, ...change });

export function faultOf(change: Partial<TankExploration>): DeciderFaultError {
  try {
    explore(change);
  } catch (error) {
    if (error instanceof DeciderFaultError) return error;
    throw error;
  }
  throw new Error("no fault was found");
}

/** Without its last line, which names the seed. */
export const told = (fault: DeciderFaultError): string => fault.message.slice(0, fault.message.lastIndexOf("\n"));

/** With another decide, or another evolve, where the sound one would be asked. */
export const deciding = (decide: TankDecider["decide"]): TankDecider => ({ ...sound, decide });
export const evolving = (evolve: TankDecider["evolve"]): TankDecider => ({ ...sound, evolve });
