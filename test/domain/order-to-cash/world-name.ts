/** When two worlds are one and the same to an exploration: they go on in the same ways. */
import { customerSnapshot } from "../../../domain/customers/customer.ts";
import type { Asked, Case, World } from "./world.ts";

/** What differs in the names of keys only goes on in the same ways. */
export function nameOf({ customer, cases, acted, failures, retries }: World): string {
  const parts = cases.flatMap(({ order, shipment, invoice, history, process, underWay, asked, answers }) => [
    ...[order, shipment, invoice, history, answers].map((value) => numberOf(value)),
    numberOf(process, knowledgeOf),
    process.pending === undefined ? "" : numberOf(process.pending.request),
    // After the end nothing moves the process: that is tried, so that nobody need wait for what is still under way.
    process.ended === undefined ? sorted(underWay.map((telling) => numberOf(telling))) : "",
    sorted(asked.map((one) => numberOf(one, effectOf))),
  ]);
  return [
    numberOf(customer, (state) => customerSnapshot.write(state)),
    ...parts,
    acted.join("."),
    failures,
    retries,
  ].join(",");
}

function knowledgeOf(process: Case["process"]): unknown {
  return [{ ...process, pending: undefined, steps: undefined, clocks: undefined }, process.steps, process.clocks].map(
    byName,
  );
}

/** What is undefined counts as absent, and in which order things became known does not count. */
function byName(record: object): [string, unknown][] {
  const there = Object.entries(record).filter(([, value]) => value !== undefined);
  return there.sort(([left], [right]) => (left < right ? -1 : 1));
}

function effectOf({ request, isRecorded }: Asked): unknown {
  return [request, isRecorded];
}

function sorted(numbers: readonly number[]): string {
  return [...numbers].sort((left, right) => left - right).join(".");
}

const numbers = new WeakMap<object, number>();
const texts = new Map<string, number>();

/** One number for all values of one text; an object is written once, however many worlds it is part of. */
function numberOf<Value extends object>(value: Value, text: (value: Value) => unknown = (same) => same): number {
  const known = numbers.get(value);
  if (known !== undefined) return known;
  const written = JSON.stringify(text(value));
  const number = texts.get(written) ?? texts.size;
  texts.set(written, number);
  numbers.set(value, number);
  return number;
}
