/**
 * The four contexts and the process as a world of values: streams folded by their own deciders, events under way to the
 * process, its requests, and the answers to them. `goings` lists everything that may happen next:
 *
 * - a person acts, whenever the context accepts it;
 * - an event reaches the process, in any order of them all and however late;
 * - a request that the process ever intended is carried out, again and however late: it is sent at least once, and no copy is
 *   ever too old. A key that is recorded with the events of a request has no second effect, as the engine sees to;
 * - an answer reaches the process, or never, in which case the request is carried out again; an invocation may fail for good;
 * - a deadline passes; somebody retries what is halted.
 *
 * That events and answers come twice needs no steps of their own: see promises.ts.
 */
import type { Invoice } from "../../../domain/billing/invoice.ts";
import type { Customer } from "../../../domain/customers/customer.ts";
import type { DomainEvent } from "../../../domain/kernel/decider.ts";
import type { OrderId } from "../../../domain/kernel/ids.ts";
import type { Shipment } from "../../../domain/logistics/shipment.ts";
import type { IntegrationEvent } from "../../../domain/order-to-cash/integration-events.ts";
import {
  orderToCashDecider,
  type ProcessInput,
  type RequestOutcome,
} from "../../../domain/order-to-cash/order-to-cash.ts";
import type { ProcessRequest } from "../../../domain/order-to-cash/requests.ts";
import type { OrderToCash } from "../../../domain/order-to-cash/state.ts";
import { type ContextCommand, contextCommand } from "../../../domain/order-to-cash/translations/context-commands.ts";
import type { Order } from "../../../domain/ordering/order.ts";
import { carriedOut } from "./contexts.ts";
import type { Going } from "./every-interleaving.ts";

/** All that is recorded is recorded at once: the time of a deadline comes by a step of its own. */
export const recordedAt = "2026-01-01T00:00:00.000Z";

export interface Telling {
  /** Id of the event. */
  readonly cause: string;
  readonly fact: IntegrationEvent;
}

export interface Asked {
  readonly key: string;
  readonly request: ProcessRequest;
  /** Whether its key stands with events in the stream of the aggregate. */
  readonly isRecorded: boolean;
}

/** One order in all contexts, and its process. */
export interface Case {
  readonly orderId: OrderId;
  readonly order: Order;
  readonly shipment: Shipment;
  readonly invoice: Invoice;
  /** Types of the order's events. */
  readonly history: readonly string[];
  readonly process: OrderToCash;
  readonly underWay: readonly Telling[];
  readonly told: readonly Telling[];
  readonly asked: readonly Asked[];
  /** To the request that is pending, not heard yet. */
  readonly answers: readonly RequestOutcome[];
}

export interface World {
  readonly customer: Customer;
  readonly cases: readonly Case[];
  /** By their index in the scenario. */
  readonly acted: readonly number[];
  readonly failures: number;
  readonly retries: number;
}

/** What a person may do once; undefined where it makes no sense yet. */
export interface Act {
  readonly name: string;
  readonly asks: (world: World) => ContextCommand | undefined;
}

export interface Scenario {
  readonly start: World;
  readonly acts: readonly Act[];
  readonly deadlines: boolean;
}

export function newCase(orderId: OrderId): Case {
  return {
    orderId,
    order: { status: "unknown" },
    shipment: { status: "unknown" },
    invoice: { status: "unknown" },
    history: [],
    process: orderToCashDecider.initialState,
    underWay: [],
    told: [],
    asked: [],
    answers: [],
  };
}

export function goingsIn({ acts, deadlines }: Scenario): (world: World) => Going<World>[] {
  return (world) => [
    ...acts.flatMap((act, index) => acting(world, act, index)),
    ...world.cases.flatMap((one) => [
      ...one.underWay.map((telling) => hearing(world, one, telling)),
      ...one.asked.flatMap((asked) => carrying(world, one, asked)),
      ...one.answers.map((answer) => answering(world, one, answer)),
      ...(deadlines ? passing(world, one) : []),
      ...failing(world, one),
      ...retrying(world, one),
    ]),
  ];
}

function acting(world: World, { name, asks }: Act, index: number): Going<World>[] {
  const command = world.acted.includes(index) ? undefined : asks(world);
  if (command === undefined) return [];
  const { world: to, events } = carriedOut(world, command);
  if (events.length === 0) return [];
  const acted = [...world.acted, index].sort((left, right) => left - right);
  return [{ step: `${name}: ${typesOf(events)}`, to: { ...to, acted } }];
}

function hearing(world: World, one: Case, telling: Telling): Going<World> {
  const { cause, fact } = telling;
  const { process, step } = advanced(one, { type: "NoteFact", fact, cause, at: recordedAt });
  const underWay = one.underWay.filter((other) => other !== telling);
  const told = [...one.told, telling];
  return { step: `the process hears ${fact.type}: ${step}`, to: replaced(world, { ...process, underWay, told }) };
}

function carrying(world: World, one: Case, { key, request, isRecorded }: Asked): Going<World>[] {
  const isPending = one.process.pending?.key === key;
  if (isRecorded && !isPending) return [];
  const {
    world: after,
    events,
    outcome,
  } = isRecorded
    ? { world, events: [], outcome: { is: "accepted" } as const }
    : carriedOut(world, contextCommand(request));
  if (events.length === 0 && !isPending) return [];
  const changed = caseOf(after, one.orderId);
  const asked = one.asked.map((other) =>
    other.key === key && events.length > 0 ? { ...other, isRecorded: true } : other,
  );
  const answers = isPending ? withAnswer(one.answers, outcome) : one.answers;
  const how = outcome.is === "accepted" ? typesOf(events) : outcome.code;
  const step = `${isPending ? "" : "a late copy of "}${request.step} is carried out: ${how}`;
  return [{ step, to: replaced(after, { ...changed, asked, answers }) }];
}

function answering(world: World, one: Case, outcome: RequestOutcome): Going<World> {
  const { key, request } = one.process.pending ?? fail("an answer to nothing");
  const { process, step } = advanced(one, { type: "RecordOutcome", key, outcome, at: recordedAt });
  const answer = outcome.is === "accepted" ? "was accepted" : `was ${outcome.is}, ${outcome.code}`;
  // The others come too late: that they change nothing is promised.
  const to = replaced(world, { ...process, answers: [] });
  return { step: `the process hears that ${request.step} ${answer}: ${step}`, to };
}

function passing(world: World, one: Case): Going<World>[] {
  return (["dispatch", "payment"] as const).flatMap((name) => {
    const clock = one.process.clocks[name];
    if (clock?.is !== "running") return [];
    const { dueAt } = clock;
    const { process, step } = advanced(one, { type: "PassDeadline", name, dueAt, at: dueAt });
    return [{ step: `the ${name} deadline passes: ${step}`, to: replaced(world, process) }];
  });
}

/** Without effect on the aggregate, for example because this invocation runs an older version. */
function failing(world: World, one: Case): Going<World>[] {
  const { pending } = one.process;
  if (pending === undefined || world.failures === 0) return [];
  const outcome = { is: "failed", code: "EVENT_NOT_UNDERSTOOD", message: "a newer version" } as const;
  const to = replaced(world, { ...one, answers: withAnswer(one.answers, outcome) });
  return [{ step: `${pending.request.step} fails`, to: { ...to, failures: world.failures - 1 } }];
}

function retrying(world: World, one: Case): Going<World>[] {
  if (one.process.halted === undefined || world.retries === 0) return [];
  const { process, step } = advanced(one, { type: "Retry", cause: `retry-${world.retries}`, at: recordedAt });
  return [{ step: `somebody retries: ${step}`, to: { ...replaced(world, process), retries: world.retries - 1 } }];
}

/** The case after the process was told something: with what it now asks for. */
function advanced(one: Case, input: ProcessInput): { process: Case; step: string } {
  const decision = orderToCashDecider.decide(one.process, input);
  if ("rejection" in decision) fail(decision.rejection);
  const events = "rejection" in decision ? [] : decision;
  const process = events.reduce<OrderToCash>((state, event) => orderToCashDecider.evolve(state, event), one.process);
  const intended = events.flatMap(({ type, data }) =>
    type === "CommandIntended" ? [{ key: data.key, request: data.request, isRecorded: false }] : [],
  );
  const wants = intended.map(({ request }) => `, wants ${request.step}`).join("");
  return { process: { ...one, process, asked: [...one.asked, ...intended] }, step: `${typesOf(events)}${wants}` };
}

export function caseOf({ cases }: World, orderId: string): Case {
  return cases.find((one) => one.orderId === orderId) ?? fail(`no order ${orderId} in this world`);
}

export function replaced(world: World, changed: Case): World {
  return { ...world, cases: world.cases.map((one) => (one.orderId === changed.orderId ? changed : one)) };
}

function withAnswer(answers: readonly RequestOutcome[], answer: RequestOutcome): readonly RequestOutcome[] {
  const isKnown = answers.some((other) => JSON.stringify(other) === JSON.stringify(answer));
  return isKnown ? answers : [...answers, answer];
}

function typesOf(events: readonly DomainEvent[]): string {
  return events.length === 0 ? "nothing new" : events.map(({ type }) => type).join(", ");
}

export function fail(message: string): never {
  throw new Error(message);
}
