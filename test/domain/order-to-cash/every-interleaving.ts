/**
 * Explores every way in which a world can go on: breadth first, each state once, from the first to those from which nothing
 * goes on. The first state that breaks a promise is reached by the fewest steps that show it; they are told as they were taken.
 */

export interface Going<World> {
  /** What happened, for people. */
  readonly step: string;
  readonly to: World;
}

export interface Model<World> {
  readonly start: World;
  /** Everything that may happen next. A step that leaves the world as it is leads nowhere and is left out. */
  readonly goings: (world: World) => readonly Going<World>[];
  /** Two worlds of one name go on in the same ways. */
  readonly nameOf: (world: World) => string;
  /** What is wrong in this world; undefined when all is well. */
  readonly fault: (world: World) => string | undefined;
  /** Shown at the end of a trace. */
  readonly told: (world: World) => string;
}

export interface Explored<World> {
  readonly states: number;
  /** Different sequences of steps from the start to an end. */
  readonly interleavings: bigint;
  /** Worlds from which nothing goes on. */
  readonly ends: readonly World[];
}

export class PromiseBrokenError extends Error {
  readonly code = "PROMISE_BROKEN";
  override readonly name = "PromiseBrokenError";
}

interface Visited<World> {
  readonly world: World;
  /** How it was reached first; absent for the start. */
  readonly from?: { readonly visited: Visited<World>; readonly step: string };
  readonly next: Visited<World>[];
}

/** Throws {@link PromiseBrokenError} with the shortest trace to a fault, or when steps lead back to where they came from. */
export function everyInterleaving<World>({ start, goings, nameOf, fault, told }: Model<World>): Explored<World> {
  const first: Visited<World> = { world: start, next: [] };
  const known = new Map([[nameOf(start), first]]);
  for (const visited of known.values()) {
    const wrong = fault(visited.world);
    if (wrong !== undefined) throw brokenBy(wrong, visited, told);
    for (const { step, to } of goings(visited.world)) {
      const name = nameOf(to);
      const there = known.get(name) ?? { world: to, from: { visited, step }, next: [] };
      // A map is walked in the order of insertion, those included that are added meanwhile: breadth first.
      known.set(name, there);
      if (there !== visited) visited.next.push(there);
    }
  }
  const ends = [...known.values()].filter(({ next }) => next.length === 0);
  return {
    states: known.size,
    interleavings: pathsFrom(first, new Map(), told),
    ends: ends.map(({ world }) => world),
  };
}

/** `counted` has 0 for those on the way: to meet one again is to go round in circles. */
function pathsFrom<World>(
  visited: Visited<World>,
  counted: Map<Visited<World>, bigint>,
  told: (world: World) => string,
): bigint {
  const known = counted.get(visited);
  if (known === 0n) throw brokenBy("the steps lead back to where they came from", visited, told);
  if (known !== undefined) return known;
  counted.set(visited, 0n);
  const onwards = visited.next.reduce((sum, next) => sum + pathsFrom(next, counted, told), 0n);
  const paths = visited.next.length === 0 ? 1n : onwards;
  counted.set(visited, paths);
  return paths;
}

function brokenBy<World>(wrong: string, visited: Visited<World>, told: (world: World) => string): PromiseBrokenError {
  const steps: string[] = [];
  for (let at = visited; at.from !== undefined; at = at.from.visited) steps.unshift(at.from.step);
  const numbered = steps.map((step, at) => `${String(at + 1).padStart(3)}. ${step}`);
  const trace = ["The fewest steps that show it", ...numbered, "Where they lead", told(visited.world)];
  return new PromiseBrokenError([wrong, ...trace].join("\n"));
}
