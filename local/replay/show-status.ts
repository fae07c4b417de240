/** The status of a view's replays for a person, or as JSON. */
import { formatPosition, type Position, startOfAll } from "../../engine/event-store/position.ts";
import { type GenerationStatus, type ReplayStatus, statusToJson } from "../../engine/replay/replay-status.ts";
import type { TransitionNote } from "../../engine/views/catalog.ts";
import type { CommonOptions } from "../cli/command-error.ts";

/** `beside` are the names of the views as of a position that stand beside it. */
export function showStatus(
  status: ReplayStatus,
  beside: readonly string[],
  { json }: Pick<CommonOptions, "json">,
): void {
  if (json === true)
    console.log(JSON.stringify({ ...statusToJson(status), ...(beside.length === 0 ? {} : { beside }) }));
  else for (const line of [...lines(status), ...besideLines(beside, status.view)]) console.log(line);
}

function besideLines(beside: readonly string[], view: string): string[] {
  return beside.map(
    (name) => `beside it, as of a position: ${name}   (npx tidemark replay status ${view} --as ${name})`,
  );
}

function lines({ view, epoch, generations, history }: ReplayStatus): string[] {
  return [
    `${view}, epoch ${epoch}`,
    ...(generations.length === 0 ? ["  no generation yet"] : generations.flatMap(ofGeneration)),
    ...(history.length === 0 ? [] : ["done so far", ...history.map(ofNote)]),
  ];
}

function ofGeneration(generation: GenerationStatus): string[] {
  const { id, role, version, from, until, declaredAt, verifiedTo, sealedTo, checkpoint, leaseUntil, next } = generation;
  const facts = [
    `version ${version}`,
    ...(from.commit === startOfAll.commit ? [] : [`counts events from ${formatPosition(from)} on`]),
    ...at("ends at", until),
    `declared ${declaredAt}`,
    ...(checkpoint === undefined ? [] : [`written to ${checkpoint}`]),
    ...(leaseUntil === undefined ? [] : [`its worker's until ${leaseUntil}`]),
    ...at("verified to", verifiedTo),
    ...at("seam closed to", sealedTo),
  ];
  return [`  ${role.padEnd(8)}  ${id}  ${facts.join(", ")}`, `            ${next}`];
}

function at(what: string, position: Position | undefined): string[] {
  return position === undefined ? [] : [`${what} ${formatPosition(position)}`];
}

function ofNote({ at: when, epoch, transition, generation, by }: TransitionNote): string {
  return `  ${when}  ${epoch}  ${transition} of ${generation} by ${by}`;
}
