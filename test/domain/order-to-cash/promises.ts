/**
 * What must hold in every world, whatever has happened and in which order. What comes twice changes nothing: so it is enough
 * to try it in every world, and no step need be made of it.
 */
import { inspect } from "node:util";
import { customerSnapshot } from "../../../domain/customers/customer.ts";
import { sameMoney } from "../../../domain/kernel/money.ts";
import { orderToCashDecider, type ProcessInput } from "../../../domain/order-to-cash/order-to-cash.ts";
import type { OrderToCash } from "../../../domain/order-to-cash/state.ts";
import { type Case, recordedAt, type Telling, type World } from "./world.ts";

/** `halts`: refusals after which somebody is expected to retry. */
export function brokenPromise(halts: readonly string[]): (world: World) => string | undefined {
  return (world) => {
    for (const one of world.cases) {
      const wrong =
        halted(one, halts) ?? moved(one) ?? keyed(one) ?? (isQuiet(one) ? unfinished(world, one) : undefined);
      if (wrong !== undefined) return `order ${one.orderId}: ${wrong}`;
    }
    return overdrawn(world);
  };
}

function halted({ process }: Case, halts: readonly string[]): string | undefined {
  if (process.halted === undefined || halts.includes(process.halted.code)) return undefined;
  return `${process.halted.request.step} halts the process: ${process.halted.code}`;
}

/** Nothing is under way that could move the process. People may act, deadlines pass, and copies of requests may still come. */
function isQuiet({ underWay, process }: Case): boolean {
  return process.ended !== undefined || (underWay.length === 0 && process.pending === undefined);
}

/** A fact, an answer or a deadline that comes twice, and anything after the end. */
function moved({ process, told, underWay, asked }: Case): string | undefined {
  const at = recordedAt;
  const noting = ({ fact, cause }: Telling): ProcessInput => ({ type: "NoteFact", fact, cause, at });
  const again = told.map(noting);
  const late = asked
    .filter(({ key }) => key !== process.pending?.key)
    .flatMap(({ key }): ProcessInput[] => [
      { type: "RecordOutcome", key, outcome: { is: "accepted" }, at },
      { type: "RecordOutcome", key, outcome: { is: "refused", code: "LATE", message: "late" }, at },
    ]);
  const passed = Object.entries(process.clocks).flatMap(([name, { is, dueAt }]): ProcessInput[] =>
    (is === "running" && process.ended === undefined) || (name !== "dispatch" && name !== "payment")
      ? []
      : [{ type: "PassDeadline", name, dueAt, at: dueAt }],
  );
  const afterEnd = process.ended === undefined ? [] : [...told, ...underWay].map(noting);
  const moving =
    [...again, ...late, ...passed].find((input) => moves(process, input)) ??
    afterEnd.find((input) => asksMore(process, input));
  return moving && `what comes twice or late moves the process: ${inspect(moving, { depth: 4 })}`;
}

function moves(process: Case["process"], input: ProcessInput): boolean {
  const decision = orderToCashDecider.decide(process, input);
  if ("rejection" in decision) return true;
  const after = decision.reduce<OrderToCash>((state, event) => orderToCashDecider.evolve(state, event), process);
  return after !== process && JSON.stringify(after) !== JSON.stringify(process);
}

/** What is noted after the end is the fact alone. */
function asksMore(process: Case["process"], input: ProcessInput): boolean {
  const decision = orderToCashDecider.decide(process, input);
  return "rejection" in decision || decision.length > 1;
}

/** Under one key, one request. */
function keyed({ asked }: Case): string | undefined {
  return new Set(asked.map(({ key }) => key)).size === asked.length ? undefined : "two requests have one key";
}

/** Of an order about which nothing is under way. */
function unfinished(world: World, one: Case): string | undefined {
  const { order, process, history } = one;
  if (history.includes("OrderCancelled") && history.includes("OrderCompleted")) return "cancelled and completed";
  if (order.status === "unknown") return process.order === undefined ? undefined : "a process of no order";
  if (process.ended !== undefined) return badEnding(world, one, process.ended);
  if (process.halted !== undefined) return undefined;
  if (awaited(one) === undefined) return "it waits for nobody";
  if (order.status !== "confirmed" && !isCompletedByHand(one)) return `it goes on while the order is ${order.status}`;
  const reserved = reservedFor(world, one);
  return reserved !== undefined && sameMoney(reserved, order.facts.total) ? undefined : "its credit is not reserved";
}

/** Whom the process waits for: the act of a person that takes it on. */
export function awaited({ shipment, invoice, process }: Case): string | undefined {
  if (process.halted !== undefined) return "a retry";
  if (shipment.status === "scheduled") return "the dispatch";
  if (shipment.status === "dispatched") return "the delivery";
  return invoice.status === "open" || invoice.status === "overdue" ? "the payment" : undefined;
}

type Ending = NonNullable<Case["process"]["ended"]>;

function badEnding(world: World, one: Case, ending: Ending): string | undefined {
  const { order, shipment, invoice } = one;
  if (reservedFor(world, one) !== undefined) return `it ended as ${ending}, and its credit is still reserved`;
  const owes = invoice.status === "open" || invoice.status === "overdue";
  const keeps = "paid" in invoice && invoice.paid.amount > 0;
  const arrives = shipment.status === "scheduled" || shipment.status === "dispatched";
  const facts = [
    order.status,
    ...(arrives ? ["goods under way"] : shipment.status === "delivered" ? ["delivered"] : []),
    ...(owes ? ["money owed"] : []),
    ...(keeps ? ["money kept"] : []),
    ...(invoice.status === "unknown" ? ["no invoice"] : []),
  ];
  const isRight = {
    completed: order.status === "completed" && shipment.status === "delivered" && !owes && invoice.status !== "unknown",
    // What was delivered before the order was cancelled stays with the customer.
    // An order that sales has completed by hand stays completed, whatever has to be taken back of it.
    cancelled:
      (order.status === "cancelled" || order.status === "rejected" || isCompletedByHand(one)) &&
      !arrives &&
      !owes &&
      !keeps,
    rejected: order.status === "rejected" && shipment.status === "unknown" && invoice.status === "unknown",
  }[ending];
  return isRight ? undefined : `it ended as ${ending}: ${facts.join(", ")}`;
}

function isCompletedByHand({ order, asked }: Case): boolean {
  return order.status === "completed" && !asked.some(({ request }) => request.step === "complete-order");
}

function reservedFor({ customer }: World, { orderId }: Case) {
  return customer.status === "unknown" ? undefined : customer.reservations.get(orderId);
}

/** What is reserved is the sum of the reservations, and within the limit. */
function overdrawn({ customer }: World): string | undefined {
  if (customer.status === "unknown") return undefined;
  const sum = customer.reservations.valueSeq().reduce((total, { amount }) => total + amount, 0);
  const { reserved, creditLimit } = customer;
  return sum === reserved.amount && sum <= creditLimit.amount ? undefined : "the customer's credit is overdrawn";
}

/** Who hears of an order afterwards sees this much: where the goods and the money are. */
export function outcomeOf(world: World): unknown {
  return world.cases.map((one) => ({
    ended: one.process.ended ?? awaited(one),
    order: one.order.status,
    goods: one.shipment.status === "delivered" ? "with the customer" : "not with the customer",
    owed: "open" in one.invoice ? one.invoice.open.amount : 0,
    kept: "paid" in one.invoice ? one.invoice.paid.amount : 0,
    reserved: reservedFor(world, one)?.amount ?? 0,
  }));
}

export function toldOf(world: World): string {
  const customer = customerSnapshot.write(world.customer);
  const cases = world.cases.map(({ orderId, order, shipment, invoice, process, underWay, answers }) => ({
    orderId,
    order: order.status,
    shipment: shipment.status,
    invoice: invoice.status,
    process,
    underWay: underWay.map(({ fact }) => fact.type),
    answers,
  }));
  return inspect({ customer, cases }, { depth: 6, breakLength: 120 });
}
